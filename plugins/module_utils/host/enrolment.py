# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let a user into the Workshop while the bot is stopped, and start the bot again."""

from __future__ import annotations

import contextlib
import itertools
import signal
import subprocess
from typing import TYPE_CHECKING

from ..rules.enrolment import Enrolment, read_enrolment, without_token
from ..rules.problems import Refused
from ..rules.sanitize import printable
from .subprocesses import run_group
from .system import restart_service, service_state, start_as, stop_service

if TYPE_CHECKING:
    import pwd
    from collections.abc import Iterator, Mapping, Sequence

_SECONDS = 60
_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


def enrol(
    unit: str, account: pwd.struct_passwd, argv: Sequence[str], environment: Mapping[str, str]
) -> tuple[Enrolment, bool]:
    """Run the command of Kai that lets a user in, as the service user and with the bot stopped.

    unit: of the bot. environment: the whole environment of the command.
    Return the answer, and whether the bot ran before and was started again; a bot that did not run
    is left so. Raises Refused with the output of the command, and OSError.
    """
    was_active = service_state(unit).active
    with _unharmed():
        try:
            # the last process to close the database removes the log of changes of a running bot
            stop_service(unit)
            done = run_group(
                argv,
                _SECONDS,
                env=dict(environment),
                cwd="/",
                stderr=subprocess.PIPE,
                **start_as(account),
            )
        finally:
            if was_active:
                restart_service(unit, service_state(unit))
    found = read_enrolment(done.stdout)
    if done.returncode != 0 or found is None:
        *_program, verb = itertools.takewhile(lambda word: not word.startswith("--"), argv)
        said = printable(without_token(f"{done.stderr}{done.stdout}".strip()))
        raise Refused(
            f"{verb} ended with exit code {done.returncode}: {said}. Fix: correct what it "
            f"says; kai-ansible doctor looks at the rest"
        )
    return found, was_active


@contextlib.contextmanager
def _unharmed() -> Iterator[None]:
    """Ignore signals that would end this process while the bot is stopped."""
    before = {one: signal.signal(one, signal.SIG_IGN) for one in _SIGNALS}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
