"""The public interface matches its record: a change of it must change the record as well."""

import sys

import pytest

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
