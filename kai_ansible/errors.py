"""What ends a command early, and the exit code that says so."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kai_ansible.rules.problems import Problem


class ExitCode(IntEnum):
    """How a command ended."""

    DONE = 0
    FAILED = 1
    INVALID = 2
    NOT_READY = 3
    INTERRUPTED = 130


class CommandError(Exception):
    """A command cannot go on; ``str`` of it is for the operator.

    problems: every fault of the input, if that is what stopped it.
    """

    def __init__(
        self,
        message: str,
        *,
        problems: Sequence[Problem] = (),
        code: ExitCode = ExitCode.INVALID,
    ) -> None:
        super().__init__(message)
        self.problems = tuple(problems)
        self.code = code
