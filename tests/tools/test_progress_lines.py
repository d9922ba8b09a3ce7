"""The set-up shows that it is alive while it installs packages."""

from pathlib import Path

import pytest

from tests.conftest import ROOT
from tools import progress


def test_a_long_command_says_how_long_it_takes_and_what_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0.05)
    command = ["sh", "-c", "echo Collecting rich; sleep 0.5"]
    assert progress.run("Preparing .venv", command, tmp_path / "log") == 0
    title, *lines = capsys.readouterr().err.splitlines()
    assert title == "Preparing .venv ..."
    assert any(line.endswith("s  Collecting rich") for line in lines)


def test_every_step_of_the_set_up_that_takes_long_is_shown() -> None:
    text = (ROOT / "tools" / "make-venv").read_text(encoding="utf-8").replace("\\\n", " ")
    slow = ("$install --", "$pip install --", "-m venv ")
    steps = [line for line in text.splitlines() if any(step in line for step in slow)]
    assert len(steps) == 5
    assert all(" show " in f" {line}" for line in steps), steps
