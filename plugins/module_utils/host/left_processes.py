# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes that the bot or its agents left at work in a directory that is about to go."""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import time
from typing import TYPE_CHECKING

from .run_as import ask_as
from .system import (
    all_pids,
    ancestors,
    belongs,
    command_of,
    holders,
    mounts_below,
    open_paths,
    started,
    uid_of,
)

if TYPE_CHECKING:
    from .system import Listener

# a killed process releases its files a moment later, and may have started another one before
_ROUNDS = 40
_POLL_SECONDS = 0.05
# the data directory, home and the like in it, and the directory of each user in these
_LEVELS = 3


def end_processes(data_dir: str, *, spared: str = "") -> list[str]:
    """Kill the processes that are at work in a data directory; return the ones that stay, in words.

    Only processes of the accounts that own the data count, so that root and administrators are not
    disturbed.

    data_dir: the directory, or a file.
    spared: the control group of systemd whose processes stay.
    """
    owners = _owners(data_dir)
    found: list[tuple[int, str]] = []
    for _round in range(_ROUNDS):
        found = [
            (pid, since)
            for pid, since in _at_work(data_dir, owners)
            if not (spared and belongs(pid, spared))
        ]
        if not found:
            return []
        for pid, since in found:
            # a number may be another process's by now
            if started(pid) == since:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        time.sleep(_POLL_SECONDS)
    return [f"process {pid} ({command_of(pid)})" for pid, _since in found]


def end_listener(listener: Listener, *, thoroughly: bool) -> None:
    """Kill the processes of an account that hold its socket. thoroughly: and all others of it.

    A process of another account may have been handed the socket (SCM_RIGHTS of unix(7)), and stays.
    An account can start a process as quickly as another one is killed, but not while the kernel
    kills all of them. An account that this very process came through is spared that.
    """
    account = pwd.getpwnam(listener.user)
    [seen] = ask_as(account, [lambda: holders(listener.socket)])
    pids = {*holders(listener.socket), *(seen if isinstance(seen, list) else [])}
    for pid in pids:
        if uid_of(pid) == account.pw_uid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    if thoroughly and account.pw_uid not in map(uid_of, ancestors(os.getpid())):
        ask_as(account, [lambda: os.kill(-1, signal.SIGKILL)])


def _owners(data_dir: str) -> set[int]:
    """Return the UIDs of the owners of the data directory, and of the users' directories in it."""
    found = set()
    mounts = set(mounts_below(data_dir))
    level = [data_dir]
    for _level in range(_LEVELS):
        following = []
        for path in level:
            with contextlib.suppress(OSError):
                found.add(os.lstat(path).st_uid)
                with os.scandir(path) as entries:
                    following += [e.path for e in entries if e.is_dir(follow_symlinks=False)]
        level = [path for path in following if path not in mounts]
    return found - {0}


def _at_work(data_dir: str, owners: set[int]) -> list[tuple[int, str]]:
    """Return the processes that are at work in a data directory, each with when it started."""
    own = set(ancestors(os.getpid()))
    unseen: dict[int, list[int]] = {}
    found: list[int] = []
    for pid in all_pids():
        uid = uid_of(pid)
        if uid in owners and pid not in own:
            seen = works_in(pid, data_dir)
            if seen is None:
                unseen.setdefault(uid, []).append(pid)
            elif seen:
                found.append(pid)
    # in a container root may see less of a process than its own account does
    for uid, pids in unseen.items():
        with contextlib.suppress(KeyError):
            questions = [lambda pid=pid: bool(works_in(pid, data_dir)) for pid in pids]
            answers = ask_as(pwd.getpwuid(uid), questions)
            found += [pid for pid, answer in zip(pids, answers) if answer is True]
    return [(pid, since) for pid, since in ((pid, started(pid)) for pid in found) if since]


def works_in(pid: int, directory: str) -> bool | None:
    """Return whether a process has something open below a directory, None when that is unseen."""
    try:
        return any(f"{path}/".startswith(f"{directory}/") for path in open_paths(pid))
    except PermissionError:
        return None
    except OSError:
        # it has ended
        return False
