# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How GNU tar writes where the data of a file with holes is (PAX, sparse format 1.0)."""

from __future__ import annotations

import errno
from array import array
from typing import TYPE_CHECKING, Callable

from .data_limits import MOST_EXTENTS, SMALLEST_HOLE

if TYPE_CHECKING:
    from typing import Any

MAJOR = "GNU.sparse.major"
MINOR = "GNU.sparse.minor"
NAME = "GNU.sparse.name"
SIZE = "GNU.sparse.realsize"
_BLOCK = 512
_DIGITS = 19


class TooManyHoles(OSError):
    """A file with more parts than are kept."""


def headers(name: str, size: int) -> dict[str, str]:
    """Return the headers of a file of ``size`` bytes of which the content begins with a map."""
    return {MAJOR: "1", MINOR: "0", NAME: name, SIZE: str(size)}


class Extents:
    """Parts of a file of ``size`` bytes that hold data, in their order; the rest is holes."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._starts = array("q")
        self._ends = array("q")

    def __iter__(self) -> Any:
        return zip(self._starts, self._ends)

    @property
    def stored(self) -> int:
        """How many bytes they have."""
        return sum(self._ends) - sum(self._starts)

    def add(self, start: int, length: int) -> None:
        """Add a part behind the others; one that follows closely becomes one with the last."""
        if self._ends and start - self._ends[-1] < SMALLEST_HOLE:
            self._ends[-1] = start + length
            return
        if len(self._starts) == MOST_EXTENTS:
            raise TooManyHoles(errno.EFBIG, f"more than {MOST_EXTENTS} parts between holes")
        self._starts.append(start)
        self._ends.append(start + length)

    def as_map(self) -> bytes:
        """Return the text that describes them."""
        numbers = [len(self._starts) + 1]
        for start, end in self:
            numbers += [start, end - start]
        # GNU tar ends a file with a hole by it
        numbers += [self.size, 0]
        text = b"".join(b"%d\n" % number for number in numbers)
        return text + bytes(-len(text) % _BLOCK)


def read_map(read: Callable[[int], bytes], size: int, stored: int) -> Extents:
    """Return what ``as_map`` wrote, for a file of ``size`` bytes.

    read: returns exactly so many bytes of the text. stored: how many bytes the text and the data
    have. Raises ValueError for anything else.
    """
    text, used = b"", 0

    def number() -> int:
        nonlocal text, used
        while b"\n" not in text[: _DIGITS + 1]:
            if len(text) > _DIGITS or used >= stored:
                raise ValueError("a map of holes is damaged")
            text += read(_BLOCK)
            used += _BLOCK
        digits, _end, text = text.partition(b"\n")
        if not digits.isdigit():
            raise ValueError("a map of holes is damaged")
        return int(digits)

    found = Extents(size)
    end = data = 0
    for _part in range(number()):
        start, length = number(), number()
        if start < end or start + length > size:
            raise ValueError("a map of holes leads out of its file")
        end = start + length
        data += length
        if length:
            found.add(start, length)
    if found.stored != data or used + data != stored:
        raise ValueError("a map of holes is not that of its file")
    return found
