# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a bot that answers is ready as well: its health page says so of each of its parts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .sanitize import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# what comes before the log of a bot that does not answer
LOG_OF_START = "The last lines of the bot's log since this start:"
# what comes before the cause that this log shows
LIKELY_CAUSE = "Likely cause: "


def unready_parts(page: bytes, places: Sequence[str]) -> list[str]:
    """Return the places of a health page at which it does not say true.

    places: keys of JSON, joined by dots; * stands for every key of a mapping. A place that is not
    there is not ready, and neither is a page that is no JSON.
    """
    try:
        document = json.loads(page)
    except (ValueError, RecursionError):
        return list(places)
    found = [
        name
        for place in places
        for name, value in _values(document, place.split("."), "")
        if value is not True
    ]
    return [printable(name) for name in dict.fromkeys(found)]


def _values(document: Any, steps: Sequence[str], way: str) -> Iterator[tuple[str, Any]]:
    if not steps:
        yield way, document
        return
    first, rest = steps[0], steps[1:]
    entries = document if isinstance(document, dict) else {}
    # a mapping of nothing says nothing
    names = list(entries) or ["*"] if first == "*" else [first]
    for name in names:
        yield from _values(entries.get(name), rest, f"{way}.{name}".lstrip("."))
