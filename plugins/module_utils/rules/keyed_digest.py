# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare contents without revealing them.

A key is made for each look, so the same content has another seal the next time.
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
    """Return the state of a file with its content sealed; equal states stay equal, and no others.

    So what tells whether an install has to write a file, ``==``, tells it from afar as well.
    """
    return state if state.content is None else replace(state, content=seal(state.content, key))
