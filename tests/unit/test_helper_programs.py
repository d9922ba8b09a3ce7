"""The programs that root runs for the bot of Kai 2.1, as they are written to a host.

What they print and how they end is what principal_documents.py of September 2026 reads; no whole
tree of Kai 2.1 was at hand to run them with.
"""

import ast
import hashlib
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kai_ansible.ansible.collection import contract as contract_of_line
from kai_ansible.rules.configuration import read_configuration
from kai_ansible.rules.helper_programs import User, helper_programs
from kai_ansible.rules.principal_ids import principal_of_telegram
from tests.conftest import PRIVATE, ROOT
from tests.unit.samples import user, variables

CONTRACT = contract_of_line("2")
pytestmark = pytest.mark.slow

W = "wsp_" + "0123456789abcdef" * 2
ADA = principal_of_telegram(W, 1)
# an account of every system
OWNER = "daemon"
TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(ROOT / "roles" / "kai_install" / "templates"),
    trim_blocks=True,
    keep_trailing_newline=True,
    undefined=jinja2.StrictUndefined,
    # as Ansible's own
    autoescape=False,
)
READER, MEMORY = "/etc/kai/read-principal-document", "/etc/kai/read-principal-memory"


def program(name: str, places: dict[str, str], directory: Path, account: str = OWNER) -> Path:
    """Write the program that an install makes for one user, Ada, and return its path."""
    read = read_configuration(CONTRACT, variables(user(os_user=account), service_user="kai"))
    users = [User(ADA, account, f"{places['data_dir']}/home/{ADA}")]
    found = helper_programs(read, places, users, ["helpers"])
    [helper] = [one for one in found if one["path"] == name]
    assert helper["given"]
    path = directory / Path(name).name
    text = TEMPLATES.get_template(helper["template"]).render(plan=helper["literals"])
    path.write_text(text, encoding="utf-8")
    path.chmod(int(helper["mode"], 8))
    return path


def ended(path: Path, *arguments: str) -> tuple[int, bytes]:
    done = subprocess.run([path, *arguments], capture_output=True, check=False, env={}, cwd="/")
    assert done.stderr == b"" or done.returncode == 0
    return done.returncode, done.stdout


@pytest.fixture
def data() -> Iterator[Path]:
    """A data directory with the documents of Ada, which her account owns."""
    # everybody can enter it, which is not so for those of pytest
    with tempfile.TemporaryDirectory(dir=PRIVATE) as name:
        directory = Path(name)
        directory.chmod(0o755)
        for place, document in (
            ("home", "AGENTS.md"),
            ("preferences", "PREFERENCES.md"),
            ("memory", "MEMORY.md"),
        ):
            own = directory / place / ADA
            own.mkdir(parents=True)
            (own / document).write_text(f"{place} of Ada: \u00e9\n", encoding="utf-8")
            for path in (own, own / document):
                os.chown(path, 1, 1)
                path.chmod(0o700 if path.is_dir() else 0o600)
        yield directory


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root reads as other accounts")


@pytest.fixture
def reader(data: Path, tmp_path: Path) -> Path:
    return program(READER, places(data), tmp_path)


@pytest.fixture
def memory(data: Path, tmp_path: Path) -> Path:
    return program(MEMORY, places(data), tmp_path)


def places(data: Path) -> dict[str, str]:
    return {"data_dir": str(data), "install_dir": "/opt/kai"}


def answer(reader: Path, kind: str = "personal_preferences") -> dict[str, Any]:
    code, said = ended(reader, ADA, kind)
    assert code == 0
    return dict(json.loads(said))


@as_root
def test_each_document_is_printed_with_its_digest(reader: Path) -> None:
    for kind, place in (
        ("principal_policy", "home"),
        ("personal_preferences", "preferences"),
        ("file_memory", "memory"),
    ):
        content = f"{place} of Ada: \u00e9\n"
        assert answer(reader, kind) == {
            "version": 1,
            "kind": kind,
            "state": "present",
            "reason": "verified_owner_read",
            "content": content,
            "sha256": hashlib.sha256(content.encode()).hexdigest(),
        }


