"""Kai's code, read from what an operator has and packed once for all hosts."""

import hashlib
import io
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from kai_ansible.rules.contract import Contract
from plugins.module_utils.controller import source_files, source_packing
from plugins.module_utils.controller.source_files import Refused, refuse_changeable
from plugins.module_utils.controller.source_packing import packed_once, read_source
from tests.conftest import VARS as _VARS
from tests.conftest import line_1
from tests.waiting import until

VARS = str(_VARS)
CONSTRAINTS = "requirements/constraints.txt"
TREE = {
    "pyproject.toml": '[project]\nname = "kai"\nrequires-python = ">=3.12"\n',
    "src/kai/__init__.py": "",
    "src/kai/dist/app.js": "1",
    "bin/tool": "#!/bin/sh\n",
    "templates/.claude/CLAUDE.md": "# Identity\n",
}


def asked(source: object, **more: Any) -> dict[str, Any]:
    """Return the parameters of the module."""
    none = {"version": None, "checksum": None, "files": [], "constraints": None}
    return {**none, "constraints_path": CONSTRAINTS, "source": str(source), **more}


def git(*arguments: str, cwd: Path) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", *identity, *arguments], cwd=cwd, check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with a tag, an edit, and things that git does not track."""
    place = tmp_path / "kai"
    for name, text in TREE.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    (place / "bin/tool").chmod(0o755)
    git("init", "--quiet", cwd=place)
    git("add", ".", cwd=place)
    git("commit", "--quiet", "--message=one", cwd=place)
    git("tag", "v1", cwd=place)
    (place / "build/lib/kai").mkdir(parents=True)
    (place / "build/lib/kai/stale.py").write_text("")
    (place / "install.conf").write_text("secret")
    return place


def test_the_same_code_is_the_same_release_wherever_it_comes_from(
    checkout: Path, tmp_path: Path
) -> None:
    files, told = read_source(asked(checkout))
    assert set(files) == set(TREE)
    assert {name for name, (_content, executable) in files.items() if executable} == {"bin/tool"}
    assert (told["requires_python"], told["wheel"], told["constrained"]) == (">=3.12", "", False)
    tar, archive, plain = tmp_path / "kai.tar.gz", tmp_path / "kai.zip", tmp_path / "plain"
    git("archive", "--prefix=kai-1/", f"--output={tar}", "HEAD", cwd=checkout)
    git("archive", "--prefix=kai-1/", f"--output={archive}", "HEAD", cwd=checkout)
    git("worktree", "add", "--quiet", str(plain), cwd=checkout)
    (plain / ".git").unlink()
    (plain / "src/kai/__pycache__").mkdir()
    (plain / "src/kai/__pycache__/x.pyc").write_text("")
    for other in (tar, archive, plain):
        assert read_source(asked(other)) == (files, told), other
    from_git = read_source(asked(f"file://{checkout}", version="v1"))
    assert from_git == (files, told)
    (checkout / "src/kai/dist/app.js").write_text("2")
    git("commit", "--quiet", "--all", "--message=two", cwd=checkout)
    assert read_source(asked(f"file://{checkout}", version="v1")) == from_git
    assert read_source(asked(f"file://{checkout}")) == read_source(asked(checkout))


def test_g1_g2_g4_any_byte_that_changes_is_another_release(checkout: Path) -> None:
    digests = [read_source(asked(checkout))[1]["digest"]]

    def changed() -> bool:
        digests.append(read_source(asked(checkout))[1]["digest"])
        return len(set(digests)) == len(digests)

    (checkout / "src/kai/dist/app.js").write_text("2")
    assert changed()
    (checkout / "bin/tool").chmod(0o644)
    assert changed()
    (checkout / "templates/.claude/CLAUDE.md").unlink()
    assert changed()
    (checkout / "build/lib/kai/stale.py").write_text("other")
    assert not changed()


