# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bot as systemd and its health route show it."""

from __future__ import annotations

import http.client
import subprocess

from .env_file import read_env
from .root_files import Refused, look

_ASK_SECONDS = 20
_ACT_SECONDS = 180
_ANSWER_SECONDS = 5
_PROPERTIES = (
    "ActiveState",
    "ActiveExitTimestampMonotonic",
    "ControlGroup",
    "InvocationID",
    "MainPID",
    "NRestarts",
    "UnitFileState",
)


def unit_state(unit: str) -> dict[str, str]:
    """Return what systemd knows about a unit, by property; an unknown unit is inactive."""
    run = subprocess.run(
        ["systemctl", "show", f"{unit}.service", "--property=" + ",".join(_PROPERTIES)],
        capture_output=True,
        text=True,
        check=False,
        timeout=_ASK_SECONDS,
    )
    return dict(line.split("=", 1) for line in run.stdout.splitlines() if "=" in line)


def is_active(state: dict[str, str]) -> bool:
    """Return whether a unit runs, or is between two attempts to."""
    return state.get("ActiveState") in ("active", "activating", "reloading")


def is_enabled(state: dict[str, str]) -> bool:
    """Return whether a unit starts at boot."""
    return state.get("UnitFileState") == "enabled"


def systemctl(*arguments: str) -> None:
    """Ask systemd to do something. Raises Refused with its words when it does not."""
    command = ["systemctl", *arguments]
    try:
        run = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_ACT_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise Refused(f"{' '.join(command)} did not end within {_ACT_SECONDS} s") from error
    if run.returncode != 0:
        raise Refused(f"{' '.join(command)} failed: {run.stderr.strip()}")


def deployed_env(path: str) -> dict[str, str]:
    """Return what the bot's environment file gives it, nothing when there is no file."""
    content = look(path).content or b""
    return read_env(content.decode("utf-8", "surrogateescape"))


def deployed_port(env: dict[str, str], key: str, default: int) -> int:
    """Return the port that the environment file gives the bot."""
    text = env.get(key, "")
    return int(text) if text.isdecimal() else default


def health(host: str, port: int, path: str) -> int:
    """Return the status that the health route answers. Raises OSError when nobody does."""
    connection = http.client.HTTPConnection(host, port, timeout=_ANSWER_SECONDS)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except http.client.HTTPException as error:
        raise OSError(f"no HTTP answer: {error}") from error
    finally:
        connection.close()
