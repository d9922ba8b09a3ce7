# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mounts that root cannot enter, at some paths or on the way to them.

A user can mount a FUSE file system that admits no other account, not even root. A file system of
another machine may never answer, and then not even ``stat`` of its mount point returns.
"""

from __future__ import annotations

import functools
import os
import shlex
import stat
from typing import TYPE_CHECKING

from ..rules.problems import Problem, Refused
from . import system
from .run_as import UNANSWERED, NoAnswer, ask_as

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def is_below(path: str, directory: str) -> bool:
    """Return whether a path is a directory or is below it."""
    return f"{path}/".startswith(f"{directory.rstrip('/')}/")


def closed_mounts(paths: Iterable[str]) -> dict[str, Problem]:
    """Return the mounts at some paths, or on the way to one, that root cannot enter."""
    wanted = list(paths)
    points = [
        point
        for point in system.mount_points()
        if point != "/" and any(is_below(path, point) for path in wanted)
    ]
    if not points:
        return {}
    answers = ask_as(None, [functools.partial(_fault_of, point) for point in points])
    found = {}
    for point, answer in zip(points, answers):
        if isinstance(answer, NoAnswer):
            # not seen is not open
            answer = "does not answer" if answer is UNANSWERED else "root could not check"
        if isinstance(answer, str):
            found[point] = Problem(
                point,
                f"a mounted file system that {answer}",
                "a directory that root can enter",
                f"unmount it on the host: umount --lazy {shlex.quote(point)}",
            )
    return found


def is_closed(closed: Iterable[str], path: str) -> bool:
    """Return whether a path is at or below one of the mounts that root cannot enter."""
    return any(is_below(path, point) for point in closed)


def refuse_below(closed: Mapping[str, Problem], path: str) -> None:
    """Raise Refused for a path at or below one of the mounts that root cannot enter."""
    for point, problem in closed.items():
        if is_below(path, point):
            raise Refused(problem)


def _fault_of(point: str) -> str | None:
    try:
        if stat.S_ISDIR(os.stat(point).st_mode):
            os.close(os.open(point, os.O_RDONLY | os.O_DIRECTORY))
    except OSError as error:
        return f"root cannot enter ({error.strerror})"
    return None
