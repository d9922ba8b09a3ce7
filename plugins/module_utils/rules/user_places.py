# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths that a user's identifiers are part of, which follow from the random id of the workshop.

Until that is known such a path has a mark in its place. The host reads the id from the database of
the bot, so marks are replaced there as well as on the controller.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .principal_ids import channel_of_telegram, is_id, principal_of_telegram

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .module_arguments import Place

_MARK = re.compile(r"\{(principal|channel):([0-9]+)\}")
_IDS = {"principal": principal_of_telegram, "channel": channel_of_telegram}


def marks(telegram_id: int) -> dict[str, str]:
    """Return the marks of a user, by the name that a contract has in braces."""
    return {name: f"{{{name}:{telegram_id}}}" for name in _IDS}


def is_marked(path: str) -> bool:
    """Return whether a path cannot be told yet."""
    return _MARK.search(path) is not None


def placed(path: str, workshop: str | None) -> str | None:
    """Return a path without marks, None where its workshop is not known."""
    if not is_marked(path):
        return path
    if not is_id("wsp", workshop):
        return None
    return _MARK.sub(lambda mark: _IDS[mark[1]](str(workshop), int(mark[2])), path)


def known_places(entries: Iterable[Place], workshop: str | None) -> list[Place]:
    """Return the entries whose path is known, without marks."""
    found = [(entry, placed(entry["path"], workshop)) for entry in entries]
    return [{**entry, "path": path} for entry, path in found if path is not None]
