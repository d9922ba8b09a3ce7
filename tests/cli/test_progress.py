"""What is said while Ansible runs: never a long silence."""

import io
import re
import time
from typing import Any

import pytest
from rich.console import Console
from rich.spinner import Spinner

from kai_ansible.terminal import progress as module
from kai_ansible.terminal.progress import Progress
from kai_ansible.terminal.screen import Screen

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


def ended(host: str, kind: str = "ok") -> dict[str, Any]:
    """The event of a task that ends on a host."""
    return {"event": f"runner_on_{kind}", "event_data": {"host": host}}


@pytest.mark.slow
def test_a_long_wait_says_what_for_how_long_and_how_long_at_the_most(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "SILENT_SECONDS", 1)
    said = ""
    with Progress(Screen(plain=True), [["one", "two"]], {PROOF: 120}) as progress:
        progress(started("switch", "The bot answers", PROOF))
        progress(ended("one"))
        deadline = time.monotonic() + SECONDS
        while said.count("still") < 3 and time.monotonic() < deadline:
            said += capsys.readouterr().out
    assert said.startswith("Switching and verifying ...\n")
    assert re.search(
        r"  still Switching and verifying \([1-9] s, at most 120 s\): The bot answers, "
        r"waiting for two\n",
        said,
    )


def test_steps_that_are_short_make_no_silence_together(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "SILENT_SECONDS", 0.5)
    said = ""
    with Progress(Screen(plain=True), [["bot"]], {}) as progress:
        deadline = time.monotonic() + SECONDS
        while "still" not in said and time.monotonic() < deadline:
            progress(started("probe", "One of many"))
            said += capsys.readouterr().out
    assert "  still bot: Probing the host (0 s): One of many\n" in said


def test_a_line_at_each_phase_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(Screen(plain=True), [["bot"]], {}) as progress:
        progress({"event": "runner_on_ok", "event_data": {}})
        for phase, task in (("probe", "A"), ("probe", "B"), ("switch", "C"), ("unknown", "D")):
            progress(started(phase, task))
    assert capsys.readouterr().out == "Probing the host ...\nSwitching and verifying ...\n"


def test_the_present_line_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    progress = Progress(Screen(plain=True), [["bot"]], {PROOF: 30})
    assert progress.words == "bot: Starting Ansible (0 s)"
    progress(started("switch", "The bot answers", PROOF))
    now += 7.9
    assert progress.words == "bot: Switching and verifying (7 s, at most 30 s): The bot answers"
    progress(started("switch", "What is verified is on record"))
    assert progress.words == "bot: Switching and verifying (0 s): What is verified is on record"


@pytest.mark.parametrize("columns", [80, 200])
def test_many_hosts_have_a_line_each_that_fits(columns: int) -> None:
    progress = Progress(Screen(plain=True), [["one", "two", "three"]], {PROOF: 30})
    progress(started("switch", "A task whose name is too long for a narrow terminal", PROOF))
    progress(ended("one"))
    progress(ended("two", "unreachable"))
    console = Console(file=io.StringIO(), width=columns)
    with console.capture() as shown:
        console.print(Spinner("dots", progress))  # type: ignore[arg-type]
    first, *hosts = [line[2:].rstrip() for line in shown.get().splitlines()]
    assert first.startswith("Switching and verifying (0 s, at most 30 s): A task whose")
    assert first.endswith("narrow terminal" if columns == 200 else "…")
    assert hosts == ["  one: done, waiting for the others", "  two: failed", "  three: working"]
    # what failed stays so, and the others go on
    progress(started("report", "Show the next steps"))
    assert list(progress.states.values()) == ["working", "failed", "working"]


