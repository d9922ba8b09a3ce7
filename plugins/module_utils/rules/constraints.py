# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of constraints for pip, with and without hashes.

The rules are those of pip's requirements file format.
"""

from __future__ import annotations

import re

_CONTINUED = re.compile(r"\\\r?\n")
_COMMENT = re.compile(r"(^|\s+)#.*$")
_HASH = re.compile(r"\s--hash[ =]\s*\S+")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def entries_of(text: str) -> list[str]:
    """Return the entries of a file of constraints, each on one line, without comments."""
    lines = [_COMMENT.sub("", line).strip() for line in _CONTINUED.sub(" ", text).splitlines()]
    return [line for line in lines if line]


def hashed_entries(text: str) -> dict[str, list[str]]:
    """Return the entries that have hashes, by the normalized name of the package."""
    found: dict[str, list[str]] = {}
    for entry in entries_of(text):
        name = _NAME.match(entry)
        if name and _HASH.search(entry):
            found.setdefault(normalized(name[0]), []).append(entry)
    return found


def without_hashes(text: str) -> str:
    """Return the same constraints without their hashes."""
    return "".join(f"{_HASH.sub('', entry)}\n" for entry in entries_of(text))


def normalized(name: str) -> str:
    """Return the name under which all spellings of a package are one."""
    return re.sub(r"[-_.]+", "-", name).lower()
