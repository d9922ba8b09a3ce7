# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Describe the fault of an input so that a user can fix it."""

from __future__ import annotations

import difflib
import errno
import posixpath
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

from .sanitize import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

_LONGEST_SHOWN = 200
# the expectation after a failed system call, and a command; {0} is the path, {1} its parent
_FULL = ("free space and free inodes", "free some space on that file system: df -h {1}; df -i {1}")
_ADVICE = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EROFS: (
        "a file system that is mounted for writing",
        "check how it is mounted: findmnt --target {1}",
    ),
    errno.EIO: ("a disk that can be read and written", "read the kernel's messages: dmesg | tail"),
}
_OTHERWISE = ("a path that root can reach", "inspect it on the host: namei -l {0}")


class ProblemData(TypedDict):
    """The fields of a Problem by name, as JSON has them."""

    where: str
    found: str
    expected: str
    fix: str


@dataclass(frozen=True)
class Problem:
    """One fault of an input.

    where: the variable, key or path that is wrong.
    found: the present content; never the value of a secret.
    expected: a valid content.
    fix: the command or edit that fixes it.
    """

    where: str
    found: str
    expected: str
    fix: str

    def as_dict(self) -> ProblemData:
        """Return the fields by name."""
        return ProblemData(where=self.where, found=self.found, expected=self.expected, fix=self.fix)

    def __str__(self) -> str:
        return printable(
            f"{self.where}: found {self.found}, expected {self.expected}. Fix: {self.fix}"
        )


class Refused(Exception):
    """A change that must not be made.

    reason: a Problem, or a message for the operator. problem: the Problem, None for a message.
    """

    problem: Problem | None

    def __init__(self, reason: Problem | str) -> None:
        super().__init__(str(reason))
        self.problem = reason if isinstance(reason, Problem) else None


class BadDocument(ValueError):
    """A document with which Kai does not start: where in it, what was found and expected."""

    def __init__(self, where: str, found: str, expected: str) -> None:
        super().__init__(f"{where}: found {found}, expected {expected}")
        self.where = where
        self.found = found
        self.expected = expected


def problem_of_error(error: OSError, path: str) -> Problem:
    """Return the problem of a failed system call, with the reason.

    path: the one that is meant where the error names none.
    """
    named = error.filename if isinstance(error.filename, (str, bytes)) else b""
    # a name alone is one in a directory that was open
    text = named.decode(errors="surrogateescape") if isinstance(named, bytes) else named
    place = text if posixpath.isabs(text) else path
    expected, fix = _ADVICE.get(error.errno or 0, _OTHERWISE)
    paths = map(shlex.quote, (place, posixpath.dirname(place) or place))
    return Problem(place, error.strerror or str(error), expected, fix.format(*paths))


def reason_of(error: Exception, path: str) -> str:
    """Return why a change was not made. path: the one that is meant where an error names none."""
    return str(problem_of_error(error, path) if isinstance(error, OSError) else error)


def shortened(text: str) -> str:
    """Return text for ``found``, cut to a readable length."""
    if len(text) <= _LONGEST_SHOWN:
        return text
    return f"{text[:_LONGEST_SHOWN]}... ({len(text)} characters)"


def nearest(name: str, known: Iterable[str], prefix: str = "") -> str:
    """Return ' (did you mean X?)' for the known name closest to ``name``, or an empty string.

    prefix: what every name begins with, shown but not compared.
    """
    matches = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" (did you mean {prefix}{matches[0]}?)" if matches else ""


def listed(names: Iterable[str]) -> str:
    """Return names as a readable list, or 'none' when there are none."""
    return ", ".join(names) or "none"
