# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup on the controller: decrypted as it is read, never on the disk. Needs pyrage."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING

from ..rules.backup_archive import BadArchive
from ..rules.tar_stream import Digesting

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Part:
    """A part of an open file, for a reader."""

    def __init__(self, handle: IO[bytes], length: int | None) -> None:
        self._handle = handle
        self._left = length

    def read(self, size: int = -1) -> bytes:
        if self._left is not None:
            size = self._left if size < 0 else min(size, self._left)
        piece = self._handle.read(size)
        if self._left is not None:
            self._left -= len(piece)
        return piece


@contextmanager
def decrypted(
    path: str, identity: str, offset: int = 0, length: int | None = None
) -> Iterator[Digesting]:
    """Open a backup, or the part of a file that is one; its end authenticates the whole content.

    identity: the age identity that opens it, as text.
    Raises BadArchive when it cannot be decrypted to where it was read, ImportError without pyrage,
    OSError when the file cannot be read.
    """
    import pyrage

    try:
        known = pyrage.x25519.Identity.from_str(identity.strip())
    except pyrage.IdentityError as error:
        raise BadArchive("its key is not a valid age identity") from error
    broken: list[Exception] = []
    reading, writing = os.pipe()

    def work() -> None:
        # a reader that has seen enough closes its end
        with suppress(BrokenPipeError), os.fdopen(writing, "wb", buffering=0) as target:
            try:
                pyrage.decrypt_io(_Part(handle, length), target, [known])
            except BrokenPipeError:
                return
            except (OSError, pyrage.DecryptError) as error:
                broken.append(error)

    with open(path, "rb") as handle, os.fdopen(reading, "rb") as end:
        handle.seek(offset)
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        try:
            yield Digesting(end)
        except BadArchive as error:
            # report a backup that was cut off as that
            if broken:
                raise _decryption_error(broken[0]) from error
            raise
        finally:
            end.close()
            thread.join()
    if broken:
        raise _decryption_error(broken[0])


def _decryption_error(error: Exception) -> BadArchive:
    return BadArchive(
        f"it cannot be decrypted: it was cut off, changed, or encrypted to another key ({error})"
    )
