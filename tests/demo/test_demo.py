"""The demo, as a newcomer runs it."""

import os
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.later("the whole way once more, as make demo walks it")

ROOT = Path(__file__).parents[2]


@pytest.mark.machine
def test_make_demo_shows_the_main_job_and_can_be_removed() -> None:
    shown = subprocess.run(
        ["make", "demo"],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        assert shown.returncode == 0, shown.stdout + shown.stderr
        for line in (
            "the unit's own process answers /health",
            "the bot starts codex as alice",
            "the bot starts claude as bob",
            "sudo -iu alice /usr/local/bin/codex login",
            "sudo -iu bob /usr/local/bin/claude auth login",
        ):
            assert line in shown.stdout
    finally:
        removed = subprocess.run(
            ["make", "demo", "args=--remove"], cwd=ROOT, capture_output=True, text=True, check=False
        )
    assert "removed" in removed.stdout
