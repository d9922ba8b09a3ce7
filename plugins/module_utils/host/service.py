# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bot as systemd and its health route show it."""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import os
import re
import socket
import subprocess
import time
from typing import TYPE_CHECKING

from ..rules.documents import legible
from ..rules.env_file import read_env
from ..rules.problems import Refused
from .files import look
from .subprocesses import run_program

if TYPE_CHECKING:
    from collections.abc import Iterable

_ASK_SECONDS = 20
_ACT_SECONDS = 180
# what the bot has started gets so long once the bot itself has ended, and the bot so long to end
_LEFT_SECONDS = 5
_STOP_SECONDS = 25
_ANSWER_SECONDS = 5
MOST_TURNS = 1000
_MOST_BYTES = 4096
_PROPERTIES = (
    "ActiveEnterTimestampMonotonic",
    "ActiveState",
    "ActiveExitTimestampMonotonic",
    "ControlGroup",
    "InvocationID",
    "MainPID",
    "NRestarts",
    "NeedDaemonReload",
    "UnitFileState",
)


def unit_state(unit: str) -> dict[str, str]:
    """Return what systemd knows about a unit, by property; an unknown unit is inactive.

    Raises OSError when systemd does not answer: a unit of which nothing is known may well run.
    """
    command = ["systemctl", "show", f"{unit}.service", "--property=" + ",".join(_PROPERTIES)]
    shown = run_program(command, timeout=_ASK_SECONDS)
    state = dict(line.split("=", 1) for line in shown.stdout.splitlines() if "=" in line)
    if shown.returncode != 0 or "ActiveState" not in state:
        said = shown.stderr.strip() or "no ActiveState"
        raise OSError(errno.EIO, f"systemctl show tells nothing of it ({said})", f"{unit}.service")
    return state


def is_active(state: dict[str, str]) -> bool:
    """Return whether a unit runs, or is between two attempts to."""
    return state.get("ActiveState") in ("active", "activating", "reloading")


def is_enabled(state: dict[str, str]) -> bool:
    """Return whether a unit starts at boot."""
    return state.get("UnitFileState") == "enabled"


def turns_in(directory: str) -> int | None:
    """Return how many users the bot is answering, or was when it ended; None when that is unknown.

    The bot can put anything in the place of its directory, so this follows no link and stops at
    MOST_TURNS.
    """
    try:
        opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return 0
    except OSError:
        return None
    try:
        with os.scandir(opened) as entries:
            return sum(1 for _entry in itertools.islice(entries, MOST_TURNS))
    except OSError:
        return None
    finally:
        os.close(opened)


def systemctl(*arguments: str) -> None:
    """Ask systemd to do something.

    Raises Refused with its words when it does not, or not in time. An agent that ignores the signal
    to end, or a bot that hangs, is killed: what systemd does by itself then would keep the bot away
    for another minute and a half.
    """
    command = ["systemctl", *arguments]
    # nothing of an AnsibleModule can do something else meanwhile
    with subprocess.Popen(  # pylint: disable=ansible-bad-function
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as process:
        if arguments[0] in ("stop", "restart"):
            _end_what_stays(process, arguments[-1])
        try:
            said = process.communicate(timeout=_ACT_SECONDS)[1]
        except subprocess.TimeoutExpired as error:
            process.kill()
            raise Refused(f"{' '.join(command)} did not end within {_ACT_SECONDS} s") from error
    if process.returncode != 0:
        raise Refused(f"{' '.join(command)} failed: {said.strip()}")


def _end_what_stays(process: subprocess.Popen[str], unit: str) -> None:
    """Kill what is left of a unit that is being stopped, once its time is up."""
    for seconds, is_patient in ((_LEFT_SECONDS, True), (_STOP_SECONDS, False)):
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
            return
        state = unit_state(unit.rpartition(".")[0])
        if state.get("ActiveState") == "deactivating" and not (
            is_patient and int(state.get("MainPID") or 0)
        ):
            systemctl("kill", "--signal=KILL", unit)


def journal_of(invocations: Iterable[str], lines: int, *arguments: str) -> str:
    """Return the end of what a unit, and systemd about it, logged since it was started.

    Raises OSError when the journal does not answer.

    invocations: the ids that systemd gave to those starts. lines: how many there may be.
    arguments: more of them for journalctl.
    """
    ids = sorted(invocations)
    if not ids:
        return ""
    command = [
        "journalctl",
        f"--lines={lines}",
        "--no-pager",
        *(arguments or ["--output=cat"]),
        *(f"_SYSTEMD_INVOCATION_ID={one}" for one in ids),
        "+",
        *(f"INVOCATION_ID={one}" for one in ids),
    ]
    return str(run_program(command, _ASK_SECONDS).stdout).strip()


def last_invocations(unit: str) -> list[str]:
    """Return the ids of the start that a unit is in, and of the one before it if that failed.

    One that has only just begun has said nothing yet, and systemd keeps the id of the last alone.
    Raises OSError when systemd or the journal does not answer.
    """
    state = unit_state(unit)
    found = [state["InvocationID"]] if state.get("InvocationID") else []
    if not int(state.get("NRestarts") or 0):
        return found
    fields = "--output-fields=INVOCATION_ID,_SYSTEMD_INVOCATION_ID"
    unit_of_all = ["journalctl", f"--unit={unit}.service", "--reverse", "--lines=200"]
    said = run_program([*unit_of_all, "--output=json", fields, "--no-pager"], _ASK_SECONDS)
    for line in str(said.stdout).splitlines():
        entry = json.loads(line)
        one = entry.get("_SYSTEMD_INVOCATION_ID") or entry.get("INVOCATION_ID")
        if one and one not in found:
            return [*found, str(one)]
    return found


def deployed_env(path: str) -> dict[str, str]:
    """Return what the bot's environment file gives it, nothing when there is no file."""
    content = look(path).content or b""
    return read_env(legible(content))


def deployed_port(env: dict[str, str], key: str, default: int) -> int:
    """Return the port that the environment file gives the bot."""
    text = env.get(key, "")
    return int(text) if re.fullmatch("[0-9]{1,5}", text) and int(text) < 2**16 else default


def health(host: str, port: int, path: str) -> int:
    """Return the status that the health route answers. Raises OSError when nobody does.

    All of it takes a few seconds at the most, even where a bot that was taken over says one letter
    after the other.
    """
    deadline = time.monotonic() + _ANSWER_SECONDS
    request = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n"
    said = b""
    with socket.create_connection((host, port), timeout=_ANSWER_SECONDS) as connection:
        connection.sendall(request.encode())
        while b"\n" not in said and len(said) < _MOST_BYTES:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("timed out")
            connection.settimeout(left)
            piece = connection.recv(_MOST_BYTES)
            if not piece:
                break
            said += piece
    # RFC 9112, section 4: the status line
    found = re.match(rb"HTTP/1\.[01] (\d{3})[ \r]", said)
    if not found:
        raise OSError("no HTTP answer")
    return int(found[1])
