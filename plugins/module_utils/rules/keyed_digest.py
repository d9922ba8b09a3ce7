# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare file contents without revealing them.

Each probe uses a new key, so the digest of the same content differs from probe to probe.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .file_state import FileState


def seal(content: bytes, key: str) -> bytes:
    """Return a keyed digest of a content, as hexadecimal digits."""
    return hmac.new(key.encode(), content, hashlib.sha256).hexdigest().encode()


def sealed(state: FileState, key: str) -> FileState:
    """Return the state of a file with a keyed digest in place of its content.

    Two states are equal if and only if the originals are, so the controller can compare them.
    """
    return state if state.content is None else replace(state, content=seal(state.content, key))
