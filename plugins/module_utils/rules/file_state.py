# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is, or should be, at a path."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .problems import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .module_arguments import FileData


@dataclass(frozen=True)
class FileState:
    """What is, or should be, at a path.

    content: the bytes of a regular file, None when nothing is there; then the rest is 0.
    """

    path: str
    content: bytes | None
    mode: int = 0
    uid: int = 0
    gid: int = 0


def wanted_states(
    entries: Iterable[FileData], secret_contents: Mapping[str, str]
) -> list[FileState]:
    """Return the states of files as an install wants them; root owns each.

    entries, secret_contents: as the options files and secret_contents of kai_switch have them.
    Raises Refused for a file without a text.
    """
    states = []
    for entry in entries:
        if entry.get("absent", False):
            states.append(FileState(entry["path"], None))
            continue
        text = entry.get("content")
        if text is None:
            text = secret_contents.get(entry["path"])
        if text is None:
            raise Refused(f"{entry['path']} has no text in files or secret_contents")
        if entry.get("given", True):
            states.append(FileState(entry["path"], text.encode(), int(entry["mode"], 8)))
    return states


def seal(content: bytes, key: str) -> bytes:
    """Return a keyed digest of a content, as hexadecimal digits, which does not reveal it.

    Each probe uses a new key, so the digest of the same content differs from probe to probe.
    """
    return hmac.new(key.encode(), content, hashlib.sha256).hexdigest().encode()


def sealed(state: FileState, key: str) -> FileState:
    """Return the state of a file with a keyed digest in place of its content.

    Two states are equal if and only if the originals are, so the controller can compare them.
    """
    return state if state.content is None else replace(state, content=seal(state.content, key))
