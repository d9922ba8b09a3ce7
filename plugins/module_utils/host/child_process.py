# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A child process that becomes another account, which may then stop or kill it at any moment.

Nothing waits for such a child without a limit.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_PIECE = 65536
_POLL_SECONDS = 0.1
# the kernel ends a killed process at once, unless it waits for a file system
_END_SECONDS = 2.0
# most have ended by the first look
_FIRST_PAUSE_SECONDS = 0.0001
_MOST_FILES = 65536


class ChildProcess:
    """A forked process that does some work and writes its answer into a pipe."""

    def __init__(self, work: Callable[[int], None]) -> None:
        """Start the work. work: gets the descriptor to write to, and nothing else is open."""
        reading, writing = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                _keep_only(writing)
                work(3)
            finally:
                os._exit(0)
        os.close(writing)
        self.reading = reading
        self.status: int | None = None
        self.stopped = False

    def read(self, seconds: float) -> bytes | None:
        """Return the next piece of its output, empty at the end.

        None when nothing came in time, or when the child was stopped.
        """
        deadline = time.monotonic() + seconds
        while True:
            left = deadline - time.monotonic()
            if select.select([self.reading], [], [], max(min(left, _POLL_SECONDS), 0))[0]:
                return os.read(self.reading, _PIECE)
            self._look()
            if left <= 0 or self.stopped:
                return None

    def end(self) -> int | None:
        """Kill it; return its status as of ``os.waitpid``, None when it does not end."""
        os.close(self.reading)
        deadline = time.monotonic() + _END_SECONDS
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
        pause = _FIRST_PAUSE_SECONDS
        self._look()
        while self.status is None and time.monotonic() < deadline:
            time.sleep(pause)
            pause = min(2 * pause, _POLL_SECONDS)
            self._look()
        return self.status

    def _look(self) -> None:
        if self.status is not None:
            return
        pid, status = os.waitpid(self.pid, os.WNOHANG | os.WUNTRACED)
        if pid and os.WIFSTOPPED(status):
            self.stopped = True
        elif pid:
            self.status = status


def _keep_only(writing: int) -> None:
    """Leave nothing open but a descriptor, which becomes 3.

    A stopped child would keep a lock held, and the output of this process open, and Ansible waits
    until that is closed.
    """
    os.dup2(writing, 3)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    os.closerange(4, _MOST_FILES if most == resource.RLIM_INFINITY else most)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    os.close(nowhere)
