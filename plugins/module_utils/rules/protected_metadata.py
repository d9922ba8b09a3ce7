# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Kai 2 demands of a file in its configuration directory before it reads it."""

from __future__ import annotations

from .problems import Problem

MOST = 0o600
# the service user itself reads it
MOST_OF_REGISTRY = 0o644


def metadata_problem(
    path: str, mode: int, uid: int, *, is_regular: bool = True, most: int = MOST
) -> Problem | None:
    """Return why Kai does not start with a protected file, or None when it does.

    mode: its permissions. most: the bits that it may have. Which group it has does not matter.
    """
    fix = "kai-ansible install brings back its owner and mode"
    if not is_regular:
        return Problem(path, "no regular file", "a regular file", f"move it away; {fix}")
    if mode & 0o7777 & ~most:
        return Problem(path, f"mode {mode & 0o7777:04o}", f"mode {most:04o} or less", fix)
    if uid != 0:
        return Problem(path, f"the owner {uid}", "the owner root", fix)
    return None
