"""The progress of a run of Ansible: a line per phase, and the current task."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.markup import escape
from rich.text import Text

from kai_ansible.ansible.events import Event, task_of
from kai_ansible.rules.problems import listed
from kai_ansible.terminal.screen import Screen

# by the file of tasks with which a phase begins
PHASES = {
    "validate": "Checking the configuration",
    "probe": "Probing the host",
    "source": "Reading Kai's code",
    "plan": "Comparing the host with the configuration",
    "preflight": "Running preflight checks",
    "layout": "Preparing directories",
    "release": "Building the release",
    "switch": "Switching and verifying",
    "switch_back": "Switching back and verifying",
    "uninstall": "Removing the install",
    "take_backup": "Making the backup",
    "check_backup": "Checking the backup",
    "restore": "Restoring the backup",
    "revert": "Restoring the previous state",
    "report": "Reporting",
    "again": "Checking that the host is still as shown",
    "restart": "Restarting the bot",
    "logs": "Reading the log",
    "enrol": "Issuing the enrolment",
}

# what a check does in the phases that would change the host
CHECKS = {
    "layout": "Checking directories",
    "release": "Checking the release",
    "switch": "Checking files and service",
    "switch_back": "Checking the way back",
    "uninstall": "Checking what would be removed",
    "restore": "Checking what would be replaced",
    "restart": "Checking the service",
}
# a release that is to be built makes another probe, as a part of the plan
PARTS = {"probe": "plan"}
# what runs again after the operator has agreed, before the first change
AGAIN = "again"
PHASES_AGAIN = ("validate", "probe", "source", "plan", "check_backup", "preflight")
# the mark of a phase, by how it ended; a check has one of its own
ENDED, CHECKED, BROKEN, CUT = "done", "checked", "failed", "interrupted"
MARKS = {
    ENDED: ("green", "✓"),
    CHECKED: ("cyan", "○"),
    BROKEN: ("red", "✗"),
    CUT: ("yellow", "–"),
}

SILENT_SECONDS = 5
_TICKS = 10
WORKING, DONE, FAILED = "working", "done, waiting for the others", "failed"
WAITING, FINISHED = "waiting for its turn", "done"
_SKIPPED = "runner_on_skipped"
_ENDS = {
    "runner_on_ok": DONE,
    _SKIPPED: DONE,
    "runner_on_failed": FAILED,
    "runner_on_unreachable": FAILED,
}


class Progress:
    """Shows the phases of a run; a context manager around it.

    A terminal shows a live line for the current task, and one for each of several hosts. A plain
    screen gets a line per phase, and another whenever SILENT_SECONDS would pass without output.
    """

    def __init__(
        self,
        screen: Screen,
        batches: Sequence[Sequence[str]],
        limits: Mapping[str, int],
        *,
        check: bool = False,
        again: bool = False,
    ) -> None:
        """Prepare.

        batches: the hosts of each batch, in order.
        limits: the time limit of a module in seconds, by the module's name.
        check: whether the run changes nothing. again: whether a check of it was shown before.
        """
        self.check = check
        self.again = again
        self.ends: set[str] = set()
        self.phase_end = ENDED
        self.screen = screen
        self.limits = limits
        self.phase = ""
        self.task = "Starting Ansible"
        self.limit: int | None = None
        self.phase_started = self.task_started = self.said = time.monotonic()
        self.batches = batches
        self.begun = 0
        self.states = {host: WAITING for batch in batches for host in batch}
        self.states.update(dict.fromkeys(batches[0], WORKING))
        self.live = not (screen.plain or screen.as_json)
        self.status = screen.console.status(self) if self.live else None
        self.ended = threading.Event()
        self.heartbeat = threading.Thread(target=self._break_the_silence, daemon=True)

    def __enter__(self) -> Progress:
        if self.status:
            self.status.start()
        else:
            self.heartbeat.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.ended.set()
        if kind is not None:
            self.interrupt()
        self._end_phase()
        if self.status:
            self.status.stop()
        else:
            self.heartbeat.join()

    def __rich__(self) -> Text:
        """Return the live lines; rich asks for them several times a second."""
        lines = [self.words]
        if len(self.states) > 1:
            lines += [f"  {host}: {state}" for host, state in self.states.items()]
        return Text("\n".join(lines), no_wrap=True, overflow="ellipsis")

    @property
    def words(self) -> str:
        """The current task with its host, its seconds so far, and its time limit if it has one."""
        place = f"{next(iter(self.states))}: " if len(self.states) == 1 else ""
        limit = f", at most {self.limit} s" if self.limit else ""
        times = f"({int(time.monotonic() - self.task_started)} s{limit})"
        if not self.phase:
            return f"{place}{self.task} {times}"
        # the task comes last, as it matters least if the terminal cuts the line off
        return f"{place}{self._title(self.phase)} {times}: {self.task}"

    def interrupt(self) -> None:
        """Mark the current phase as cut short."""
        self.phase_end = CUT

    def _title(self, phase: str) -> str:
        return CHECKS.get(phase, PHASES[phase]) if self.check else PHASES[phase]

    def _phase_of(self, file: str) -> str:
        """Return the phase that a file of tasks belongs to, by its name without the ending."""
        if self.again and file in PHASES_AGAIN and self.phase in ("", AGAIN):
            return AGAIN
        return self.phase if PARTS.get(file) == self.phase else file

    def __call__(self, event: Event) -> None:
        """Handle one event of the run."""
        data = event.get("event_data", {})
        host = str(data.get("host", ""))
        if event["event"] in _ENDS:
            self.ends.add(event["event"])
        if host in self.states and event["event"] in _ENDS and not data.get("ignore_errors"):
            self.states[host] = _ENDS[event["event"]]
            # the task that reports an earlier failure fails as well, after the host was restored
            if self.states[host] == FAILED and not data.get("res", {}).get("restored"):
                self.phase_end = BROKEN
        if event["event"] == "playbook_on_play_start":
            self._begin_batch()
        if event["event"] != "playbook_on_task_start":
            return
        for name in self.batch:
            self.states[name] = FAILED if self.states[name] == FAILED else WORKING
        phase = self._phase_of(Path(str(data.get("task_path", "")).rpartition(":")[0]).stem)
        if phase in PHASES and phase != self.phase:
            # not at the start of its play, which ends at once if an earlier batch failed
            if not self.phase and len(self.batches) > 1:
                number = f"Batch {self.begun} of {len(self.batches)}"
                self._say(f"{number}: {listed(self.batch)}")
            self._end_phase()
            self.phase, self.phase_started = phase, time.monotonic()
            self.screen.event({"event": "phase", "phase": phase, "state": "started"})
            if not self.live:
                self._say(f"{self._title(phase)} ...")
        self.task = task_of(data)
        self.screen.event({"event": "task", "phase": self.phase, "task": self.task})
        if self.screen.verbose:
            self._say(f"  {self.task}")
        self.limit = self.limits.get(str(data.get("task_action", "")))
        self.task_started = time.monotonic()

    @property
    def batch(self) -> Sequence[str]:
        """The hosts of the current batch."""
        return self.batches[max(self.begun, 1) - 1]

    def _begin_batch(self) -> None:
        self._end_phase()
        self.phase = ""
        if self.begun:
            for name in self.batch:
                self.states[name] = FAILED if self.states[name] == FAILED else FINISHED
        self.begun += 1

    def _end_phase(self) -> None:
        if not self.phase:
            return
        seconds = time.monotonic() - self.phase_started
        acts = self.check and self.phase in CHECKS
        ended = CHECKED if acts and self.phase_end == ENDED else self.phase_end
        self.screen.event(
            {"event": "phase", "phase": self.phase, "state": ended, "seconds": round(seconds, 1)}
        )
        # a phase whose tasks were all skipped did nothing
        left_out = self.ends == {_SKIPPED} and ended not in (BROKEN, CUT)
        if self.live and not left_out:
            color, mark = MARKS[ended]
            words = "" if ended in (ENDED, CHECKED) else f": {ended}"
            done = escape(f"{self._title(self.phase)}{words} ({seconds:.1f} s)")
            self.screen.console.print(f"[{color}]{mark}[/{color}] {done}")
        self.phase, self.phase_end, self.ends = "", ENDED, set()

    def _break_the_silence(self) -> None:
        tick = SILENT_SECONDS / _TICKS
        while not self.ended.wait(tick):
            # the next tick would be too late
            if time.monotonic() - self.said > SILENT_SECONDS - 2 * tick:
                working = [host for host, state in self.states.items() if state == WORKING]
                others = f", waiting for {', '.join(working)}" if len(self.states) > 1 else ""
                self._say(f"  still {self.words}{others}")

    def _say(self, text: str) -> None:
        self.said = time.monotonic()
        self.screen.say(text)
