# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removing directories that other accounts may have filled."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shlex
import stat
from typing import TYPE_CHECKING

from ..rules.data_limits import DEEPEST, REMOVE_SECONDS
from ..rules.problems import Problem, Refused
from ..rules.sanitize import printable_path
from .system import opened
from .tree_walk import DIRECTORY, Walk

if TYPE_CHECKING:
    from .tree_walk import Level

_LONGEST_FIX = 1000


def remove_everything(parent: int, place: str, device: int) -> None:
    """Remove the file, link or directory at a place of one file system, and follow no link.

    Root alone can write into a directory while it is being emptied.
    Raises Refused when something stays, after everything else is gone.
    """
    name = os.path.basename(place)
    try:
        descriptor = os.open(name, DIRECTORY, dir_fd=parent)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENOTDIR):
            raise
        os.unlink(name, dir_fd=parent)
        return
    try:
        removing = _Removing(descriptor, place, device)
        removing.run()
    finally:
        os.close(descriptor)
    if removing.problem:
        raise Refused(removing.problem)
    os.rmdir(name, dir_fd=parent)


def remove_filled(path: str) -> None:
    """Remove a file, a link or a directory of root's that other accounts have filled, if it exists.

    However deep it is: shutil.rmtree ends at the limit of Python's recursion. Raises Refused when
    something stays, and OSError.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY
    with contextlib.suppress(FileNotFoundError), opened(os.path.dirname(path), flags) as above:
        remove_everything(above, path, os.fstat(above).st_dev)


class _Removing(Walk):
    """Emptying a directory; ``problem`` is the first one."""

    def __init__(self, root: int, place: str, device: int) -> None:
        super().__init__(root, place, REMOVE_SECONDS)
        self.problem: Problem | None = None
        # move a directory that is too deep to the root, under a random name
        self.hoisted = 0
        self.prefix = f".kai-ansible-{secrets.token_hex(8)}-"
        if device != self.device:
            self.foreign(b"")

    def run(self) -> None:
        """Empty it."""
        if self.problem:
            return
        self.close_to_others(self.root)
        super().run()
        done = 0
        while self.hoisted > done and not self.problem:
            done = self.hoisted
            self.begin()
            super().run()

    def close_to_others(self, descriptor: int) -> None:
        """Let root alone write into an open directory."""
        os.chown(descriptor, 0, 0)
        os.chmod(descriptor, 0o700)

    def entry(self, name: bytes) -> bool:
        """Remove the file of a name in ``here``, but not a directory."""
        status = os.stat(name, dir_fd=self.here, follow_symlinks=False)
        if not stat.S_ISDIR(status.st_mode):
            os.unlink(name, dir_fd=self.here)
            return False
        if len(self.levels) < DEEPEST - 1:
            return True
        self.hoisted += 1
        os.rename(name, f"{self.prefix}{self.hoisted}", src_dir_fd=self.here, dst_dir_fd=self.root)
        return False

    def entered(self, _level: Level, _status: os.stat_result, descriptor: int) -> None:
        """Begin with a directory."""
        self.close_to_others(descriptor)

    def after(self, level: Level) -> None:
        """Remove a directory that is empty by now, unless something in it stays."""
        if self.problem:
            with contextlib.suppress(OSError):
                os.rmdir(level.name, dir_fd=self.here)
        else:
            os.rmdir(level.name, dir_fd=self.here)

    def foreign(self, name: bytes) -> None:
        """Leave a mount."""
        self.problem = self.problem or problem_of_mount(self.path_of(name))

    def fault(self, name: bytes, why: str) -> None:
        """Leave a file that cannot be removed."""
        path, found = self.path_of(name), f"a file that cannot be removed ({why})"
        self.problem = self.problem or _problem(path, found, "nothing", "rm -r")


def problem_of_mount(path: bytes) -> Problem:
    """Return why a directory with a mount in it cannot be removed."""
    return _problem(path, "another file system", "none", "umount")


def _problem(path: bytes, found: str, expected: str, command: str) -> Problem:
    fix = f"{command} {shlex.quote(os.fsdecode(path))}"
    if len(fix) > _LONGEST_FIX:
        fix = f"{command} it"
    return Problem(printable_path(path), found, expected, fix)
