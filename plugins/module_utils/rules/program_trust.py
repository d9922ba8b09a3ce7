# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the accounts that gain power over another account through a program that they can change."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .probe import Changer

_UNKNOWN = "unknown accounts"
_MOST_PLACES = 5


def harmful(
    found: Iterable[Changer], runners: Iterable[str], untrusted: Iterable[str]
) -> list[Changer]:
    """Return those of the ``changers`` through whom an account gains power over another one.

    An account that changes what only itself runs gains nothing. What could not be seen counts.

    runners: the accounts that run the program. untrusted: the accounts that an agent or the bot
    runs as; what others can change, an administrator may well want.
    """
    runs, suspects = list(runners), list(untrusted)
    return [
        entry
        for entry in found
        if entry["everybody"]
        or entry.get("unseen")
        or any(
            account != runner
            for account in suspects
            if account in entry["accounts"]
            for runner in runs
        )
    ]


def in_words(*found: Changer) -> str:
    """Return the ``changers`` for a sentence, each with the places that let them."""
    places: dict[str, list[str]] = {}
    for entry in found:
        if entry.get("unseen"):
            places.setdefault(_UNKNOWN, []).append(f"{entry['path']}: {entry['unseen']}")
            continue
        for who in ["everybody"] if entry["everybody"] else entry["accounts"]:
            places.setdefault(who, []).append(entry["path"])
    return " and ".join(f"{who} (through {_list(paths)})" for who, paths in places.items())


def _list(paths: list[str]) -> str:
    more = [f"{len(paths) - _MOST_PLACES} more"] if len(paths) > _MOST_PLACES else []
    return ", ".join([*paths[:_MOST_PLACES], *more])
