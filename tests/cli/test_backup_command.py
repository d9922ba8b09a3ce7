"""What a backup says at its end. tests/machine/test_backup.py makes one."""

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from kai_ansible.ansible.runner import Outcome
from kai_ansible.calling import BY_MAKE
from kai_ansible.commands import backup
from kai_ansible.commands.backup import back_up
from kai_ansible.commands.new_backup import backup_variables, new_backups
from kai_ansible.commands.options import RunOptions
from kai_ansible.inventory.inventory import Inventory
from kai_ansible.secrets.vault_password import VaultPassword
from kai_ansible.terminal.screen import Screen

if TYPE_CHECKING:
    from kai_ansible.commands.target import Target


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
    options = RunOptions(host="all", given_inventory=Path("place"))
    back_up(options, Screen(plain=True), None)
    assert "  kai-ansible restore bot2.kai bot2 --inventory place" in capsys.readouterr().out
    monkeypatch.setenv(BY_MAKE, "1")
    back_up(options, Screen(plain=True), None)
    assert "  make restore from=bot2.kai host=bot2 inventory=place" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["bot", "bot.yml", "bot.json", "bot/kai.yml"])
def test_what_a_host_has_in_one_file_is_in_its_backup(tmp_path: Path, name: str) -> None:
    text = '{"kai_install_webhook_port": 8131}\n'
    path = tmp_path / "inventory/host_vars" / name
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    target = SimpleNamespace(
        hosts=["bot"],
        inventory=Inventory(tmp_path / "inventory"),
        password=VaultPassword(b"correct horse", None),
    )
    with new_backups(cast("Target", target), tmp_path / "bot.kai") as made:
        found = backup_variables(made)["kai_backup_host_vars"]["bot"]
    # restore writes them into the directory of the host
    assert found == {"kai.yml" if "/" in name else "main.yml": text}
