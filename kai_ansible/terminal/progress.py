"""A run of Ansible while it lasts: a line per phase, and what is being waited for."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.text import Text

from kai_ansible.rules.problems import listed

if TYPE_CHECKING:
    from types import TracebackType

    from kai_ansible.ansible.runner import Event
    from kai_ansible.terminal.screen import Screen

# by the file of tasks that a phase is
PHASES = {
    "validate": "Validating the configuration",
    "probe": "Probing the host",
    "source": "Reading Kai's code",
    "plan": "Planning",
    "preflight": "Checking for problems",
    "release": "Building the release",
    "layout": "Creating directories",
    "switch": "Switching",
    "switch_back": "Switching back",
    "prove": "Verifying the bot",
    "uninstall": "Removing installs",
    "take_backup": "Making the backup",
    "restore": "Restoring the backup",
    "revert": "Reverting",
    "report": "Reporting",
}

SILENT_SECONDS = 5
_TICKS = 10
WORKING, DONE, FAILED = "at work", "done, waits for the others", "failed"
NOT_YET, PROVEN = "not yet its turn", "done"
_ENDS = {
    "runner_on_ok": DONE,
    "runner_on_skipped": DONE,
    "runner_on_failed": FAILED,
    "runner_on_unreachable": FAILED,
}


class Progress:
    """Tells the phases of a run as they pass; a context that ends with the run.

    At a terminal the present step is alive, with a line for each of several hosts. Elsewhere a line
    comes at each phase, and whenever nothing was said for almost SILENT_SECONDS.
    """

    def __init__(
        self, screen: Screen, batches: Sequence[Sequence[str]], limits: Mapping[str, int]
    ) -> None:
        """Prepare.

        batches: the hosts that are worked on together, in their order.
        limits: how many seconds the tasks of a module may take at the most, by the module's name.
        """
        self.screen = screen
        self.limits = limits
        self.phase = ""
        self.task = "Starting Ansible"
        self.limit: int | None = None
        self.phase_started = self.task_started = self.said = time.monotonic()
        self.batches = batches
        self.begun = 0
        self.states = {host: NOT_YET for batch in batches for host in batch}
        self.states.update(dict.fromkeys(batches[0], WORKING))
        self.live = not (screen.plain or screen.as_json)
        self.status = screen.console.status(self) if self.live else None
        self.ended = threading.Event()
        self.herald = threading.Thread(target=self._break_the_silence, daemon=True)

    def __enter__(self) -> Progress:
        if self.status:
            self.status.start()
        else:
            self.herald.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.ended.set()
        self._end_phase()
        if self.status:
            self.status.stop()
        else:
            self.herald.join()

    def __rich__(self) -> Text:
        """Return what is being done now; it is asked for anew several times a second."""
        lines = [self.words]
        if len(self.states) > 1:
            lines += [f"  {host}: {state}" for host, state in self.states.items()]
        return Text("\n".join(lines), no_wrap=True, overflow="ellipsis")

    @property
    def words(self) -> str:
        """What is being done, where, for how long, and how long it may take where that is known."""
        place = f"{next(iter(self.states))}: " if len(self.states) == 1 else ""
        limit = f", at most {self.limit} s" if self.limit else ""
        times = f"({int(time.monotonic() - self.task_started)} s{limit})"
        if not self.phase:
            return f"{place}{self.task} {times}"
        # where a line is too long for the terminal, the task is what can be guessed
        return f"{place}{PHASES[self.phase]} {times}: {self.task}"

    def __call__(self, event: Event) -> None:
        """Take one event of the run."""
        data = event.get("event_data", {})
        host = str(data.get("host", ""))
        if host in self.states and event["event"] in _ENDS and not data.get("ignore_errors"):
            self.states[host] = _ENDS[event["event"]]
        if event["event"] == "playbook_on_play_start":
            self._begin_batch()
        if event["event"] != "playbook_on_task_start":
            return
        for name in self.batch:
            self.states[name] = FAILED if self.states[name] == FAILED else WORKING
        phase = Path(str(data.get("task_path", "")).rpartition(":")[0]).stem
        if phase in PHASES and phase != self.phase:
            # not when its play begins, which ends at once when the batch before was not well
            if not self.phase and len(self.batches) > 1:
                number = f"Batch {self.begun} of {len(self.batches)}"
                self._say(f"{number}: {listed(self.batch)}")
            self._end_phase()
            self.phase, self.phase_started = phase, time.monotonic()
            if not self.live:
                self._say(f"{PHASES[phase]} ...")
        self.task = str(data.get("task", "")).rpartition(" : ")[2]
        self.limit = self.limits.get(str(data.get("task_action", "")))
        self.task_started = time.monotonic()

    @property
    def batch(self) -> Sequence[str]:
        """The hosts that are worked on now."""
        return self.batches[max(self.begun, 1) - 1]

    def _begin_batch(self) -> None:
        self._end_phase()
        self.phase = ""
        if self.begun:
            for name in self.batch:
                self.states[name] = FAILED if self.states[name] == FAILED else PROVEN
        self.begun += 1

    def _end_phase(self) -> None:
        if self.live and self.phase:
            seconds = time.monotonic() - self.phase_started
            done = escape(f"{PHASES[self.phase]} ({seconds:.1f} s)")
            self.screen.console.print(f"[green]✓[/green] {done}")
            self.phase = ""

    def _break_the_silence(self) -> None:
        tick = SILENT_SECONDS / _TICKS
        while not self.ended.wait(tick):
            # what is said a tick later would be too late
            if time.monotonic() - self.said > SILENT_SECONDS - 2 * tick:
                waited_for = [host for host, state in self.states.items() if state == WORKING]
                others = f", waits for {', '.join(waited_for)}" if len(self.states) > 1 else ""
                self._say(f"  still {self.words}{others}")

    def _say(self, text: str) -> None:
        self.said = time.monotonic()
        self.screen.say(text)