@as_root
@pytest.mark.parametrize(
    "arguments", [(), (ADA,), (ADA, "other"), ("../x", "file_memory"), (f"{ADA}\n", "file_memory")]
)
def test_other_arguments_are_refused(reader: Path, arguments: tuple[str, ...]) -> None:
    assert ended(reader, *arguments) == (64, b"")


@as_root
def test_an_unknown_user_has_no_documents(reader: Path) -> None:
    assert ended(reader, principal_of_telegram(W, 2), "file_memory") == (65, b"")


def _link(document: Path) -> None:
    document.unlink()
    document.symlink_to("/etc/shadow")


def _second_name(document: Path) -> None:
    os.link(document, document.with_name("other"))


def _pipe(document: Path) -> None:
    document.unlink()
    os.mkfifo(document)
    os.chown(document, 1, 1)


def _large(document: Path) -> None:
    os.truncate(document, 128 * 1024 + 1)


def _no_text(document: Path) -> None:
    document.write_bytes(b"\xff")


def _of_another(document: Path) -> None:
    os.chown(document, 2, 2)
    document.chmod(0o644)


def _closed(document: Path) -> None:
    os.chown(document, 2, 2)


def _in_a_directory_of_another(document: Path) -> None:
    os.chown(document.parent, 2, 2)
    document.parent.chmod(0o755)


def _behind_a_link(document: Path) -> None:
    document.parent.rename(document.parent.with_name("moved"))
    document.parent.symlink_to("moved")


@as_root
@pytest.mark.parametrize(
    ("damage", "state", "reason"),
    [
        (Path.unlink, "missing", "missing"),
        (_link, "unsafe", "open_rejected"),
        (_second_name, "unsafe", "not_single_regular_file"),
        (_pipe, "unsafe", "not_single_regular_file"),
        (_large, "oversized", "size_limit_exceeded"),
        (_no_text, "malformed", "invalid_utf8"),
        (_of_another, "wrong_owner", "file_owner_mismatch"),
        (_closed, "unreadable", "permission_denied"),
        (_in_a_directory_of_another, "wrong_owner", "parent_owner_mismatch"),
        (_behind_a_link, "unsafe", "parent_not_directory"),
    ],
)
def test_what_is_no_document_of_the_user_is_told(
    reader: Path, data: Path, damage: Any, state: str, reason: str
) -> None:
    damage(data / "preferences" / ADA / "PREFERENCES.md")
    found = answer(reader)
    assert (found["state"], found["reason"]) == (state, reason)
    assert (found["content"], found["sha256"]) == (None, None)


@as_root
def test_an_account_that_is_gone_reads_nothing(data: Path, tmp_path: Path) -> None:
    gone = program(READER, places(data), tmp_path, "nobody-at-all")
    assert answer(gone)["reason"] == "owner_identity_unavailable"


@as_root
def test_the_memory_of_a_user_is_printed_as_it_is(memory: Path, data: Path) -> None:
    document = data / "memory" / ADA / "MEMORY.md"
    document.write_bytes(b"\xff" * 300_000)
    assert ended(memory, ADA) == (0, b"\xff" * 300_000)
    for arguments in ((), (ADA, ADA), ("..",), ("a/b",), (f"{ADA}\n",)):
        assert ended(memory, *arguments) == (64, b"")
    assert ended(memory, "nobody") == (1, b"")


@as_root
@pytest.mark.parametrize("damage", [_link, _second_name, _pipe, _behind_a_link])
def test_a_memory_that_leads_elsewhere_is_not_printed(
    memory: Path, data: Path, damage: Any
) -> None:
    damage(data / "memory" / ADA / "MEMORY.md")
    assert ended(memory, ADA) == (1, b"")


