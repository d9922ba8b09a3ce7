# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directory beside the data directory where a backup is made, or restored data waits.

Root alone can enter it.
"""

from __future__ import annotations

import os
import secrets
import tempfile

from ..rules.problems import Refused
from . import system
from .beside_data import GOING, going, place_of
from .files import sync_directory
from .free_space import free_bytes
from .layout import DIRECTORY
from .left_processes import end_processes
from .root_places import refuse_places
from .tree_removal import remove_everything

_TRIES = 3


class StagingArea:
    """The directory for a backup or a restored data directory, which root alone can enter.

    It is on the file system of the data, so that two renames exchange the data directories.
    """

    def __init__(self, data_dir: str) -> None:
        self.data_dir = os.path.realpath(data_dir)
        self.parent = os.path.dirname(self.data_dir)
        self.path = place_of(self.data_dir)
        self.archive = os.path.join(self.path, "archive")
        self.data = os.path.join(self.path, "data")
        self.config = os.path.join(self.path, "config")
        self.former = os.path.join(self.path, "former")
        self.proof = os.path.join(self.path, "proof")

    def make(self) -> None:
        """Create it, empty."""
        refuse_places(data_dir=self.data_dir)
        self.remove()
        os.mkdir(self.path, 0o700)

    def remove(self) -> list[str]:
        """Remove it with everything in it, as ``discard`` does; absent is fine.

        Raises Refused if the former data is in it: a restore is neither verified nor reverted.
        """
        if os.path.lexists(self.former):
            raise Refused(
                f"{self.former} has the former data of a restore that was cut short. "
                "Fix: restore again, or run kai-ansible install or rollback"
            )
        return self.discard()

    def discard(self) -> list[str]:
        """Remove it with everything in it, the former data included, which is no longer needed.

        Returns the files that stay, with the reason: a running process may be quicker. That does no
        harm, and the next call removes it.
        """
        if not os.path.isdir(self.parent):
            return []
        try:
            refuse_places(data_dir=self.data_dir)
        except Refused:
            # nothing was ever made where other accounts can change it
            return []
        if os.path.lexists(self.path):
            os.rename(self.path, f"{self.path}{GOING}{secrets.token_hex(8)}")
        faults = {path: self._remove(path) for path in going(self.data_dir)}
        return [f"{path}: {fault}" for path, fault in faults.items() if fault]

    def _remove(self, path: str) -> str:
        """Remove a directory; return why it stays, empty when it is gone."""
        fault = ""
        for _attempt in range(_TRIES):
            for name in os.listdir(path):
                end_processes(os.path.join(path, name))
            with system.opened(self.parent, DIRECTORY) as parent:
                try:
                    remove_everything(parent, path, os.lstat(path).st_dev)
                    return ""
                except Refused as error:
                    fault = str(error)
                except OSError as error:
                    fault = error.strerror or type(error).__name__
        return fault

    def exchange(self) -> None:
        """Exchange the waiting data directory and the one in use."""
        os.rename(self.data_dir, self.former)
        os.rename(self.data, self.data_dir)
        self.sync()

    def exchange_back(self) -> None:
        """Undo ``exchange``, also one that was cut off, or a cut off call of this.

        Between the renames an install may have created an empty data directory.
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

    def free_bytes(self) -> int:
        """Return how many bytes are free on its file system."""
        return free_bytes(self.parent)