def test_batches_are_reported_when_they_begin_and_not_when_they_are_left_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    begins = {"event": "playbook_on_play_start"}
    with Progress(Screen(plain=True), [["one"], ["two", "three"], ["four"]], {}) as progress:
        assert list(progress.states.values()) == ["working", *["waiting for its turn"] * 3]
        progress(begins)
        progress(started("probe", "A"))
        progress(ended("one"))
        progress(begins)
        progress(started("stop_after_failures", "Stop if an earlier batch failed"))
        progress(started("probe", "A"))
        progress(ended("two", "failed"))
        assert list(progress.states.values()) == [
            "done",
            "failed",
            "working",
            "waiting for its turn",
        ]
        # its play begins, and ends before the first phase
        progress(begins)
        progress(started("stop_after_failures", "Stop if an earlier batch failed"))
    assert capsys.readouterr().out.splitlines() == [
        "Batch 1 of 3: one",
        "Probing the host ...",
        "Batch 2 of 3: two, three",
        "Probing the host ...",
    ]


def phases(check: bool, *events: dict[str, Any], cut: bool = False, again: bool = False) -> str:
    """Return what a live screen shows at the end of some phases."""
    screen = Screen()
    screen.plain = False
    screen.console = Console(file=io.StringIO(), width=80, soft_wrap=True)
    progress = Progress(screen, [["bot"]], {}, check=check, again=again)
    with screen.console.capture() as shown, progress as run:
        for event in events:
            run(event)
        if cut:
            run.interrupt()
    return re.sub(r" \([0-9.]+ s\)", "", shown.get())


def test_a_check_has_words_and_a_mark_of_its_own() -> None:
    events = [started("probe", "A"), started("release", "B"), started("switch", "C")]
    assert phases(True, *events).splitlines() == [
        "✓ Probing the host",
        "○ Checking the release",
        "○ Checking files and service",
    ]
    assert "✓ Building the release" in phases(False, *events)


def test_what_failed_or_was_cut_short_has_no_tick() -> None:
    failed = [started("probe", "A"), ended("bot", "failed"), started("revert", "B")]
    assert phases(False, *failed).splitlines() == [
        "✗ Probing the host: failed",
        "✓ Restoring the previous state",
    ]
    # the failure is reported at the end of the phase that restored the host
    for restored, shown in ((True, "✓ Restoring the previous state"), (False, "failed")):
        report = ended("bot", "failed")
        report["event_data"]["res"] = {"restored": restored}
        assert phases(False, *failed, report).splitlines()[1].endswith(shown)
    assert phases(False, started("switch", "A"), cut=True).splitlines() == [
        "– Switching and verifying: interrupted"
    ]


def steps(*files: str, kind: str = "ok") -> list[dict[str, Any]]:
    """Return the events of a task in each file."""
    return [event for file in files for event in (started(file, "A"), ended("bot", kind))]


def test_the_second_probe_of_a_new_release_is_a_part_of_the_plan() -> None:
    shown = phases(True, *steps("probe", "source", "plan", "probe", "plan", "preflight"))
    assert shown.splitlines() == [
        "✓ Probing the host",
        "✓ Reading Kai's code",
        "✓ Comparing the host with the configuration",
        "✓ Running preflight checks",
    ]


def test_what_was_checked_before_the_question_is_one_line_after_it() -> None:
    before = ("validate", "probe", "source", "plan", "probe", "plan", "preflight")
    shown = phases(False, *steps(*before, "release", "switch", "report"), again=True)
    assert shown.splitlines() == [
        "✓ Checking that the host is still as shown",
        "✓ Building the release",
        "✓ Switching and verifying",
        "✓ Reporting",
    ]
    failed = [*steps("validate", "probe"), *steps("preflight", kind="failed")]
    assert phases(False, *failed, again=True).splitlines() == [
        "✗ Checking that the host is still as shown: failed"
    ]


def test_a_phase_whose_tasks_were_all_skipped_is_not_shown() -> None:
    skipped = steps("layout", kind="skipped")
    shown = phases(False, *steps("probe"), *skipped, *steps("switch"))
    assert "Preparing directories" not in shown
    mixed = phases(False, *skipped, *steps("layout"))
    assert "✓ Preparing directories" in mixed
