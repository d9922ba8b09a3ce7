"""The public interface matches its record: a change of it must change the record as well."""

import json
import sys
from pathlib import Path

import pytest
import yaml

from tests.cli.desk import Desk
from tools import interface


def test_the_public_interface_is_the_recorded_one() -> None:
    recorded = interface.RECORD.read_text(encoding="utf-8")
    assert interface.text() == recorded, (
        f"a deliberate change needs: {interface.COMMAND}, and a fragment in changelogs/fragments"
    )


def test_the_tool_prints_each_difference(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = interface.interface()
    del now["commands"]["kai-ansible install"]["--check --dry-run"]
    now["exit_codes"]["DONE"] = 7
    monkeypatch.setattr(interface, "interface", lambda: now)
    monkeypatch.setattr(sys, "argv", ["interface", "--check"])
    assert interface.main() == 1
    lines = capsys.readouterr().out.splitlines()
    changed = [line for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    assert changed == ["-    --check --dry-run: flag", "-  DONE: 0", "+  DONE: 7"]


@pytest.mark.slow
def test_the_recorded_keys_of_json_documents_are_those_that_commands_print(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "desk")
    desk.given(desk.answers())
    recorded = yaml.safe_load(interface.RECORD.read_text(encoding="utf-8"))["json"]
    for arguments, verb in (
        (("config", "--no-input", "--no-probe", "--print"), "config"),
        (("migrate", "--check"), "migrate"),
        (("users", "edit", "Ada", "--set", "github=ada"), "users edit"),
        (("vault", "password"), "vault password"),
        (("install", "--set", "NO_KEY=1"), None),
    ):
        printed = json.loads(desk.run(*arguments, "--json").stdout)
        [common] = recorded["every command"]
        own = set(printed) - set(common.split(", "))
        kinds = recorded[f"kai-ansible {verb}"] if verb else [""]
        assert any(own <= set(kind.split(", ")) for kind in kinds), own
