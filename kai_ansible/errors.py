"""The error that ends a command, and the exit codes."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Mapping, Sequence
from enum import IntEnum
from pathlib import Path

from kai_ansible.rules.problems import Problem, listed, problem_of_error

NEXT_LINE = "\n"
INDENT = " " * 13


class ExitCode(IntEnum):
    """Exit code of a command."""

    DONE = 0
    FAILED = 1
    INVALID = 2
    NOT_READY = 3
    INTERRUPTED = 130


def usage_error(
    where: str,
    found: str,
    expected: str,
    fix: str,
    *,
    message: str = "Nothing was changed.",
    code: ExitCode = ExitCode.INVALID,
) -> CommandError:
    """Return the error of a single problem; ``message`` is its consequence for this run."""
    return CommandError(message, problems=[Problem(where, found, expected, fix)], code=code)


# a quota fills a disk for one account
FULL = (errno.ENOSPC, errno.EDQUOT)


def full_disk_error(error: OSError, message: str) -> CommandError | None:
    """Return the error of a disk that has no more space for a file, None for any other."""
    # what Python says if it can write in no directory for temporary files
    is_full = error.errno in FULL or "No usable temporary" in str(error)
    if not is_full:
        return None
    # the runner's errors name no file, and it writes there
    named = error.filename or os.environ.get("TMPDIR") or "/tmp"  # noqa: S108 - Python writes there
    place = str(Path.cwd() / named)
    problem = problem_of_error(OSError(errno.ENOSPC, error.strerror, place), place)
    return CommandError(message, problems=[problem], code=ExitCode.FAILED)


def attention_error(hosts: Sequence[str]) -> CommandError:
    """Return the error of a command that found hosts which need attention."""
    verb = "needs" if len(hosts) == 1 else "need"
    return CommandError(f"{listed(hosts)} {verb} attention.", code=ExitCode.NOT_READY)


class Ended(KeyboardInterrupt):
    """A signal ends the command; nobody is there to answer a question."""


class CommandError(Exception):
    """Ends a command; ``str`` of it is the text for the operator.

    problems: every problem of the input, if the input is the cause.
    places: the file that sets a variable, by variable, as far as known.
    """

    def __init__(
        self,
        message: str,
        *,
        problems: Sequence[Problem] = (),
        places: Mapping[str, Path] | None = None,
        code: ExitCode = ExitCode.INVALID,
    ) -> None:
        super().__init__(message)
        self.problems = tuple(problems)
        self.places = dict(places or {})
        self.code = code

    def __str__(self) -> str:
        lines = []
        for number, problem in enumerate(self.problems, start=1):
            variable = re.split(r"[\[.:]", problem.where)[0]
            place = f"{self.places[variable]}: " if variable in self.places else ""
            lines += [
                f"{number}. {place}{problem.where}",
                f"   found:    {problem.found.replace(NEXT_LINE, NEXT_LINE + INDENT)}",
                f"   expected: {problem.expected}",
                f"   fix:      {problem.fix}",
            ]
        return "\n".join([*lines, *self.args])
