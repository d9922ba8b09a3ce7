# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How modules run other programs."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


def run_program(
    command: Sequence[str], timeout: float | None, **options: Any
) -> subprocess.CompletedProcess[Any]:
    """Run a program without input to its end; return how it ended, and what it said as text.

    timeout: in seconds, None for a program that may take as long as it wants. options: those of
    subprocess.run, which take the place of what is said here. Raises OSError when it cannot be
    started, and TimeoutError, which is one, when it takes longer.
    """
    options = {
        "stdin": subprocess.DEVNULL,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "text": True,
        "errors": "replace",
        **options,
    }
    # run_command of an AnsibleModule ends no program that takes too long, and becomes nobody else
    try:
        return subprocess.run(  # pylint: disable=ansible-bad-function
            command, check=False, timeout=timeout, **options
        )
    except subprocess.TimeoutExpired as error:
        late = f"no answer within {timeout:g} s"
        raise TimeoutError(errno.ETIMEDOUT, late, command[0]) from error


def run_group(
    command: Sequence[str], timeout: float, **options: Any
) -> subprocess.CompletedProcess[Any]:
    """Run a program as ``run_program`` does; when it takes longer, kill it with all it has started.

    Its exit code is then that of SIGKILL. What it leaves behind otherwise goes on.
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
            # what left the group may hold the other end
            said, words = "", None
    return subprocess.CompletedProcess(command, process.returncode, said, words)
