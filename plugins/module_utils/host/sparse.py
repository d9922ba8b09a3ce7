# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files with holes: where their data is, and reading just that."""

from __future__ import annotations

import errno
import os

from ..rules.sparse_map import Extents

PIECE = 1 << 20


def extents_of(descriptor: int, size: int) -> Extents:
    """Return where the data of an open file is, in its first ``size`` bytes.

    Raises TooManyHoles.
    """
    found = Extents(size)
    position = 0
    while position < size:
        try:
            start = os.lseek(descriptor, position, os.SEEK_DATA)
            position = min(os.lseek(descriptor, start, os.SEEK_HOLE), size)
        except OSError as error:
            # nothing but a hole is left, or the file became shorter
            if error.errno != errno.ENXIO:
                raise
            break
        if start < size:
            found.add(start, position - start)
    return found


class Reading:
    """The first bytes of an open file at its extents, for a reader.

    Data that is gone reads as zeros, and is counted in ``missing``; ``fault`` is the error, if any.
    """

    def __init__(self, descriptor: int, extents: Extents) -> None:
        self.missing = 0
        self.fault = ""
        self._descriptor = descriptor
        self._rest = iter(extents)
        self._position = self._end = 0

    def read(self, size: int = -1) -> bytes:
        """Return up to so many bytes, none at the end."""
        while self._position == self._end:
            following = next(self._rest, None)
            if following is None:
                return b""
            self._position, self._end = following
        wanted = min(PIECE if size < 0 else size, self._end - self._position)
        piece = b""
        try:
            if not self.fault:
                piece = os.pread(self._descriptor, wanted, self._position)
        except OSError as error:
            self.fault = str(error.strerror)
        if not piece:
            self.missing += wanted
            piece = bytes(wanted)
        self._position += len(piece)
        return piece
