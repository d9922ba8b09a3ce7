# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks that the kernel releases when their holder ends, however it ends.

A module may outlive the Ansible that started it, when that is killed or its connection is lost.
The record of run_lock.py then counts for nothing, but what the module holds here does.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..rules.problems import Problem, Refused
from . import system

if TYPE_CHECKING:
    from collections.abc import Iterator

WORK_SECONDS = 300
POLL_SECONDS = 0.2


class Busy(Refused):
    """A lock whose holder does not release it in time."""

    problem: Problem


@contextmanager
def held(path: str, flags: int, seconds: float) -> Iterator[int]:
    """Take and hold the lock of a file or directory; yield its descriptor.

    flags: how it is opened, as for ``os.open``. seconds: how long to wait.
    Raises Busy when it stays held, OSError when it cannot be opened.
    """
    with system.opened(path, flags) as lock:
        deadline = time.monotonic() + seconds
        while not _taken(lock):
            if time.monotonic() > deadline:
                # as far as they can be seen
                holders = "; ".join(system.processes_with(path)) or "a process of an earlier run"
                raise Busy(
                    Problem(
                        path,
                        f"{holders}, still at work after {seconds} s",
                        "none that changes the host",
                        "wait until it has ended, or end it on the host (lslocks lists it), and "
                        "run this again",
                    )
                )
            time.sleep(POLL_SECONDS)
        yield lock


def _taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def only_worker(dry: bool = False) -> Iterator[None]:
    """Be the only module that changes the host; wait for one that an earlier run left at work.

    dry: whether nothing will be changed; then no lock is taken.
    Raises Busy and OSError.
    """
    if dry:
        yield
        return
    with held(system.WORK_LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, WORK_SECONDS):
        yield
