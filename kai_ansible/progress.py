"""A run of Ansible while it lasts: a line per phase, and what is being waited for."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.text import Text

if TYPE_CHECKING:
    from types import TracebackType

    from kai_ansible.report import Screen
    from kai_ansible.runner import Event

PHASES = {
    "validate": "Checking the configuration",
    "probe": "Looking at the host",
    "source": "Reading Kai's code",
    "preflight": "Checking what could stand in the way",
    "stage": "Laying out directories",
    "release": "Building the release",
    "switch": "Switching and proving it",
    "rollback": "Choosing what to go back to",
    "restore": "Bringing back what was there",
    "report": "Summing up",
}


SILENT_SECONDS = 5


class Progress:
    """Tells the phases of a run as they pass; a context that ends with the run.

    At a terminal the present line is alive. Elsewhere a line comes at each phase, and whenever
    nothing was said for SILENT_SECONDS.
    """

    def __init__(self, screen: Screen, limits: Mapping[str, int]) -> None:
        """Prepare.

        limits: how many seconds the tasks of a module may take at the most, by the module's name.
        """
        self.screen = screen
        self.limits = limits
        self.phase = ""
        self.task = "Starting Ansible"
        self.limit: int | None = None
        self.phase_started = self.task_started = time.monotonic()
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
        """Return the present line; it is asked for anew several times a second."""
        return Text(self.words)

    @property
    def words(self) -> str:
        """What is being done, for how long, and how long it may take where that is known."""
        phase = f"{PHASES[self.phase]}: " if self.phase else ""
        elapsed = int(time.monotonic() - self.task_started)
        limit = f", at most {self.limit} s" if self.limit else ""
        return f"{phase}{self.task} ({elapsed} s{limit})"

    def __call__(self, event: Event) -> None:
        """Take one event of the run."""
        if event["event"] != "playbook_on_task_start":
            return
        data = event["event_data"]
        phase = Path(str(data.get("task_path", "")).rpartition(":")[0]).stem
        if phase in PHASES and phase != self.phase:
            self._end_phase()
            self.phase, self.phase_started = phase, time.monotonic()
            if not self.live:
                self.screen.say(f"{PHASES[phase]} ...")
        self.task = str(data.get("task", "")).rpartition(" : ")[2]
        self.limit = self.limits.get(str(data.get("task_action", "")))
        self.task_started = time.monotonic()

    def _end_phase(self) -> None:
        if self.live and self.phase:
            seconds = time.monotonic() - self.phase_started
            done = escape(f"{PHASES[self.phase]} ({seconds:.1f} s)")
            self.screen.console.print(f"[green]✓[/green] {done}")
            self.phase = ""

    def _break_the_silence(self) -> None:
        told = 0
        while not self.ended.wait(SILENT_SECONDS / 10):
            silent = int((time.monotonic() - self.task_started) / SILENT_SECONDS)
            if silent > told:
                self.screen.say(f"  still {self.words}")
            told = silent
