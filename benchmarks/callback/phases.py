"""Records how long each task took: a line of JSON for each in the file that BENCH_PHASES names."""

import json
import os
import time
from typing import Any

from ansible.playbook.task import Task
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: phases
type: aggregate
short_description: Records how long each task took
description: Writes a line of JSON for each task that ended, and for the start and the end.
options: {}
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "phases"

    def __init__(self) -> None:
        super().__init__()
        self.last = time.monotonic()

    def _tell(self, name: str, action: str, state: str) -> None:
        now = time.monotonic()
        line = {"task": name, "action": action, "state": state, "seconds": now - self.last}
        self.last = now
        with open(os.environ["BENCH_PHASES"], "a", encoding="utf-8") as handle:
            handle.write(json.dumps(line) + "\n")

    def _task(self, result: Any, state: str) -> None:
        task: Task = result._task
        self._tell(task.get_name().rpartition(" : ")[2], task.action, state)

    def v2_playbook_on_play_start(self, play: Any) -> None:
        self._tell("play", "", "started")

    def v2_runner_on_ok(self, result: Any) -> None:
        self._task(result, "ok")

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._task(result, "skipped")

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._task(result, "failed")

    def v2_playbook_on_stats(self, stats: Any) -> None:
        self._tell("end", "", "ended")
