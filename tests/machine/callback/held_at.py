"""Ansible waits where a task begins, until the test that started it says go on."""

import os

from ansible.playbook.task import Task
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: held_at
type: aggregate
short_description: Waits where a task begins
description: Tells a pipe that the task begins, and waits for the answer on another one.
options: {}
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "held_at"

    def __init__(self) -> None:
        super().__init__()
        self.task, number, tells, listens = os.environ["HELD_AT"].split("\n")
        self.left, self.tells, self.listens = int(number), int(tells), int(listens)

    def v2_playbook_on_task_start(self, task: Task, is_conditional: bool) -> None:
        if task.name != self.task:
            return
        self.left -= 1
        if self.left == 0:
            os.write(self.tells, b"reached")
            os.read(self.listens, 1)
