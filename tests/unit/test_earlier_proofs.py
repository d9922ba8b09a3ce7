"""What was verified before counts while nothing has changed, for a while, and in turn."""

import os
import pwd
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kai_ansible.host.proof import Remembered
from kai_ansible.host.proof_cache import (
    LONGEST_SECONDS,
    EarlierProofs,
    facts_of_account,
    facts_of_policy,
    facts_of_program,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "proofs"


def kept(path: Path, now: float, valid: list[str], verified: list[str]) -> None:
    EarlierProofs(str(path), now).keep(valid, verified)


def test_what_was_not_verified_is_due_and_nothing_else(path: Path) -> None:
    assert EarlierProofs(str(path), 100).due(["a", "b"]) == ["a", "b"]
    kept(path, 100, ["a"], ["a"])
    assert EarlierProofs(str(path), 101).due(["a", "b"]) == ["b"]


def test_where_all_was_verified_each_has_its_turn(path: Path) -> None:
    kept(path, 100, ["a", "b", "c"], ["a", "b", "c"])
    turns = []
    for now in range(101, 107):
        [turn] = EarlierProofs(str(path), now).due(["a", "b", "c"])
        kept(path, now, ["a", "b", "c"], [turn])
        turns.append(turn)
    assert turns == [*"abc", *"abc"]


def test_what_no_longer_stands_is_forgotten(path: Path) -> None:
    kept(path, 100, ["a", "b"], ["a", "b"])
    kept(path, 101, ["b"], ["b"])
    assert EarlierProofs(str(path), 102).due(["a"]) == ["a"]
    assert not EarlierProofs(str(path), 102).times.keys() & {"a"}


def test_a_proof_ends_after_a_while_and_is_never_of_the_future(path: Path) -> None:
    kept(path, 1000, ["a"], ["a"])
    assert EarlierProofs(str(path), 1000 + LONGEST_SECONDS - 1).times == {"a": 1000}
    assert EarlierProofs(str(path), 1000 + LONGEST_SECONDS).times == {}
    assert EarlierProofs(str(path), 999).times == {}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": "b"}', '{"a": null}', "[" * 10**5])
def test_a_damaged_file_knows_nothing(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o600)
    assert EarlierProofs(str(path), 100).times == {}


@pytest.mark.parametrize(
    "plant", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/etc/passwd")]
)
def test_where_something_else_is_nothing_is_known_and_no_proof_fails(
    path: Path, plant: Callable[[Path], None]
) -> None:
    plant(path)
    proofs = EarlierProofs(str(path), 100)
    assert proofs.times == {}
    proofs.keep(["a"], ["a"])
    assert path.is_dir() or EarlierProofs(str(path), 100).times == {"a": 100}


def test_a_file_that_others_could_have_written_knows_nothing(path: Path) -> None:
    kept(path, 100, ["a"], ["a"])
    path.chmod(0o620)
    assert EarlierProofs(str(path), 100).times == {}


def test_another_program_interpreter_or_mode_is_another_circumstance(tmp_path: Path) -> None:
    script, shell = tmp_path / "agent", tmp_path / "shell"
    shell.write_text("1")
    script.write_text(f"#!{shell}\n")
    seen = [facts_of_program(str(script), [])]
    shell.write_text("22")
    seen.append(facts_of_program(str(script), []))
    script.chmod(0o755)
    seen.append(facts_of_program(str(script), []))
    # the same bytes in another file: somebody put it there
    other = tmp_path / "other"
    other.write_text(script.read_text())
    other.chmod(0o755)
    other.replace(script)
    seen.append(facts_of_program(str(script), []))
    assert all(one != two for one, two in pairwise(seen))


def test_every_file_that_the_policy_of_sudo_includes_is_a_circumstance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    main, included, directory = (tmp_path / name for name in ("sudoers", "rules", "more"))
    monkeypatch.setattr("kai_ansible.rules.sudoers.MAIN_POLICY", str(main))
    directory.mkdir()
    main.write_text(f"@include {included}\n@includedir {directory}\n")
    included.write_text("# one\n")
    seen = [facts_of_policy()]
    for path in (included, directory / "site"):
        path.write_text("# another\n")
        seen.append(facts_of_policy())
    # sudo passes over a name with a dot
    (directory / "site.bak").write_text("# another\n")
    assert facts_of_policy() == seen[-1]
    assert all(one != two for one, two in pairwise(seen))


@pytest.mark.parametrize(
    ("rules", "services"),
    [
        ("ada ALL = NOTBEFORE=20990101000000Z ALL", ""),
        ('Defaults group_plugin="group_file.so /etc/sudo-groups"', ""),
        ("", "passwd: files\nsudoers: files sss\n"),
        ("".join(f"@include rules{n}\n" for n in range(2001)), ""),
    ],
    ids=["time", "plugin", "directory service", "too many"],
)
def test_a_policy_on_which_more_than_its_files_decides_is_no_circumstance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rules: str, services: str
) -> None:
    main, names = tmp_path / "sudoers", tmp_path / "nsswitch.conf"
    monkeypatch.setattr("kai_ansible.rules.sudoers.MAIN_POLICY", str(main))
    monkeypatch.setattr("kai_ansible.host.proof_cache.NAME_SERVICES", str(names))
    main.write_text("# none\n")
    names.write_text("sudoers: files # not sss\n")
    assert facts_of_policy()
    main.write_text(rules)
    names.write_text(services)
    with pytest.raises(OSError, match="the policy of sudo"):
        facts_of_policy()


def commands(path: Path, *, anew: bool = False, accounts: tuple[str, ...] = ("bin", "sys")) -> Any:
    """Return the commands that a run verifies, of three: one reads a file, two ask sudo."""
    kills = [
        {"what": f"end {name}", "argv": ["sudo", name], "account": name, "program": "/bin/sh"}
        for name in accounts
    ]
    reads = {"what": "read", "argv": ["cat"], "account": "", "program": ""}
    parameters: Any = {
        "agents": [],
        "commands": [reads, *kills],
        "private_directories": [],
        "search_path": [],
        "anew": anew,
    }
    bot: Any = SimpleNamespace(account=pwd.getpwnam("daemon"), environment={})
    before = Remembered(str(path), parameters, bot)
    due = [one["what"] for one in before.due(parameters["commands"])]
    before.keep(due, closed=False)
    return due


def test_a_file_is_read_in_every_run_and_sudo_asked_about_each_account_in_turn(path: Path) -> None:
    assert commands(path) == ["read", "end bin", "end sys"]
    assert [commands(path)[1:] for _run in range(4)] == 2 * [["end bin"], ["end sys"]]
    assert all("read" in commands(path) for _run in range(2))
    assert commands(path, anew=True) == ["read", "end bin", "end sys"]


def test_sudo_is_asked_about_an_account_that_is_new(path: Path) -> None:
    commands(path)
    assert commands(path, accounts=("bin", "sys", "games")) == ["read", "end games"]


def test_sudo_is_asked_again_when_the_groups_of_an_account_changed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands(path)
    monkeypatch.setattr(
        "kai_ansible.host.proof.facts_of_account",
        lambda name: [*facts_of_account(name), *([27] if name == "sys" else [])],
    )
    assert commands(path) == ["read", "end sys"]
