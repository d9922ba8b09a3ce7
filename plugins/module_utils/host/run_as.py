# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions about files, asked as the account that the answer is for.

Modes are not enough: access lists, mounts and links count as well, and only the kernel knows all.
A file system of another machine may never answer, so each question is asked by a child process
that can be left behind.
"""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

from . import system
from .child_process import ChildProcess

if TYPE_CHECKING:
    import pwd
    from collections.abc import Callable, Sequence

    Question = Callable[[], Any]

ANSWER_SECONDS = 10.0
# an account that stops one process, or mounts one file system that hangs, does it again
_LESS_PATIENCE = 10
MOST_LINKS = 40
# of one answer
_MOST_BYTES = 8 << 20


class NoAnswer:
    """The place of an answer that did not come. It is neither a yes nor a no."""

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


UNANSWERED = NoAnswer("no answer in time")
FAILED = NoAnswer("no answer, but an error")


def ask_as(
    account: pwd.struct_passwd | None,
    questions: Sequence[Question],
    seconds: float = ANSWER_SECONDS,
) -> list[Any]:
    """Return the answer of each question for one account, as ``ask_each`` does."""
    return ask_each([(account, question) for question in questions], seconds)


def ask_each(
    asked: Sequence[tuple[pwd.struct_passwd | None, Question]], seconds: float = ANSWER_SECONDS
) -> list[Any]:
    """Return the answer of each question from a process that has become its account.

    asked: None asks as root; only root can become another account, every other account asks as
    itself. The answers must fit into JSON. seconds: how long each may take. A NoAnswer replaces an
    answer that did not come: UNANSWERED where it took longer, FAILED where the question failed, its
    process was killed, or the account is root under another name.
    """
    answers: list[Any] = []
    silent = set()
    while len(answers) < len(asked):
        rest = asked[len(answers) :]
        limits = [
            seconds / _LESS_PATIENCE if account and account.pw_name in silent else seconds
            for account, _question in rest
        ]
        answers += _answers(rest, limits)
        account = asked[len(answers) - 1][0]
        if answers[-1] is UNANSWERED and account:
            silent.add(account.pw_name)
    return answers


def _answers(
    asked: Sequence[tuple[pwd.struct_passwd | None, Question]], limits: Sequence[float]
) -> list[Any]:
    """Return the answers up to the first question that has none, that one included."""

    def work(writing: int) -> None:
        privileged, now = os.geteuid() == 0, None
        # what it reads may be hostile, and then it is never root again
        is_one = len({account and account.pw_name for account, _question in asked}) == 1
        for account, question in asked:
            if privileged and account != now:
                # a child for each of many accounts would cost more than all their questions
                system.become(account, for_good=is_one)
                now = account
            os.write(writing, json.dumps(question()).encode() + b"\n")

    child = ChildProcess(work)
    try:
        lines, in_time = _lines(child, len(asked), limits)
    finally:
        child.end()
    answers = [json.loads(line) for line in lines]
    if len(answers) == len(asked):
        return answers
    return [*answers, FAILED if in_time else UNANSWERED]


def _lines(child: ChildProcess, most: int, limits: Sequence[float]) -> tuple[list[bytes], bool]:
    """Return whole lines, and whether the writer ended before a wait took too long.

    A line that has no end for too long counts as that of a writer that ended.
    """
    lines: list[bytes] = []
    rest, deadline = b"", time.monotonic() + limits[0]
    while len(lines) < most:
        piece = child.read(max(deadline - time.monotonic(), 0))
        if not piece:
            return lines, piece is not None
        *whole, rest = (rest + piece).split(b"\n")
        lines += whole
        if len(rest) > _MOST_BYTES:
            return lines, True
        if whole and len(lines) < most:
            deadline = time.monotonic() + limits[len(lines)]
    return lines, True


def fault_of_entry(path: str, write: bool = False) -> tuple[str, str] | None:
    """Return the action that this process cannot do in a directory, and its path; None if it can.

    None also where nothing is there, which is another fault.
    """
    try:
        os.stat(path)
    except FileNotFoundError:
        return None
    except OSError:
        return "cannot enter", blocked_at(path) or path
    if not os.access(path, os.X_OK):
        return "cannot enter", path
    if write and not os.access(path, os.W_OK):
        return "cannot write in", path
    return None


def fault_of_program(path: str) -> str | None:
    """Return why this process cannot execute a file that exists; None when it can."""
    if os.access(path, os.X_OK):
        return None
    blocked = blocked_at(path)
    return "cannot execute" + (f", as it cannot enter {blocked}" if blocked else "")


def blocked_at(path: str, links: int = 0) -> str | None:
    """Return the first directory above a path that this process cannot enter, if any.

    Links are followed as far as they can be read.
    """
    parts = path.split("/")
    for number in range(2, len(parts) + 1):
        place = "/".join(parts[:number])
        if os.path.isdir(place):
            if not os.access(place, os.X_OK):
                return place
        elif os.path.islink(place) and links < MOST_LINKS:
            target = os.path.join(os.path.dirname(place), os.readlink(place))
            return blocked_at(os.path.normpath(target), links + 1)
    return None
