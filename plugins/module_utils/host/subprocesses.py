# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running programs with limits: time for all, and output for programs that users can change."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any

from . import system

if TYPE_CHECKING:
    import pwd
    from collections.abc import Mapping, Sequence

MOST_BYTES = 65536
_POLL_SECONDS = 0.1
_START_SECONDS = 10
_END_SECONDS = 5
# how often to check whether a signal has stopped the program
LOOK_SECONDS = 2.0


def run_group(
    command: Sequence[str], timeout: float, **options: Any
) -> subprocess.CompletedProcess[Any]:
    """Run a program as ``run_program`` does; when it takes longer, kill it with all it has started.

    Its exit code is then that of SIGKILL. Processes that a program leaves behind go on otherwise.
    """
    options = {"stdout": subprocess.PIPE, "text": True, "errors": "replace", **options}
    with subprocess.Popen(  # pylint: disable=ansible-bad-function
        command, stdin=subprocess.DEVNULL, start_new_session=True, **options
    ) as process:
        try:
            said, words = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            # a process that left the group may hold the other end
            said, words = "", None
    return subprocess.CompletedProcess(command, process.returncode, said, words)


def start_program(command: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, without a terminal into which it could type.

    options: those of subprocess.Popen. Raises OSError when it cannot be started. Popen itself waits
    until the program is loaded; its account may stop it before, or have it on a file system that
    does not answer.
    """
    found: list[Any] = []
    late = threading.Event()

    def start() -> None:
        try:
            # an AnsibleModule cannot end a program that takes too long, with all that it started
            process = subprocess.Popen(  # pylint: disable=ansible-bad-function,consider-using-with
                command, start_new_session=True, **options
            )
        except OSError as error:
            found.append(error)
            return
        except (ValueError, subprocess.SubprocessError) as error:
            # such as an account with more groups than the system gives a process
            found.append(OSError(errno.EINVAL, str(error), command[0]))
            return
        found.append(process)
        if late.is_set():
            kill_session(process)

    thread = threading.Thread(target=start, daemon=True)
    thread.start()
    thread.join(_START_SECONDS)
    if not found:
        late.set()
        raise TimeoutError(f"{command[0]} does not start within {_START_SECONDS} s")
    if isinstance(found[0], Exception):
        raise found[0]
    process: subprocess.Popen[bytes] = found[0]
    return process


def kill_session(process: subprocess.Popen[Any]) -> None:
    """Kill a program that was started in a session of its own, with everything in its group.

    A program that waits for a file system may not even end then, so it is left after a while.
    """
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_END_SECONDS)


class Started:
    """A program that runs in / without a terminal, for a limited time.

    seconds: its limit, from its start. errors: keep its standard error in place of its standard
    output. account: runs it, None for this account.
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
            self.process = start_program(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL if errors else writing,
                stderr=writing if errors else subprocess.DEVNULL,
                cwd="/",
                env=dict(environment),
                **(system.start_as(account) if account else {}),
            )
        except OSError:
            os.close(self.reading)
            raise
        finally:
            os.close(writing)

    def end(self) -> tuple[int | None, str]:
        """Wait for its end; return its exit code and the beginning of its output. Call it once.

        The exit code is None when it did not end in time. Everything that it started in its group
        of processes is killed.
        """
        try:
            said = _beginning(self.reading, self.process, self.deadline)
            code = self.process.poll()
        finally:
            os.close(self.reading)
            kill_session(self.process)
        return code, said.decode("utf-8", "replace")


def run_bounded(
    command: Sequence[str],
    environment: Mapping[str, str],
    seconds: float,
    *,
    errors: bool = False,
    account: pwd.struct_passwd | None = None,
) -> tuple[int | None, str]:
    """Run a program until it ends; arguments as of ``Started``, return values as of its ``end``."""
    return Started(command, environment, seconds, errors=errors, account=account).end()


def _beginning(reading: int, process: subprocess.Popen[bytes], deadline: float) -> bytes:
    """Return the first bytes of a pipe once the process has ended or is stopped, or the time is up.

    Later output is read and dropped, as the process would wait otherwise.
    """
    said = b""
    look = time.monotonic() + LOOK_SECONDS
    while True:
        # asked first: output from before its end can be read afterwards
        ended = process.poll() is not None
        ready = select.select([reading], [], [], 0 if ended else _POLL_SECONDS)[0]
        piece = os.read(reading, MOST_BYTES) if ready else b""
        said = (said + piece)[:MOST_BYTES]
        # another process may hold the other end, and write forever
        if time.monotonic() > deadline or (ended and (not piece or len(said) == MOST_BYTES)):
            return said
        if time.monotonic() > look:
            if system.stopped_in(process.pid):
                return said
            look = time.monotonic() + LOOK_SECONDS
        if ready and not piece and not ended:
            # it has closed its output and goes on
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(deadline - time.monotonic(), 0))
