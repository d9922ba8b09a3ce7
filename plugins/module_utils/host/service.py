# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bot as its own files and its health route show it."""

from __future__ import annotations

import itertools
import os
import re
import socket
import time
from typing import TYPE_CHECKING

from ..rules.documents import legible
from ..rules.env_file import read_env
from .files import look
from .system import opened

if TYPE_CHECKING:
    from collections.abc import Mapping

_ANSWER_SECONDS = 5
MOST_TURNS = 1000
_MOST_BYTES = 4096
_MOST_PAGE = 65536


def turns_in(directory: str) -> int | None:
    """Return how many users the bot is answering, or was when it ended; None when unknown.

    The bot can put anything in the place of its directory, so this follows no link and stops at
    MOST_TURNS.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    try:
        with opened(directory, flags) as descriptor, os.scandir(descriptor) as entries:
            return sum(1 for _entry in itertools.islice(entries, MOST_TURNS))
    except FileNotFoundError:
        return 0
    except OSError:
        return None


def deployed_env(path: str) -> dict[str, str]:
    """Return the variables of the bot's environment file, nothing without a file."""
    content = look(path).content or b""
    return read_env(legible(content))


def deployed_port(env: Mapping[str, str], key: str, default: int) -> int:
    """Return the port that the environment file gives the bot."""
    text = env.get(key, "")
    return int(text) if re.fullmatch("[0-9]{1,5}", text) and int(text) < 2**16 else default


def health(host: str, port: int, path: str) -> int:
    """Return the status that the health route answers. Raises OSError without an answer."""
    return health_page(host, port, path, _MOST_BYTES)[0]


def health_page(host: str, port: int, path: str, most: int = _MOST_PAGE) -> tuple[int, bytes]:
    """Return the status that the health route answers, and its body, as far as it was read.

    most: bytes of the answer; _MOST_BYTES ends behind the first line. Raises OSError without an
    answer. It takes a few seconds at most, even where a compromised bot sends one byte at a time.
    """
    deadline = time.monotonic() + _ANSWER_SECONDS
    request = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n"
    said = b""
    with socket.create_connection((host, port), timeout=_ANSWER_SECONDS) as connection:
        connection.sendall(request.encode())
        while (b"\n" not in said or most > _MOST_BYTES) and len(said) < most:
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
    return int(found[1]), said.partition(b"\r\n\r\n")[2]