def test_a_pointer_of_git_lfs_is_not_taken_for_its_file(checkout: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    (checkout / "src/kai/dist/app.js").write_text(pointer)
    with pytest.raises(
        Refused, match=r"a pointer of git-lfs as src/kai/dist/app\.js.*git lfs pull"
    ):
        read_source(asked(checkout))


def test_an_explicit_list_says_what_belongs_to_a_release(checkout: Path) -> None:
    (checkout / "local.py").write_text("")
    patterns = ["pyproject.toml", "src", "templates", "*.py"]
    files = read_source(asked(checkout, files=patterns))[0]
    assert set(files) == (set(TREE) - {"bin/tool"}) | {"local.py"}
    for wrong, reason in (("none*", "nothing in"), ("../x", "leads out"), ("/etc", "is absolute")):
        with pytest.raises(Refused, match=reason):
            read_source(asked(checkout, files=[wrong]))
    with pytest.raises(Refused, match="is not a directory"):
        read_source(asked(f"file://{checkout}", files=["src"]))


def test_constraints_of_the_operator_are_part_of_the_release(
    checkout: Path, tmp_path: Path
) -> None:
    given = tmp_path / "given.txt"
    given.write_text("pyyaml==6.0.3\n")
    files, told = read_source(asked(checkout, constraints=str(given)))
    assert files[CONSTRAINTS] == (b"pyyaml==6.0.3\n", False)
    assert told["constrained"] is True
    assert told["digest"] != read_source(asked(checkout))[1]["digest"]


def test_a_wheel_is_the_release_with_its_data_files(tmp_path: Path) -> None:
    wheel = tmp_path / "kai-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as packed:
        packed.writestr("kai/__init__.py", "")
        packed.writestr("kai-1.data/data/templates/.claude/CLAUDE.md", "# Identity\n")
        packed.writestr("kai-1.dist-info/METADATA", "Name: kai\nRequires-Python: >=3.13\n\nx")
    files, told = read_source(asked(wheel))
    assert set(files) == {wheel.name, "templates/.claude/CLAUDE.md"}
    assert files[wheel.name][0] == wheel.read_bytes()
    assert (told["wheel"], told["requires_python"]) == (wheel.name, ">=3.13")


def a_tar(path: Path, member: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w") as packed:
        packed.addfile(tarfile.TarInfo("kai/pyproject.toml"))
        packed.addfile(member)
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.type = kind
    found.linkname = "/etc/passwd"
    return found


def zip_with_link(path: Path) -> Path:
    entry = zipfile.ZipInfo("kai/link")
    entry.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr(entry, "/etc/passwd")
    return path


def directory_with_link(path: Path) -> Path:
    path.mkdir()
    (path / "pyproject.toml").touch()
    (path / "linked").symlink_to("/etc", target_is_directory=True)
    return path


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: a_tar(path, member("kai/../../x")), "leads out of the archive"),
        (lambda path: a_tar(path, member("/etc/x")), "is absolute"),
        (lambda path: a_tar(path, member("kai/link", tarfile.SYMTYPE)), "is not a file"),
        (lambda path: a_tar(path, member("kai/link", tarfile.LNKTYPE)), "is not a file"),
        (lambda path: a_tar(path, member("kai/tty", tarfile.CHRTYPE)), "is not a file"),
        (lambda path: a_tar(path, member("kai/pipe", tarfile.FIFOTYPE)), "is not a file"),
        (zip_with_link, "is not a file"),
        (directory_with_link, "is a link, a submodule or a device"),
        (lambda path: path, "does not exist on the machine that runs Ansible"),
    ],
)
def test_what_is_no_file_is_refused(
    tmp_path: Path, make: Callable[[Path], Path], reason: str
) -> None:
    with pytest.raises(Refused, match=reason):
        read_source(asked(make(tmp_path / "source")))


def test_an_archive_with_another_checksum_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "kai.tar"
    with tarfile.open(path, "w") as packed:
        packed.addfile(tarfile.TarInfo("pyproject.toml"))
    checksum = f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    assert read_source(asked(path, checksum=checksum)) == read_source(asked(path))
    with path.open("ab") as archive:
        archive.write(bytes(1024))
    with pytest.raises(Refused, match=f"expects {checksum}"):
        read_source(asked(path, checksum=checksum))


@pytest.mark.parametrize("kind", ["tar.gz", "zip", "whl"])
def test_an_archive_that_is_exchanged_after_its_checksum_counts_as_it_was(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, other = (tmp_path / f"{name}-1-py3-none-any.{kind}" for name in ("kai", "other"))
    for place, text in ((path, "ours"), (other, "another's")):
        files = {**TREE, "src/kai/__init__.py": text, "kai-1.dist-info/METADATA": ""}
        if kind == "tar.gz":
            with tarfile.open(place, "w:gz") as tar:
                for name, content in files.items():
                    member = tarfile.TarInfo(name)
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content.encode()))
        else:
            with zipfile.ZipFile(place, "w") as packed:
                for name, content in files.items():
                    packed.writestr(name, content)
    checksum = f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    plain = read_source(asked(path))
    verify = source_packing.verify

    def verify_and_exchange(*arguments: Any) -> None:
        verify(*arguments)
        shutil.copy(other, path)

    monkeypatch.setattr(source_packing, "verify", verify_and_exchange)
    assert read_source(asked(path, checksum=checksum)) == plain
    assert path.read_bytes() == other.read_bytes()