@as_root
@pytest.mark.parametrize("owner", [0, 2])
def test_a_memory_of_somebody_else_is_not_printed(memory: Path, data: Path, owner: int) -> None:
    os.chown(data / "memory" / ADA / "MEMORY.md", owner, owner)
    assert ended(memory, ADA) == (1, b"")
    # nor one in a directory of root
    os.chown(data / "memory" / ADA / "MEMORY.md", 0, 0)
    os.chown(data / "memory" / ADA, 0, 0)
    assert ended(memory, ADA) == (1, b"")


@as_root
def test_a_memory_that_would_fill_that_of_the_bot_is_not_printed(memory: Path, data: Path) -> None:
    document = data / "memory" / ADA / "MEMORY.md"
    os.truncate(document, 16 * 1024 * 1024)
    assert len(ended(memory, ADA)[1]) == 16 * 1024 * 1024
    os.truncate(document, 16 * 1024 * 1024 + 1)
    assert ended(memory, ADA) == (1, b"")


RELEASE = "current/venv/bin/python"
REPORTER = """#!/usr/bin/python3
import json, os, sys
print(json.dumps([sys.argv[1:], dict(os.environ)]))
"""


def started(name: str, data_dir: str, directory: Path, *arguments: str) -> list[str]:
    """Return the words with which a program starts the Python of the release."""
    python = directory / RELEASE
    python.parent.mkdir(parents=True)
    python.write_text(REPORTER, encoding="utf-8")
    python.chmod(0o755)
    helper = program(name, {"data_dir": data_dir, "install_dir": str(directory)}, directory)
    environment = {"PYTHONPATH": "/srv", "SECRET": "x"}
    done = subprocess.run(
        [helper, *arguments], capture_output=True, check=True, env=environment, cwd="/"
    )
    words, seen = json.loads(done.stdout)
    # a Python that finds another locale sets this by itself
    seen.pop("LC_CTYPE", None)
    assert seen == {"LANG": "C.UTF-8", "PATH": "/usr/bin:/bin"}
    return list(words)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("manage-principal-preferences", ["kai.workshop.preferences", "--helper", "/srv/a 'b'"]),
        ("provision-principal-workspace", ["kai.workshop.workspace_provisioning"]),
        ("provision-sponsored-workspace", ["kai.workshop.sponsored_workspaces", "/srv/a 'b'"]),
    ],
)
def test_a_part_of_the_release_gets_its_words_first_and_no_environment(
    tmp_path: Path, name: str, words: list[str]
) -> None:
    found = started(f"/etc/kai/{name}", "/srv/a 'b'", tmp_path, "write", "--helper", "a b", "")
    assert found == ["-I", "-m", *words, "write", "--helper", "a b", ""]


def test_the_manager_of_policies_knows_the_file_of_each_user(tmp_path: Path) -> None:
    name = "/etc/kai/manage-principal-policy"
    *first, known, principal = started(name, "/srv/{d}", tmp_path, ADA)
    assert first == ["-I", "-m", "kai.workshop.principal_policies", "--helper"]
    assert json.loads(known) == {
        ADA: {"os_user": OWNER, "path": f"/srv/{{d}}/home/{ADA}/AGENTS.md"}
    }
    assert principal == ADA


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=20))
def test_every_path_reaches_the_program_as_it_is(name: str) -> None:
    contract = replace(CONTRACT, helpers=CONTRACT.helpers[:2])
    read = read_configuration(contract, variables(user(os_user=OWNER)))
    where = {"data_dir": f"/srv/{name}", "install_dir": f"/opt/{name}"}
    for helper in helper_programs(read, where, [], ["helpers"]):
        text = TEMPLATES.get_template(helper["template"]).render(plan=helper["literals"])
        assert text.isascii()
        values = dict(line.split(" = ", 1) for line in text.splitlines() if _is_value(line))
        if "COMMAND" in values:
            command = ast.literal_eval(values["COMMAND"])
            assert (command[0], command[-1]) == (f"/opt/{name}/{RELEASE}", f"/srv/{name}")
        else:
            assert ast.literal_eval(values["MEMORY"]) == f"/srv/{name}/memory"


def _is_value(line: str) -> bool:
    return line.startswith(("COMMAND = ", "MEMORY = "))
