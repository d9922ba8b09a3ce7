# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting an agent as the bot does, waiting for its answer, and ending it as the bot does."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import tempfile
import time
from typing import IO, TYPE_CHECKING, Any, cast

from . import system
from .subprocesses import LOOK_SECONDS, MOST_BYTES, kill_session, start_program

if TYPE_CHECKING:
    import pwd
    from collections.abc import Mapping

    from ..rules.proof_arguments import AgentProof

ANSWER_SECONDS = 60.0
GRACE_SECONDS = 3.0
END_SECONDS = 30.0
SHOWN_BYTES = 2000
LINE_BYTES = 1 << 20


def fault_of_agent(
    agent: AgentProof,
    account: pwd.struct_passwd,
    environment: Mapping[str, str],
    seconds: float = ANSWER_SECONDS,
) -> str:
    """Return why an agent cannot be started or ended by an account, empty when it can.

    agent: argv, directory (where it starts), say (a line for it, or empty), hear (what a line of
    its answer has, compared by ``has``) and kill (the command that signals it as its owner, empty
    where its owner is the account). With nothing to say its input is closed, and it must exit with
    0. environment: all of it. seconds: how long its answer, or its end, may take.
    """
    options: dict[str, Any] = {**system.start_as(account), "env": dict(environment), "cwd": "/"}
    with tempfile.TemporaryFile() as errors:
        process = None
        try:
            process = start_program(
                # the account itself must enter the directory, which cwd would do as root; and env
                # takes a program with = in its path for a variable, which nice does not
                ["env", f"--chdir={agent['directory']}", "nice", "-n", "0", *agent["argv"]],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                bufsize=0,
                # without a terminal sudo refuses a forbidden command instead of asking
                **options,
            )
            fault = _fault_of_life(process, agent, seconds)
            if not fault and agent["say"]:
                fault = _fault_of_end(process, agent["kill"], options)
        except OSError as error:
            fault = str(error)
        finally:
            if process:
                kill_session(process)
                for pipe in _pipes_of(process):
                    pipe.close()
        if not fault:
            return ""
        size = errors.seek(0, os.SEEK_END)
        errors.seek(max(size - SHOWN_BYTES, 0))
        said = errors.read().decode(errors="replace").strip()
    return f"{fault}: {said}" if said else fault


def has(document: Any, expected: Any) -> bool:
    """Return whether a JSON document contains everything expected; it may contain more."""
    if not isinstance(expected, dict):
        return bool(document == expected)
    return isinstance(document, dict) and all(
        key in document and has(document[key], value) for key, value in expected.items()
    )


def _pipes_of(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    return cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)


def _fault_of_life(process: subprocess.Popen[bytes], agent: AgentProof, limit: float) -> str:
    stdin = _pipes_of(process)[0]
    with contextlib.suppress(BrokenPipeError):
        if agent["say"]:
            stdin.write(agent["say"].encode() + b"\n")
        else:
            stdin.close()
    deadline = time.monotonic() + limit
    if _hears(process, agent["hear"] if agent["say"] else None, deadline):
        return ""
    if system.stopped_in(process.pid):
        return "a signal stopped it"
    with contextlib.suppress(subprocess.TimeoutExpired):
        # a process that closed its output may still be ending
        code = process.wait(max(deadline - time.monotonic(), 0))
        if code or agent["say"]:
            return f"it ended with exit code {code}"
        return ""
    return f"no {'answer' if agent['say'] else 'end'} within {limit:g} s"


def _hears(process: subprocess.Popen[bytes], expected: Any, deadline: float) -> bool:
    """Return whether a line has the expected content.

    False when the output ends, the time is up, or a signal has stopped it.
    """
    output = _pipes_of(process)[1]
    rest = b""
    while time.monotonic() < deadline:
        left = deadline - time.monotonic()
        if not select.select([output], [], [], max(min(left, LOOK_SECONDS), 0))[0]:
            if system.stopped_in(process.pid):
                return False
            continue
        piece = os.read(output.fileno(), MOST_BYTES)
        if not piece:
            return False
        *lines, rest = (rest[-LINE_BYTES:] + piece).split(b"\n")
        if expected is not None and any(has(_document(line), expected) for line in lines):
            return True
    return False


def _document(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def _fault_of_end(
    process: subprocess.Popen[bytes], kill: list[str], options: Mapping[str, Any]
) -> str:
    """End a process by SIGTERM, then SIGKILL; return why it does not end, empty when it does."""
    for number, seconds in ((signal.SIGTERM, GRACE_SECONDS), (signal.SIGKILL, END_SECONDS)):
        if kill:
            # sudo is root's; only the agent below it can be signalled, and that as its owner
            for child in _run(["pgrep", "-P", str(process.pid)], options).stdout.split():
                done = _run([*kill, f"-{number.value}", child], options)
                if done.returncode != 0 and process.poll() is None:
                    return f"{' '.join(kill)} failed: {done.stderr.strip()}"
        else:
            os.killpg(process.pid, number)
        if _ends(process, time.monotonic() + seconds):
            return ""
    return f"it does not end within {END_SECONDS:g} s of SIGKILL"


def _ends(process: subprocess.Popen[bytes], deadline: float) -> bool:
    """Return whether a process ends in time; its output is dropped."""
    stdin, stdout = _pipes_of(process)
    with contextlib.suppress(BrokenPipeError):
        stdin.close()
    # until every process that could write has ended
    while select.select([stdout], [], [], max(deadline - time.monotonic(), 0))[0]:
        if time.monotonic() > deadline:
            return False
        if not os.read(stdout.fileno(), MOST_BYTES):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(deadline - time.monotonic(), 0))
                return True
            return False
    return False


def _run(command: list[str], options: Mapping[str, Any]) -> subprocess.CompletedProcess[str]:
    return system.run_program(command, END_SECONDS, **options)
