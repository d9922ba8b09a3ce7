"""A restore backs up the present data first; without that backup it replaces nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kai_ansible.ansible.changes import Change
from kai_ansible.ansible.runner import Outcome
from kai_ansible.commands import restore
from kai_ansible.commands.new_backup import in_units
from kai_ansible.commands.restore import RestoreOptions, restore_backup
from kai_ansible.errors import CommandError
from kai_ansible.secrets import sealed_backup
from kai_ansible.terminal.screen import Screen

MADE = "backups/present.kai"


@dataclass
class Host:
    """A host that is not reached. ran: what ran on it, in order; failing: what fails on it."""

    ran: list[str] = field(default_factory=list)
    failing: list[str] = field(default_factory=list)

    def run(self, _target: object, name: str, *_rest: object, again: bool = False) -> Outcome:
        assert not again, "there was no question"
        self.ran.append(name)
        return Outcome(name not in self.failing, False, {}, [], {}, None)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Host:
    """The only host of a restore whose archive and inventory are stand-ins."""
    made = Host()
    meta = SimpleNamespace(host="bot1", created="2026-01-01T00:00:00Z", release="r", host_vars={})
    archive = SimpleNamespace(
        meta=lambda: meta, path=tmp_path / "old.kai", offset=0, length=1, identity="key"
    )
    inventory = SimpleNamespace(hosts=["bot1"], ssh_commands={})
    target = SimpleNamespace(inventory=inventory, hosts=["bot1"])

    @contextmanager
    def new_backups(*_: object) -> Iterator[dict[str, object]]:
        yield {}

    monkeypatch.setattr(sealed_backup, "open_backup", lambda *_: archive)
    for name, stand_in in (
        ("run_role", made.run),
        ("opened", lambda *_: (inventory, None)),
        ("needed_password", lambda *_, **__: None),
        ("checked_target", lambda *_: target),
        ("with_lasting_password", lambda *_: target),
        ("backup_variables", lambda *_: {}),
        ("new_backups", new_backups),
        ("finish_backups", lambda *_: {"bot1": {"file": MADE}}),
        ("report_outcome", lambda *_, **__: None),
        ("end", lambda *_: None),
        ("_provide_host_vars", lambda *_: None),
    ):
        monkeypatch.setattr(restore, name, stand_in)
    return made


def run(*, check: bool = False, backup: bool = True) -> None:
    """Restore without a question."""
    options = RestoreOptions(
        inventory=Path("inventory"),
        host="bot1",
        archive=Path("old.kai"),
        yes=True,
        check=check,
        backup=backup,
    )
    restore_backup(options, Screen(plain=True))


def test_the_present_data_is_backed_up_first_and_that_backup_is_the_undo(
    host: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    run()
    assert host.ran == ["backup", "restore"]
    said = capsys.readouterr().out
    assert f"bot1: undo this restore with:\n  kai-ansible restore {MADE} bot1\n" in said
    assert "rollback" not in said


def test_a_failed_restore_has_no_undo(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    host.failing.append("restore")
    run()
    said = capsys.readouterr().out
    assert (
        f"bot1: if data is missing, restore it with:\n  kai-ansible restore {MADE} bot1\n" in said
    )


def test_without_a_backup_nothing_is_restored(host: Host) -> None:
    host.failing.append("backup")
    with pytest.raises(CommandError):
        run()
    assert host.ran == ["backup"]


@pytest.mark.parametrize(("check", "backup"), [(True, True), (False, False)])
def test_a_check_makes_no_backup_and_neither_does_who_wants_none(
    host: Host, check: bool, backup: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    run(check=check, backup=backup)
    assert host.ran == ["restore"]
    assert "undo" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("size", "text"), [(9, "9 bytes"), (2100, "2.1 kB"), (3 * 10**6, "3.0 MB"), (10**9, "1.0 GB")]
)
def test_a_small_backup_has_a_size_too(size: int, text: str) -> None:
    assert in_units(size) == text


def test_the_preview_says_first_what_replaces_what(capsys: pytest.CaptureFixture[str]) -> None:
    meta: Any = SimpleNamespace(host="bot1", created="2026-01-01T00:00:00Z", release="r")
    data = Change("/var/lib/kai", "", "the present data", "the data of the backup")
    report = {"backup": {"members": 30, "size": 12300}, "notes": []}
    plan = Outcome(True, False, {"bot2": report}, [], {"bot2": [data]}, None)
    options = RestoreOptions(inventory=Path("inventory"), archive=Path("old.kai"))
    restore.show_plan(plan, "bot2", meta, options, Screen(plain=True))
    first, *others = capsys.readouterr().out.splitlines()
    assert first.startswith(
        "bot2: 30 files and directories (12.3 kB) of bot1 of 2026-01-01T00:00:00Z, "
    )
    assert first.endswith(" ago, release r, would replace the present data")
    row = "/var/lib/kai the present data the data of the backup"
    assert row in [" ".join(line.split()) for line in others]
    assert others[-1].endswith("restoring that backup undoes this.")
