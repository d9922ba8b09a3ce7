# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading YAML and JSON of others, of which no part may contain itself or have no end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

DEEPEST = 50
# an alias counts as often as it is used
MOST_PARTS = 200_000
# Python writes no number as text that has many more
_MOST_BITS = 10_000


class NotATree(ValueError):
    """Text that holds no data that could be worked with; the message says why."""


def read_tree(
    parse: Callable[[str], Any], text: str, own: type[Exception], most_parts: int = MOST_PARTS
) -> Any:
    """Return what a parser makes of a text.

    own: the error with which the parser tells what is wrong with the text; it passes. Everything
    else that a parser does with an odd text raises NotATree.
    """
    try:
        value = parse(text)
    except (own, NotATree):
        raise
    except RecursionError as error:
        raise NotATree("it is nested too deeply") from error
    except (ValueError, LookupError, AttributeError, TypeError) as error:
        # PyYAML converts dates, numbers and !!tags without looking; its words may quote a secret
        raise NotATree("it holds a value that is not of its type") from error
    _expect_tree(value, most_parts)
    return value


def _expect_tree(value: Any, most_parts: int) -> None:
    """Raise NotATree for data that is no tree of a reasonable size."""
    parts = 0
    rest = [(value, 0)]
    while rest:
        item, depth = rest.pop()
        parts += 1
        if depth > DEEPEST:
            raise NotATree("it is nested too deeply, or contains itself")
        if parts > most_parts:
            raise NotATree("it is too large")
        if isinstance(item, int) and item.bit_length() > _MOST_BITS:
            raise NotATree("it holds a number that is too large")
        if isinstance(item, dict):
            inner = [*item, *item.values()]
        else:
            inner = list(item) if isinstance(item, (list, tuple, set)) else []
        rest += [(one, depth + 1) for one in inner]
