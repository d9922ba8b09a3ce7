"""What uninstall shows and asks before it removes anything. tests/machine does the rest."""

import functools
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kai_ansible.commands import confirmation, uninstall
from kai_ansible.commands.uninstall import UninstallOptions, in_short, uninstall_kai
from kai_ansible.errors import CommandError, ExitCode
from kai_ansible.terminal.screen import Screen
from tests.cli.desk import Desk

pytestmark = pytest.mark.later("tests/machine/test_uninstall.py uninstalls a host", apart=True)


class Runs:
    """Stands for the hosts: notes each run, and types an answer for a person."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, typed: list[str]) -> None:
        self.made: list[tuple[bool, bool]] = []
        self.typed = typed
        self.asked: list[str] = []
        self.variables: dict[str, Any] = {}
        self.changes = ["release a: removed"]
        self.left = ["/var/lib/kai: it holds data"]
        monkeypatch.setattr(uninstall, "run_role", self.run)
        monkeypatch.setattr(confirmation, "at_terminal", lambda: True)
        monkeypatch.setattr(uninstall, "prompter", lambda **_: self)

    def run(self, target: Any, _name: str, options: Any, _screen: Any, variables: Any) -> Any:
        self.variables = variables
        self.made.append((options.check, variables["kai_install_purge"]))
        report = {"changes": self.changes, "left": self.left, "backup_left": []}
        return SimpleNamespace(
            reports=dict.fromkeys(target.hosts, report),
            failures=[],
            preflight_problems={},
            succeeded=True,
            interrupted=False,
            log=None,
        )

    def text(
        self, label: str, _default: str, validate: Callable[[str], str | None], _help: str
    ) -> str:
        self.asked.append(label)
        while True:
            answer = self.typed.pop(0)
            if validate(answer) is None:
                return answer


def remove(tmp_path: Path, *, as_json: bool = False, **more: Any) -> None:
    desk = Desk(tmp_path / f"desk-{len(list(tmp_path.iterdir()))}")
    hosts = {name: {"ansible_connection": "local"} for name in ("bot", "other")}
    desk.write("inventory/hosts.yml", {"all": {"hosts": hosts}})
    uninstall_kai(
        UninstallOptions(given_inventory=desk.inventory, host="all", **more),
        Screen(as_json=as_json, plain=True),
    )


def test_each_host_is_removed_by_its_name_after_what_goes_was_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = Runs(monkeypatch, ["yes", "bot", "other"])
    remove(tmp_path, purge=True)
    assert runs.made == [(True, True), (False, True)]
    assert runs.asked == [
        f"Type {name} to remove Kai and its data from it" for name in ("bot", "other")
    ]
    shown = capsys.readouterr().out
    assert shown.index("bot: would change") < shown.index("bot: changed")
    assert "/var/lib/kai: it holds data" in shown


def test_what_goes_from_one_place_is_counted() -> None:
    below = [f"/var/lib/kai/{number}: removed" for number in range(4)]
    others = ["the bot stopped", "/etc/kai/env: as before the first install", "/etc/kai: removed"]
    assert in_short([*others, *below]) == [
        *others,
        "/var/lib/kai: removed 4 files and directories that installs made",
    ]


@pytest.mark.parametrize(
    ("left", "purge", "offered"),
    [
        ("/var/lib/kai: it holds data", False, True),
        ("/var/lib/kai: it holds data", True, False),
        ("account kai: it owns the data", False, True),
        ("/opt/kai: no install made its content (mine)", False, False),
    ],
)
def test_the_end_names_the_command_that_removes_the_data(
    left: str,
    purge: bool,
    offered: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Runs(monkeypatch, []).left = [left]
    remove(tmp_path, purge=purge, backup=False, yes=True)
    assert ("uninstall bot --inventory" in capsys.readouterr().out) is offered


def test_a_last_backup_comes_with_the_command_that_restores_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Runs(monkeypatch, []).left = []
    made = {"bot": {"file": "b.kai", "bytes": 1, "members": 1}}
    monkeypatch.setattr(uninstall, "finish_backups", lambda *_: made)
    remove(tmp_path, yes=True, purge=True)
    assert "kai-ansible restore b.kai bot --inventory" in capsys.readouterr().out


def test_a_name_that_is_not_typed_removes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = Runs(monkeypatch, ["bot", ""])
    with pytest.raises(CommandError, match="Nothing was changed") as raised:
        remove(tmp_path)
    assert raised.value.code == ExitCode.DONE
    assert runs.made == [(True, False)]


def test_nothing_to_remove_asks_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = Runs(monkeypatch, [])
    runs.changes = []
    remove(tmp_path)
    assert runs.made == [(True, False)]


def test_without_a_terminal_a_word_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = Runs(monkeypatch, [])
    for terminal, as_json in ((False, False), (True, True)):
        monkeypatch.setattr(confirmation, "at_terminal", functools.partial(bool, terminal))
        with pytest.raises(CommandError) as raised:
            remove(tmp_path, as_json=as_json)
        assert "--yes" in str(raised.value)
    assert runs.made == []
    remove(tmp_path, yes=True)
    remove(tmp_path, check=True)
    assert runs.made == [(False, False), (True, False)]


def test_before_data_goes_a_backup_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    runs = Runs(monkeypatch, [])
    remove(tmp_path, purge=True, yes=True)
    assert set(runs.variables["kai_backup_recipients"]) == {"bot", "other"}
    remove(tmp_path, purge=True, backup=False, yes=True)
    assert "kai_backup_recipients" not in runs.variables
    # what the run did not fill is no backup
    assert not (tmp_path / "backups").exists()
