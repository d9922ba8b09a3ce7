"""What is said while Ansible runs: never a long silence."""

import re
import time
from typing import Any

import pytest

from kai_ansible import progress as module
from kai_ansible.progress import Progress
from kai_ansible.report import Screen

SECONDS = 60
PROOF = "kai.bot.kai_proof"


def started(phase: str, task: str, action: str = "ansible.builtin.file") -> dict[str, Any]:
    """The event of a task that begins."""
    return {
        "event": "playbook_on_task_start",
        "event_data": {
            "task": f"kai.bot.kai_install : {task}",
            "task_path": f"/somewhere/tasks/{phase}.yml:3",
            "task_action": action,
        },
    }


def test_a_long_wait_says_what_for_how_long_and_how_long_at_the_most(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "SILENT_SECONDS", 1)
    said = ""
    with Progress(Screen(plain=True), {PROOF: 120}) as progress:
        progress(started("switch", "The bot answers", PROOF))
        deadline = time.monotonic() + SECONDS
        while "still" not in said and time.monotonic() < deadline:
            said += capsys.readouterr().out
    assert said.startswith("Switching and proving it ...\n")
    assert re.search(
        r"  still Switching and proving it: The bot answers \([1-9] s, at most 120 s\)\n", said
    )


def test_a_line_at_each_phase_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(Screen(plain=True), {}) as progress:
        progress({"event": "runner_on_ok", "event_data": {}})
        for phase, task in (("probe", "A"), ("probe", "B"), ("switch", "C"), ("unknown", "D")):
            progress(started(phase, task))
    assert capsys.readouterr().out == "Looking at the host ...\nSwitching and proving it ...\n"


def test_the_present_line_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    progress = Progress(Screen(plain=True), {PROOF: 30})
    assert progress.words == "Starting Ansible (0 s)"
    progress(started("switch", "The bot answers", PROOF))
    now += 7.9
    assert progress.words == "Switching and proving it: The bot answers (7 s, at most 30 s)"
    progress(started("switch", "What is proven is on record"))
    assert progress.words == "Switching and proving it: What is proven is on record (0 s)"
