"""A restore backs up the present data first; without that backup it replaces nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kai_ansible.ansible.changes import Change
from kai_ansible.ansible.playbooks import Playbook
from kai_ansible.ansible.runner import Outcome
from kai_ansible.commands import confirmation, restore
from kai_ansible.commands.restore import RestoreOptions, restore_backup
from kai_ansible.errors import CommandError
from kai_ansible.inventory.inventory import Inventory
from kai_ansible.secrets.vault_password import VAULT_HEADER
from kai_ansible.terminal.screen import Screen

MADE = "backups/present.kai"


@dataclass
class Host:
    """A host that is not reached. ran: what ran on it, in order; failing: what fails on it."""

    ran: list[str] = field(default_factory=list)
    failing: list[str] = field(default_factory=list)

    def run(
        self, _target: object, playbook: Playbook, *_rest: object, again: bool = False
    ) -> Outcome:
        assert not again, "there was no question"
        self.ran.append(playbook.name)
        return Outcome(playbook.name not in self.failing, False, {}, [], {}, None)


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

    monkeypatch.setattr(restore, "open_backup", lambda *_: archive)
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
        ("report_next_steps", lambda *_, **__: None),
        ("end", lambda *_: None),
        ("_provide_host_vars", lambda *_: None),
    ):
        monkeypatch.setattr(restore, name, stand_in)
    return made


def run(*, check: bool = False, backup: bool = True) -> None:
    """Restore without a question."""
    options = RestoreOptions(
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


def test_the_preview_says_first_what_replaces_what(capsys: pytest.CaptureFixture[str]) -> None:
    meta: Any = SimpleNamespace(host="bot1", created="2026-01-01T00:00:00Z", release="r")
    data = Change("/var/lib/kai", "", "the present data", "the data of the backup")
    report = {"backup": {"members": 30, "size": 12300}, "notes": []}
    plan = Outcome(True, False, {"bot2": report}, [], {"bot2": [data]}, None)
    options = RestoreOptions(archive=Path("old.kai"))
    restore.show_plan(plan, "bot2", meta, options, Screen(plain=True))
    first, *others = capsys.readouterr().out.splitlines()
    assert first.startswith(
        "bot2: 30 files and directories (12.3 kB) of bot1 of 2026-01-01T00:00:00Z, "
    )
    assert first.endswith(" ago, release r, would replace the present data")
    row = "/var/lib/kai the present data the data of the backup"
    assert row in [" ".join(line.split()) for line in others]
    assert others[-1].endswith("restoring that backup undoes this.")


HOSTILE = "a: \"{{ lookup('pipe', 'id > /tmp/x') }}\"\n"
Provided = dict[str, str] | CommandError


def provided(
    monkeypatch: pytest.MonkeyPatch, directory: Path, *, origin: str, yes: bool, answer: bool
) -> Provided:
    """Return the host_vars that a host without any gets from a backup."""
    files = {"kai.yml": HOSTILE, "vault.yml": f"{VAULT_HEADER};1.1;AES256\n00ff\n"}
    monkeypatch.setattr(
        confirmation, "prompter", lambda **_: SimpleNamespace(confirm=lambda *_, **__: answer)
    )
    backup: Any = SimpleNamespace(
        meta=lambda: SimpleNamespace(host_vars=files),
        origin_of_host_vars=origin,
        path=directory / "old.kai",
    )
    (directory / "hosts.yml").write_text("all: {hosts: {bot1: {ansible_connection: local}}}\n")
    inventory = Inventory(directory / "hosts.yml")
    options = RestoreOptions(given_inventory=directory, host="bot1", yes=yes)
    try:
        restore._provide_host_vars(inventory, "bot1", backup, options, Screen(plain=True))
    except CommandError as error:
        assert not (directory / "host_vars").exists()
        return error
    place = directory / "host_vars" / "bot1"
    return {path.name: path.read_text() for path in place.iterdir()}


@pytest.mark.parametrize("yes", [True, False])
def test_a_fresh_host_gets_the_host_vars_that_the_controller_gave(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, yes: bool
) -> None:
    found = provided(monkeypatch, tmp_path, origin="controller", yes=yes, answer=True)
    assert isinstance(found, dict)
    assert sorted(found) == ["kai.yml", "vault.yml"]


@pytest.mark.parametrize("yes", [True, False])
def test_host_vars_that_the_host_changed_are_never_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, yes: bool
) -> None:
    found = provided(monkeypatch, tmp_path, origin="changed", yes=yes, answer=True)
    assert isinstance(found, CommandError)
    assert "root on the host changed" in str(found)
    assert "kai-ansible config bot1" in str(found)


def test_host_vars_of_an_earlier_version_are_used_only_after_they_were_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = provided(monkeypatch, tmp_path, origin="unknown", yes=False, answer=True)
    assert isinstance(found, dict)
    assert found["kai.yml"] == HOSTILE
    said = capsys.readouterr().out
    assert f"  {HOSTILE}" in said
    assert "its host_vars come from the host's copy" in " ".join(said.split())
    assert "00ff" not in said


@pytest.mark.parametrize("yes", [True, False])
def test_host_vars_of_an_earlier_version_are_not_used_unread(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, yes: bool
) -> None:
    found = provided(monkeypatch, tmp_path, origin="unknown", yes=yes, answer=yes)
    assert isinstance(found, CommandError)
