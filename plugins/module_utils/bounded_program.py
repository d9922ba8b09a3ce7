# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that others may have written: they get so much time and so much room, and no more."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

from .accounts import refuse_alias_of_root

if TYPE_CHECKING:
    import pwd
    from collections.abc import Mapping, Sequence

MOST_BYTES = 65536
_POLL_SECONDS = 0.1


def becoming(account: pwd.struct_passwd) -> dict[str, Any]:
    """Return the arguments with which subprocess runs a command as an account.

    Only root can become another account; anybody else stays who they are.
    Raises PermissionError for an account that is root under another name.
    """
    if os.geteuid() != 0:
        return {}
    refuse_alias_of_root(account)
    return {
        "user": account.pw_uid,
        "group": account.pw_gid,
        "extra_groups": os.getgrouplist(account.pw_name, account.pw_gid),
    }


class Started:
    """A program in / without a terminal, which has so many seconds from its start.

    errors: keep what it says on standard error instead. account: who runs it, if not this one.
    Raises OSError when it cannot be started.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        seconds: float,
        *,
        errors: bool = False,
        account: pwd.struct_passwd | None = None,
    ) -> None:
        self.deadline = time.monotonic() + seconds
        self.reading, writing = os.pipe()
        try:
            # nothing of an AnsibleModule ends a program that takes too long, or all that it started
            self.process = subprocess.Popen(  # pylint: disable=ansible-bad-function
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL if errors else writing,
                stderr=writing if errors else subprocess.DEVNULL,
                cwd="/",
                env=dict(environment),
                # a session of its own has no terminal into which it could type
                start_new_session=True,
                **(becoming(account) if account else {}),
            )
        except OSError:
            os.close(self.reading)
            raise
        finally:
            os.close(writing)

    def end(self) -> tuple[int | None, str]:
        """Wait for its end; return its exit code and the beginning of its output, once.

        The exit code is None when it had not ended in time. Whatever it has started in its group of
        processes ends with it.
        """
        try:
            said = _beginning(self.reading, self.process, self.deadline)
            code = self.process.poll()
        finally:
            os.close(self.reading)
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        return code, said.decode("utf-8", "replace")


def run_bounded(
    command: Sequence[str],
    environment: Mapping[str, str],
    seconds: float,
    *,
    errors: bool = False,
    account: pwd.struct_passwd | None = None,
) -> tuple[int | None, str]:
    """Run a program until it ends, as ``Started`` tells; return what its ``end`` does."""
    return Started(command, environment, seconds, errors=errors, account=account).end()


def _beginning(reading: int, process: subprocess.Popen[bytes], deadline: float) -> bytes:
    """Return the first bytes of a pipe once the process has ended, or the time is up.

    What comes after them is read as well, as the process would wait for that.
    """
    said = b""
    while True:
        # asked first: what it said before it ended can be read afterwards
        ended = process.poll() is not None
        ready = select.select([reading], [], [], 0 if ended else _POLL_SECONDS)[0]
        piece = os.read(reading, MOST_BYTES) if ready else b""
        said = (said + piece)[:MOST_BYTES]
        # somebody else may hold the other end, and talk for ever
        if time.monotonic() > deadline or (ended and (not piece or len(said) == MOST_BYTES)):
            return said
        if ready and not piece and not ended:
            _wait(process, deadline)


def _wait(process: subprocess.Popen[bytes], deadline: float) -> None:
    # it has closed its output and goes on
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(max(deadline - time.monotonic(), 0))
