# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a tar piece by piece, in bounded memory, of the kinds that a backup has."""

from __future__ import annotations

import hashlib
import tarfile
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Optional

BLOCK = 512
# a path in the first format, attributes, and two access lists
_LONGEST_HEADER = 1 << 20
PIECE = 1 << 20
_NUMBERS = ("uid", "gid", "size")
_DIGITS = 20


class Source(Protocol):
    """A source that can be read in pieces."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to so many bytes, none at the end."""


class Digesting:
    """The content of a source; ``digest`` and ``size`` are of the part read."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._digest = hashlib.sha256()
        self.size = 0

    @property
    def digest(self) -> str:
        """The SHA-256 of the part read so far."""
        return self._digest.hexdigest()

    def read(self, size: int = -1) -> bytes:
        """Return up to so many bytes, none at the end."""
        piece = self._source.read(size)
        self._digest.update(piece)
        self.size += len(piece)
        return piece

    def finish(self) -> None:
        """Read the rest."""
        while self.read(PIECE):
            pass


class TarStream:
    """The members of a tar, one after the other; ``read`` returns the content of the last one.

    Damage raises ValueError, EOFError or tarfile.HeaderError.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._left = 0
        self._padding = 0

    def next(self) -> Optional[tarfile.TarInfo]:
        """Return the next member, None at the end of the file."""
        block = self._header()
        if not any(block):
            if any(map(any, pieces_of(self._source))):
                raise ValueError("there is something behind its end")
            return None
        member = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        if member.type == tarfile.XHDTYPE:
            if not 0 <= member.size <= _LONGEST_HEADER:
                raise ValueError("a header is too long")
            records = pax_records(exactly(self._source, member.size))
            exactly(self._source, -member.size % BLOCK)
            member = tarfile.TarInfo.frombuf(self._header(), "utf-8", "surrogateescape")
            apply(member, records)
        self._left = member.size if member.isreg() else 0
        self._padding = -self._left % BLOCK
        return member

    def read(self, size: int = -1) -> bytes:
        """Return up to so many bytes of the content, none at its end."""
        piece = self._source.read(min(PIECE if size < 0 else size, self._left))
        if not piece and size and self._left:
            raise EOFError("it ends too early")
        self._left -= len(piece)
        return piece

    def _header(self) -> bytes:
        while self._left:
            self.read(PIECE)
        exactly(self._source, self._padding)
        self._padding = 0
        return exactly(self._source, BLOCK)


def exactly(source: Source, size: int) -> bytes:
    """Return so many bytes of a source. Raises EOFError where it has fewer."""
    found = b""
    while len(found) < size:
        piece = source.read(size - len(found))
        if not piece:
            raise EOFError("it ends too early")
        found += piece
    return found


def pieces_of(source: Source) -> Iterator[bytes]:
    """Return what is left of a source, piece by piece."""
    return iter(lambda: source.read(PIECE), b"")


def pax_records(text: bytes) -> dict[str, str]:
    """Return the records of an extended header by keyword. Raises ValueError."""
    found = {}
    position = 0
    while position < len(text):
        space = text.index(b" ", position, position + _DIGITS)
        end = position + int(text[position:space])
        if not space + 2 < end <= len(text) or text[end - 1 : end] != b"\n":
            raise ValueError("a header is damaged")
        keyword, sign, value = text[space + 1 : end - 1].partition(b"=")
        if not sign:
            raise ValueError("a header is damaged")
        found[keyword.decode("utf-8", "surrogateescape")] = value.decode("utf-8", "surrogateescape")
        position = end
    return found


def apply(member: tarfile.TarInfo, records: dict[str, str]) -> None:
    """Give a member the values of its extended header. Raises ValueError."""
    member.pax_headers = records
    member.name = records.get("path", member.name)
    member.linkname = records.get("linkpath", member.linkname)
    member.uname = records.get("uname", member.uname)
    member.gname = records.get("gname", member.gname)
    if member.isdir():
        member.name = member.name.rstrip("/")
    for keyword in _NUMBERS:
        text = records.get(keyword, "0")
        if not text.isdigit() or len(text) > _DIGITS:
            raise ValueError("a number in a header is damaged")
        if keyword in records:
            setattr(member, keyword, int(text))
