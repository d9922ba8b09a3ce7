# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths that a user's identifiers are part of, which only the database of the bot tells.

Those of a Telegram user follow from the random id of the workshop. Those of any other user are
found there by the runtime profile. Until they are known such a path has a mark in their place. The
host reads the database, so marks are replaced there as well as on the controller.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Mapping, Union

from .principal_ids import channel_of_telegram, is_id, principal_of_telegram

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .module_arguments import Place
    from .probe import WorkshopSeen

# how a user is known before the database is: the Telegram ID, or the runtime profile
UserKey = Union[int, str]
_MARK = re.compile(r"\{(?P<name>principal|channel):(?P<key>[0-9]+|rtp_[0-9a-f]{32})\}")
_OF_TELEGRAM = {"principal": principal_of_telegram, "channel": channel_of_telegram}


def marks(key: UserKey) -> dict[str, str]:
    """Return the marks of a user, by the name that a contract has in braces."""
    return {name: f"{{{name}:{key}}}" for name in _OF_TELEGRAM}


def is_marked(path: str) -> bool:
    """Return whether a path cannot be told yet."""
    return _MARK.search(path) is not None


def placed(path: str, seen: WorkshopSeen | None) -> str | None:
    """Return a path without marks, None where what the marks stand for is not known.

    seen: what the database says.
    """
    found = {mark[0]: _id_of(mark, seen) for mark in _MARK.finditer(path)}
    for mark, known in found.items():
        if known is None:
            return None
        path = path.replace(mark, known)
    return path


def _id_of(mark: re.Match[str], seen: WorkshopSeen | None) -> str | None:
    name, key = mark["name"], mark["key"]
    if not key.isdigit():
        owner: Mapping[str, Any] = (seen["owners"].get(key) if seen else None) or {}
        return owner.get(name)
    workshop = seen["id"] if seen else None
    return _OF_TELEGRAM[name](str(workshop), int(key)) if is_id("wsp", workshop) else None


def known_places(entries: Iterable[Place], seen: WorkshopSeen | None) -> list[Place]:
    """Return the entries whose path is known, without marks.

    A path with a channel is one for each channel of the user, unless it is another user's as well.
    """
    asked = [(entry, placed(entry["path"], seen)) for entry in entries]
    taken = {path for _entry, path in asked}
    found: list[Place] = []
    for entry, path in asked:
        more = _of_other_channels(entry["path"], seen)
        others: list[str] = [one for one in more if one not in taken]
        taken.update(others)
        found += [_at(entry, one) for one in (path, *others) if one is not None]
    return found


def _at(entry: Place, path: str) -> Place:
    return {**entry, "path": path}


def _of_other_channels(path: str, seen: WorkshopSeen | None) -> list[str]:
    """Return what a path with a channel is for every channel that is the user's alone."""
    mark = next((one for one in _MARK.finditer(path) if one["name"] == "channel"), None)
    if mark is None or seen is None:
        return []
    principal = placed(f"{{principal:{mark['key']}}}", seen)
    owners = seen["owners"].values()
    foreign = {
        one for owner in owners if owner["principal"] != principal for one in owner["channels"]
    }
    channels = [
        channel
        for owner in owners
        if owner["principal"] == principal
        for channel in owner["channels"]
        if channel not in foreign
    ]
    found = [placed(path.replace(mark[0], channel), seen) for channel in channels]
    return [one for one in found if one is not None]
