"""What a backup says at its end. tests/machine/test_backup.py makes one."""

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from kai_ansible.ansible.runner import Outcome
from kai_ansible.calling import BY_MAKE
from kai_ansible.commands import backup
from kai_ansible.commands.backup import BackupOptions, back_up
from kai_ansible.terminal.screen import Screen


def test_the_end_names_the_command_that_restores_each_backup(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target = SimpleNamespace(hosts=["bot1", "bot2"])
    made = {host: {"file": f"{host}.kai", "bytes": 1, "members": 1} for host in target.hosts}
    for name, result in (
        ("checked_target", target),
        ("with_lasting_password", target),
        ("new_backups", nullcontext({})),
        ("backup_variables", {}),
        ("run_role", Outcome(True, False, {}, [], {}, None)),
        ("finish_backups", made),
    ):
        monkeypatch.setattr(backup, name, lambda *_, _result=result, **__: _result)
    options = BackupOptions(host="all", given_inventory=Path("place"))
    back_up(options, Screen(plain=True))
    assert "  kai-ansible restore bot2.kai bot2 --inventory place" in capsys.readouterr().out
    monkeypatch.setenv(BY_MAKE, "1")
    back_up(options, Screen(plain=True))
    assert "  make restore from=bot2.kai host=bot2 inventory=place" in capsys.readouterr().out
