# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names by which Kai 2.1 mentions its users: made from display names, and each once.

Read in a single file of 2.1, of which no whole tree was at hand.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from .problems import Problem, listed

if TYPE_CHECKING:
    from collections.abc import Sequence

KAI = "kai"
_LONGEST = 32


def handle_of(display_name: str) -> str | None:
    """Return the handle of a user, None where none can be made of the name."""
    plain = unicodedata.normalize("NFKD", display_name.strip()).encode("ascii", "ignore").decode()
    handle = re.sub(r"[^a-z0-9]+", "_", plain.casefold()).strip("_")
    if handle and not handle[0].isalpha():
        handle = f"human_{handle}"
    return handle[:_LONGEST].rstrip("_") or None


def handle_problems(users: Sequence[tuple[str, str]]) -> list[Problem]:
    """Return the problems of users who cannot be told apart by their handles.

    users: the place of each in the configuration, and the display name.
    """
    found = []
    by_handle: dict[str, list[str]] = {KAI: ["Kai itself"]}
    for where, name in users:
        handle = handle_of(name)
        if handle is None:
            fix = "write it with letters of the Latin alphabet"
            found.append(Problem(f"{where}.name", repr(name), "a name that makes a handle", fix))
            continue
        others = by_handle.setdefault(handle, [])
        if others:
            found.append(
                Problem(
                    f"{where}.name",
                    f"{name!r}, which makes the handle {handle} like {listed(others)}",
                    "a name of its own for each",
                    "add something that tells the users apart",
                )
            )
        others.append(name)
    return found