def test_a_checksum_of_what_is_no_file_is_refused(checkout: Path) -> None:
    for source in (checkout, f"file://{checkout}"):
        with pytest.raises(Refused, match="pinned by a commit"):
            read_source(asked(source, checksum=f"sha256:{'0' * 64}"))


def test_three_hosts_get_one_archive_that_is_private_and_does_not_stay(
    checkout: Path, tmp_path: Path, ansible_environment: dict[str, str]
) -> None:
    other = tmp_path / "other"
    subprocess.run(["cp", "-r", str(checkout), str(other)], check=True)
    (other / "bin/tool").write_text("")
    places = {"a": checkout, "b": checkout, "c": other}
    module = {"source": "{{ place }}", "constraints_path": CONSTRAINTS}
    play = {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [
            {"kai.bot.kai_source": module, "register": "source"},
            {"ansible.builtin.stat": {"path": "{{ source.archive }}"}, "register": "found"},
            {
                "ansible.builtin.copy": {
                    "content": "{{ {'source': source, 'mode': found.stat.mode} | to_json }}",
                    "dest": f"{tmp_path}/{{{{ inventory_hostname }}}}.json",
                }
            },
            {"ansible.builtin.fail": {"msg": "the archive goes when a run fails, too"}},
        ],
    }
    inventory = {
        name: {"ansible_connection": "local", "place": str(place)} for name, place in places.items()
    }
    for name, content in (
        ("play.yml", [play]),
        ("hosts.yml", {"all": {"hosts": inventory}}),
    ):
        (tmp_path / name).write_text(yaml.safe_dump(content))
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "hosts.yml"]
    done = subprocess.run(
        [*command, "play.yml"],
        cwd=tmp_path,
        env={
            **ansible_environment,
            "ANSIBLE_LOCAL_TEMP": str(tmp_path / "local"),
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert "the archive goes" in done.stdout, done.stdout + done.stderr
    told = {name: json.loads((tmp_path / f"{name}.json").read_text()) for name in places}
    assert sorted(told[name]["source"]["packed"] for name in "ab") == [False, True]
    assert told["c"]["source"]["packed"] is True
    assert told["a"]["source"]["release"] == told["b"]["source"]["release"]
    assert told["a"]["source"]["release"] != told["c"]["source"]["release"]
    assert {entry["mode"] for entry in told.values()} == {"0600"}
    assert list((tmp_path / "local").iterdir()) == []


def test_nothing_stays_of_a_fetch_that_ctrl_c_ends(
    tmp_path: Path, ansible_environment: dict[str, str]
) -> None:
    begun, ssh = tmp_path / "begun", tmp_path / "ssh"
    ssh.write_text(f"#!/bin/sh\n>{begun}\nexec sleep 600\n")
    ssh.chmod(0o755)
    module = {"source": "ssh://git.example/kai", "constraints_path": CONSTRAINTS}
    program = str(Path(sys.executable).with_name("ansible"))
    with subprocess.Popen(
        [
            program,
            "-i",
            "a,",
            "-c",
            "local",
            "a",
            "-m",
            "kai.bot.kai_source",
            "-a",
            json.dumps(module),
        ],
        env={
            **ansible_environment,
            "ANSIBLE_LOCAL_TEMP": str(tmp_path / "local"),
            "GIT_SSH_COMMAND": str(ssh),
            "TMPDIR": str(tmp_path),
        },
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    ) as ansible:
        until(begun.exists)
        os.killpg(ansible.pid, signal.SIGINT)
    assert list((tmp_path / "local").iterdir()) == []
    assert sorted(one.name for one in tmp_path.iterdir()) == ["begun", "local", "ssh"]


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Only what lies in the directory of the test counts: everybody can write above it."""

    def below(path: str) -> Any:
        return (place for place in way_to(path) if place.path.startswith(str(tmp_path)))

    way_to = source_files.way_to
    monkeypatch.setattr(source_files, "way_to", below)


NOBODY = pwd.getpwnam("nobody")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.usefixtures("judged")
@pytest.mark.parametrize("name", [".", "src/kai", "src/kai/__init__.py", ".git", ".git/index"])
def test_a_source_that_an_account_of_the_bot_can_change_is_refused(
    checkout: Path, name: str
) -> None:
    refuse_changeable(str(checkout), [], ["nobody", "not-here"])
    os.chown(checkout / name, NOBODY.pw_uid, -1)
    with pytest.raises(Refused, match="can be changed by nobody"):
        refuse_changeable(str(checkout), [], ["nobody", "not-here"])
    # an administrator may, as whoever runs Ansible does
    refuse_changeable(str(checkout), [], ["daemon"])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.usefixtures("judged")
@pytest.mark.parametrize("kind", ["worktree", "below", "split"])
def test_an_index_that_an_account_of_the_bot_can_change_is_refused_wherever_it_is(
    checkout: Path, tmp_path: Path, kind: str
) -> None:
    source, name = checkout / "src", ".git/index"
    if kind == "worktree":
        source, name = tmp_path / "linked", ".git/worktrees/linked/index"
        git("worktree", "add", "--quiet", str(source), cwd=checkout)
    if kind == "split":
        git("update-index", "--split-index", cwd=checkout)
        source, [index] = checkout, (checkout / ".git").glob("sharedindex.*")
        name = f".git/{index.name}"
    refuse_changeable(str(source), [], ["nobody"])
    os.chown(checkout / name, NOBODY.pw_uid, -1)
    with pytest.raises(Refused, match="can be changed by nobody"):
        refuse_changeable(str(source), [], ["nobody"])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.usefixtures("judged")
@pytest.mark.parametrize("kind", ["checkout", "worktree", "bare", "without its ending"])
@pytest.mark.parametrize("name", ["HEAD", "refs/heads", "config"])
def test_a_url_of_this_machine_is_judged_as_the_repository_that_git_reads(
    checkout: Path, tmp_path: Path, kind: str, name: str
) -> None:
    place = repository = tmp_path / "a kai"
    if kind == "checkout":
        git("clone", "--quiet", str(checkout), str(place), cwd=tmp_path)
        repository = place / ".git"
    elif kind == "worktree":
        git("worktree", "add", "--quiet", "--detach", str(place), cwd=checkout)
        repository = checkout / ".git"
    else:
        repository = place if kind == "bare" else tmp_path / "a kai.git"
        git("clone", "--quiet", "--bare", str(checkout), str(repository), cwd=tmp_path)
    url = f"file://{tmp_path}/a%20kai"
    assert "pyproject.toml" in read_source(asked(url))[0]
    refuse_changeable(url, [], ["nobody"])
    os.chown(repository / name, NOBODY.pw_uid, -1)
    with pytest.raises(Refused, match="can be changed by nobody"):
        refuse_changeable(url, [], ["nobody"])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.usefixtures("judged")
def test_constraints_that_an_account_of_the_bot_can_change_are_refused(
    checkout: Path, tmp_path: Path
) -> None:
    constraints = tmp_path / "constraints.txt"
    constraints.touch()
    refuse_changeable(str(checkout), [], ["nobody"], str(constraints))
    os.chown(constraints, NOBODY.pw_uid, -1)
    found = f"kai_install_constraints: found {constraints}, which can be changed by nobody"
    with pytest.raises(Refused, match=found):
        refuse_changeable(str(checkout), [], ["nobody"], str(constraints))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_accounts_are_distrusted_on_the_controller_alone(
    checkout: Path, tmp_path: Path, ansible_environment: dict[str, str]
) -> None:
    clean, constraints = shutil.copytree(checkout, tmp_path / "clean"), tmp_path / "limits"
    constraints.touch()
    for place in (checkout / "src", constraints):
        os.chown(place, NOBODY.pw_uid, -1)
    limited = {"source": str(clean), "constraints": str(constraints)}
    release = {"live": None, "complete": []}
    here = {"is_controller": True, "accounts": {"nobody": {}}, "release": release}
    asked_of = {
        "refused": {"probe": here},
        "trusted": {"probe": here, "trust_user_binaries": True},
        "elsewhere": {"probe": {**here, "is_controller": False}},
        "limited": {"probe": here, **limited},
        "accepted": {"probe": here, "trust_user_binaries": True, **limited},
        "new": {},
    }
    module = {"source": str(checkout), "constraints_path": CONSTRAINTS}
    tasks = [
        {
            "kai.bot.kai_source": {**module, **more},
            "when": f"inventory_hostname == '{name}'",
        }
        for name, more in asked_of.items()
    ]
    play = {"hosts": "all", "gather_facts": False, "connection": "local", "tasks": tasks}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    done = subprocess.run(
        [program, "-i", f"{','.join(asked_of)},", str(tmp_path / "play.yml")],
        env={**ansible_environment, "ANSIBLE_LOCAL_TEMP": str(tmp_path / "local")},
        capture_output=True,
        text=True,
        check=False,
    )
    for setting in ("source", "constraints"):
        found = rf"kai_install_{setting}: found [^ ]+, which can be changed by nobody"
        assert re.search(found, done.stdout), done.stdout
    ended = dict(re.findall(r"^(\w+) +: ok=(\d)", done.stdout, re.MULTILINE))
    accepted = ["trusted", "elsewhere", "accepted", "new"]
    assert ended == {"refused": "0", "limited": "0", **dict.fromkeys(accepted, "1")}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.usefixtures("judged")
def test_what_is_no_part_of_the_release_may_be_anybodys(checkout: Path, tmp_path: Path) -> None:
    (checkout / "logs").mkdir()
    os.chown(checkout / "logs", NOBODY.pw_uid, -1)
    refuse_changeable(str(checkout), [], ["nobody"])
    refuse_changeable("https://example.org/kai.git", [], ["nobody"])
    # without git all of it is
    plain = shutil.copytree(checkout, tmp_path / "plain", ignore=shutil.ignore_patterns(".git"))
    (plain / "logs" / "x.py").touch()
    os.chown(plain / "logs", NOBODY.pw_uid, -1)
    with pytest.raises(Refused, match="can be changed by nobody"):
        refuse_changeable(str(plain), [], ["nobody"])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.usefixtures("judged")
def test_an_archive_that_an_account_of_the_bot_can_change_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "kai.tar.gz"
    archive.touch()
    refuse_changeable(str(archive), [], ["nobody"])
    os.chown(archive, NOBODY.pw_uid, -1)
    with pytest.raises(Refused, match="can be changed by nobody"):
        refuse_changeable(str(archive), [], ["nobody"])


@pytest.mark.parametrize("later", [None, "src/kai/backend_registry.py"])
def test_a_source_of_another_line_is_refused_whatever_kind_it_is(
    checkout: Path, tmp_path: Path, later: str | None
) -> None:
    for name in [*(sign.file for sign in line_1().has), *([later] if later else [])]:
        (checkout / name).touch()
    git("add", ".", cwd=checkout)
    git("commit", "--quiet", "--message=line", cwd=checkout)
    tar, archive = tmp_path / "kai.tar.gz", tmp_path / "kai.zip"
    git("archive", "--prefix=kai-1/", f"--output={tar}", "HEAD", cwd=checkout)
    git("archive", "--prefix=kai-1/", f"--output={archive}", "HEAD", cwd=checkout)
    wheel = tmp_path / "kai-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as packed:
        packed.writestr("kai-1.0.dist-info/METADATA", "Name: kai\n")
        for path in (checkout / "src").rglob("*.py"):
            packed.write(path, path.relative_to(checkout / "src"))
    for source in (checkout, tar, archive, wheel, f"file://{checkout}"):
        if later is None:
            assert read_source(asked(source, lines=VARS, line="1"))[1]["line"] == "1"
            with pytest.raises(Refused, match="is of line 1, expected a source of Kai 2 "):
                read_source(asked(source, lines=VARS, line="2"))
            continue
        with pytest.raises(Refused, match=r"Kai 2\.0 of before its release"):
            read_source(asked(source, lines=VARS, line="1"))


def test_a_tree_of_another_line_is_refused_as_that_whatever_else_is_wrong_with_it(
    contract: Contract, checkout: Path
) -> None:
    (checkout / "src/kai").mkdir(parents=True, exist_ok=True)
    (checkout / "src/kai/config.py").write_text("")
    (checkout / "link").symlink_to("pyproject.toml")
    git("add", ".", cwd=checkout)
    git("commit", "--quiet", "--message=link", cwd=checkout)
    with pytest.raises(Refused, match="is a link"):
        read_source(asked(str(checkout)))
    for source in (str(checkout), f"file://{checkout}"):
        with pytest.raises(Refused, match=r"Kai 1\.x of 18 May 2026 or earlier"):
            read_source(asked(source, lines=VARS, line="1"))


def test_hosts_of_one_run_may_want_different_lines(checkout: Path, tmp_path: Path) -> None:
    for name in ("__main__", "config", "oneshot_binary"):
        (checkout / f"src/kai/{name}.py").touch()
    git("add", ".", cwd=checkout)
    cache = {"cache": str(tmp_path), "lines": VARS}
    assert packed_once(asked(checkout, line="1", **cache))["packed"] is True
    assert packed_once(asked(checkout, line="1", **cache))["packed"] is False
    with pytest.raises(Refused, match="is of line 1"):
        packed_once(asked(checkout, line="2", **cache))
