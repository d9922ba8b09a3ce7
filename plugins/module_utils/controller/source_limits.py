# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much a source may hold, and files that are read no further than that."""

from __future__ import annotations

import io
import os
import stat
from typing import IO

from ..rules.problems import Refused

# Kai has some hundred files and few MiB
MOST_FILES = 20_000
MOST_BYTES = 128 << 20
# a tar archive has headers and padding as well
MOST_UNPACKED = MOST_BYTES + MOST_FILES * 2048
MOST_READS = MOST_FILES * 10
PIECE = 1 << 20


class Allowance:
    """The remaining limits of reading a source."""

    def __init__(self, source: str, most: int = MOST_BYTES) -> None:
        self.source = source
        self.files = MOST_FILES
        self.bytes = most

    def take(self, size: int) -> None:
        """Count one more file of a size. Raises Refused when that is too much."""
        self.files -= 1
        self.bytes -= size
        if self.files < 0 or self.bytes < 0:
            raise too_much(self.source)


def too_much(source: str) -> Refused:
    """Return the refusal of a source that holds too much."""
    return Refused(
        f"{source}: found more than {MOST_FILES} files or {MOST_BYTES >> 20} MiB, expected Kai's "
        f"code alone. Fix: name a source of that, or the files of a directory in "
        f"kai_install_source_files"
    )


def content_of(path: str, allowance: Allowance, top: str = "") -> tuple[bytes, bool]:
    """Return the content of a file, and whether it is executable.

    top: a directory above it, from which no link may lead to it, not even for a moment.
    Raises Refused when it holds too much or is no file, and OSError, such as ELOOP for a link.
    """
    # a named pipe in the place of a file would wait for a writer
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(top or path, flags)
    for part in os.path.relpath(path, top).split("/") if top else ():
        above = descriptor
        try:
            descriptor = os.open(part, flags | os.O_NOFOLLOW, dir_fd=above)
        finally:
            os.close(above)
    with open(descriptor, "rb") as handle:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise Refused(f"{path} is not a file. Fix: remove it there, or name another source")
        allowance.take(status.st_size)
        content = handle.read(status.st_size + 1)
        if len(content) > status.st_size:
            raise Refused(f"{path} grew while it was read. Fix: run it again")
        return content, bool(status.st_mode & 0o100)


class Bounded(io.RawIOBase):
    """A file of which no piece is larger than ``piece`` and nothing lies beyond ``most``.

    What reads archives asks for as much as their headers say, and keeps a list of what these say
    of a sparse file. Raises Refused when that is more.
    """

    def __init__(self, file: IO[bytes], source: str, piece: int, most: int) -> None:
        self.file, self.source, self.piece, self.most = file, source, piece, most
        self.reads = 0

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        if size > self.piece:
            raise Refused(
                f"{self.source}: found a header of {size} bytes, expected at most {self.piece}. "
                f"Fix: get the archive again, from a place that you trust"
            )
        self.reads += 1
        if self.reads > MOST_READS or self.file.tell() > self.most:
            raise too_much(self.source)
        return self.file.read(self.piece if size < 0 else size)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place, which for compressed files takes reading as far."""
        if whence == os.SEEK_SET and offset > self.most:
            raise too_much(self.source)
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        """Return the position in the file."""
        return self.file.tell()

    def readable(self) -> bool:
        """Return True: archive readers ask for this."""
        return True

    def seekable(self) -> bool:
        """Return True: archive readers need to seek."""
        return True

    def close(self) -> None:
        """Close the file as well."""
        self.file.close()
        super().close()
