# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The place beside the data directory where a backup is made, or restored data waits.

What lies in it lies below a directory that root alone can enter until it is whole.
"""

from __future__ import annotations

import os
import secrets
import tempfile

from . import planted
from .beside_data import GOING, going, place_of
from .left_processes import end_processes
from .mounts import mounts_below
from .removal import remove_everything
from .root_files import Refused, sync_directory
from .root_places import refuse_places
from .user_tree import DIRECTORY

_FORMER = "former"
_TRIES = 3


class Place:
    """Where a backup is made or a restored data directory waits: beside the data, root's alone.

    On the same file system, so that the one data directory takes the place of the other by renames.
    """

    def __init__(self, data_dir: str) -> None:
        self.data_dir = os.path.realpath(data_dir)
        self.parent = os.path.dirname(self.data_dir)
        self.path = place_of(self.data_dir)
        self.archive = os.path.join(self.path, "archive")
        self.data = os.path.join(self.path, "data")
        self.config = os.path.join(self.path, "config")
        self.former = os.path.join(self.path, _FORMER)
        self.proof = os.path.join(self.path, "proof")

    def make(self) -> None:
        """Make it anew, empty."""
        refuse_places(data_dir=self.data_dir)
        self.remove()
        os.mkdir(self.path, 0o700)

    def remove(self) -> list[str]:
        """Remove it with everything in it, as ``discard`` does; absent is fine.

        Raises Refused when the former data lies there: a restore is neither proven nor taken back.
        """
        if os.path.lexists(self.former):
            raise Refused(
                f"{self.former} has the former data of a restore that was cut short. "
                "Restore again, or run kai-ansible install or rollback"
            )
        return self.discard()

    def discard(self) -> list[str]:
        """Remove it with everything in it, the former data included, which nobody needs.

        Returns what stays and why, as whoever still works there may be quicker. That is in nobody's
        way, and the next call removes it.
        """
        if not os.path.isdir(self.parent):
            return []
        try:
            refuse_places(data_dir=self.data_dir)
        except Refused:
            # nothing was ever made where others can change what lies there
            return []
        if os.path.lexists(self.path):
            os.rename(self.path, f"{self.path}{GOING}{secrets.token_hex(8)}")
        faults = {path: self._remove(path) for path in going(self.data_dir)}
        return [f"{path}: {fault}" for path, fault in faults.items() if fault]

    def _remove(self, path: str) -> str:
        """Remove a directory; return why that does not work, empty when it does."""
        fault = ""
        for _attempt in range(_TRIES):
            for name in os.listdir(path):
                end_processes(os.path.join(path, name))
            parent = os.open(self.parent, DIRECTORY)
            try:
                remove_everything(parent, path, os.lstat(path).st_dev)
                return ""
            except planted.Refused as error:
                fault = str(error)
            except OSError as error:
                fault = error.strerror or type(error).__name__
            finally:
                os.close(parent)
        return fault

    def exchange(self) -> None:
        """Put the waiting data directory into its place, and the former one into this."""
        os.rename(self.data_dir, self.former)
        os.rename(self.data, self.data_dir)
        self.sync()

    def exchange_back(self) -> None:
        """Undo ``exchange``, also one that was cut off, or a cut off call of this.

        Between the renames an install may have laid an empty data directory out anew.
        """
        if os.path.lexists(self.former):
            if os.path.lexists(self.data_dir):
                os.rename(self.data_dir, tempfile.mkdtemp(dir=self.path))
            os.rename(self.former, self.data_dir)
            self.sync()

    def sync(self) -> None:
        """Write the renames through to the disk."""
        sync_directory(self.path)
        sync_directory(self.parent)

    def mounts(self) -> list[str]:
        """Return what is mounted at the data directory or below it, which no rename takes along."""
        return mounts_below(self.data_dir)

    def room(self) -> int:
        """Return how many bytes are free where it lies."""
        status = os.statvfs(self.parent)
        return status.f_bavail * status.f_frsize
