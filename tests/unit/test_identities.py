"""The identities of users before the first start of Kai 2: what is named, and what is refused."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
from samples import probe, user

from kai_ansible.ansible.collection import contract as contract_of_line
from kai_ansible.host.look.identities import file_in
from kai_ansible.rules.configuration import Configuration
from kai_ansible.rules.contract import Contract
from kai_ansible.rules.identities import identities_request, identity_findings
from kai_ansible.rules.operator_files import read_with_files

HOME = "/var/lib/kai/home/1"
CONTRACT = contract_of_line("2")


def file(text: str) -> dict[str, str]:
    return {"kind": "file", "sha256": hashlib.sha256(text.encode()).hexdigest()}


NOTHING = {"kind": "absent", "sha256": ""}
UNSEEN = {"kind": "unseen", "sha256": ""}
ADAPTER = file("@../AGENTS.md\n")


def configured(contract: Contract, **fields: Any) -> Configuration:
    users = [user(os_user="alice", **fields)]
    given = {"kai_install_source": "/src/kai", "kai_install_users": users}
    return read_with_files(contract, given, {})


def findings(former: dict[str, str], new: dict[str, str], **fields: Any) -> tuple[str, str]:
    """Return what is refused and what is noted of Ada."""
    configuration = configured(CONTRACT, **fields)
    [asked] = identities_request(configuration)
    old, becomes = asked["files"]
    template = file("of Kai 1")["sha256"]
    seen = {asked["home"]: {"files": {old: former, becomes: new}, "template": template}}
    problems, notes = identity_findings(configuration, probe(identities=seen))
    return "\n".join(map(str, problems)), "\n".join(notes)


@pytest.mark.parametrize(
    ("former", "new", "refused", "noted"),
    [
        (NOTHING, NOTHING, "", ""),
        (file("of Kai 1"), NOTHING, "", ""),
        (file("mine"), NOTHING, "", f"{HOME}/.claude/CLAUDE.md"),
        (file("mine"), file("mine"), "", f"{HOME}/.claude/CLAUDE.md"),
        (file("mine"), file("another"), f"merge both into {HOME}/AGENTS.md", "may have changed"),
        (NOTHING, file("mine"), "", ""),
        (ADAPTER, file("mine"), "", ""),
        (ADAPTER, NOTHING, f"write {HOME}/AGENTS.md", ""),
        ({"kind": "a link (x)", "sha256": ""}, NOTHING, "a link (x) in the home of Ada", ""),
        (UNSEEN, NOTHING, "", "could not be read"),
        (NOTHING, UNSEEN, "", "could not be read"),
    ],
)
def test_an_identity_that_an_install_carries(
    former: dict[str, str], new: dict[str, str], refused: str, noted: str
) -> None:
    problems, notes = findings(former, new)
    assert refused in problems
    assert bool(problems) is bool(refused)
    assert noted in notes
    assert bool(notes) is bool(noted)


@pytest.mark.parametrize(
    ("former", "new", "noted"),
    [
        (file("mine"), NOTHING, "sudo -u alice cp /srv/ada/.claude/CLAUDE.md /srv/ada/AGENTS.md"),
        (file("mine"), file("another"), "merge it into /srv/ada/AGENTS.md"),
        (file("mine"), file("mine"), ""),
        (ADAPTER, file("mine"), ""),
        ({"kind": "a link (x)", "sha256": ""}, NOTHING, ""),
    ],
)
def test_the_identity_of_a_home_that_host_vars_name(
    former: dict[str, str], new: dict[str, str], noted: str
) -> None:
    problems, notes = findings(former, new, home_workspace="/srv/ada")
    assert not problems
    assert noted in notes
    assert bool(notes) is bool(noted)


def test_lines_that_rename_nothing_ask_for_nothing() -> None:
    for line in ("1", "2.0"):
        contract = contract_of_line(line)
        assert identities_request(configured(contract)) == []


def test_a_file_of_a_home_is_read_without_its_links(tmp_path: Path) -> None:
    home, name = tmp_path / "home", ".claude/CLAUDE.md"
    assert file_in(str(home), name) == NOTHING
    (home / ".claude").mkdir(parents=True)
    (home / name).write_text("mine", encoding="utf-8")
    assert file_in(str(home), name) == file("mine")
    (home / name).rename(home / "elsewhere")
    (home / name).symlink_to(home / "elsewhere")
    assert file_in(str(home), name)["kind"] == f"a link ({home / name})"
    (home / name).unlink()
    (home / name).mkdir()
    assert file_in(str(home), name)["kind"] == "no regular file"
    (home / name).rmdir()
    (home / ".claude").rename(home / "other")
    (home / ".claude").symlink_to("other")
    assert file_in(str(home), name)["kind"] == f"a link ({home / '.claude'})"


def test_an_owner_who_gives_no_answer_is_not_taken_for_one_without_an_identity() -> None:
    configuration = configured(CONTRACT)
    [asked] = identities_request(configuration)
    seen = {asked["home"]: {"files": {}, "template": None}}
    problems, [note] = identity_findings(configuration, probe(identities=seen))
    assert problems == []
    assert "could not be read" in note
