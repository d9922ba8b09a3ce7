# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Walking through a directory that others may change at any moment.

A walk opens nothing through a link, needs two descriptors however deep it goes, and holds a bounded
number of names however many there are. It visits the entries of a directory in the order of their
bytes.
"""

from __future__ import annotations

import abc
import heapq
import itertools
import os
import time
from typing import TYPE_CHECKING, Tuple

from ..rules.data_limits import DEEPEST, FAIR_LEVELS, MOST_NAMES
from .system import mount_of, mounts_below

if TYPE_CHECKING:
    from typing import Optional

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
Identity = Tuple[int, int]
_BATCH = MOST_NAMES // 2


class Level:
    """A directory between the root of a walk and its current one.

    name: in its parent. label: for the subclass. deadline: until when it may be walked.
    """

    __slots__ = ("deadline", "identity", "label", "last", "more", "name", "names")

    def __init__(self, name: bytes, identity: Identity, deadline: float) -> None:
        self.name = name
        self.identity = identity
        self.deadline = deadline
        self.label = ""
        # the names that come next, the last first; and whether there are more behind them
        self.names: list[bytes] = []
        self.more = True
        self.last = b""


class Walk(abc.ABC):
    """One walk; a subclass defines the handling of entries.

    root: an open directory, which stays open. path: its own, without links. seconds: how long the
    walk may take.
    """

    def __init__(self, root: int, path: str, seconds: float) -> None:
        self.root = root
        self.path = os.fsencode(path)
        self.identity = identity_of(os.fstat(root))
        self.device = self.identity[0]
        self.mount = mount_of(root)
        self.mounts = {os.fsencode(point) for point in mounts_below(path)}
        self.deadline = time.monotonic() + seconds
        self.here = -1
        self.levels: list[Level] = []
        self._held = 0
        self._late: Optional[float] = None
        self.begin()

    def begin(self) -> None:
        """Be at the root, before its first entry."""
        self.levels = [Level(b"", self.identity, self.deadline)]

    @abc.abstractmethod
    def entry(self, name: bytes) -> bool:
        """Handle an entry of ``here``, and return whether it is a directory to go into.

        FileNotFoundError counts as gone, another OSError goes to ``fault``.
        """

    # these two may have nothing to do
    def entered(  # noqa: B027
        self, _level: Level, _status: os.stat_result, _descriptor: int
    ) -> None:
        """Handle an opened directory before its content. May raise as ``entry`` does."""

    def after(self, _level: Level) -> None:  # noqa: B027
        """Handle a directory, now in ``here``, after its content."""

    @abc.abstractmethod
    def foreign(self, name: bytes) -> None:
        """Handle a mount in ``here``; the walk does not enter it."""

    @abc.abstractmethod
    def fault(self, name: bytes, why: str) -> None:
        """Handle an entry of ``here`` that cannot be handled; an empty name means ``here``."""

    def run(self) -> None:
        """Walk."""
        self.here = os.dup(self.root)
        try:
            while self.levels:
                try:
                    name = self._next()
                except OSError as error:
                    self.fault(b"", str(error.strerror))
                    self._skip_rest()
                    name = None
                if name is not None:
                    self._handle(name)
                else:
                    self._up()
        finally:
            os.close(self.here)

    def path_of(self, name: bytes = b"") -> bytes:
        """Return the path of an entry of ``here``."""
        names = [level.name for level in self.levels[1:]]
        return b"/".join([self.path, *names, *([name] if name else [])])

    def _handle(self, name: bytes) -> None:
        if self.mounts and self.path_of(name) in self.mounts:
            # its server may not even report its kind
            self.foreign(name)
            return
        try:
            if self.entry(name):
                self._down(name)
        except FileNotFoundError:
            # gone since it was listed, as temporary files go
            return
        except OSError as error:
            self.fault(name, str(error.strerror))

    def _down(self, name: bytes) -> None:
        if len(self.levels) >= DEEPEST:
            self.fault(name, f"deeper than {DEEPEST} levels")
            return
        descriptor = os.open(name, DIRECTORY, dir_fd=self.here)
        try:
            status = os.fstat(descriptor)
            if status.st_dev != self.device or mount_of(descriptor) != self.mount:
                self.foreign(name)
                os.close(descriptor)
                return
            deadline = self.levels[-1].deadline
            if len(self.levels) < FAIR_LEVELS:
                now = time.monotonic()
                deadline = now + (deadline - now) / 2
            level = Level(name, identity_of(status), deadline)
            self.entered(level, status, descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        self.levels.append(level)
        os.close(self.here)
        self.here = descriptor

    def _up(self) -> None:
        done = self.levels.pop()
        if not self.levels:
            return
        try:
            parent = os.open("..", DIRECTORY, dir_fd=self.here)
        except OSError:
            self._return()
            return
        os.close(self.here)
        self.here = parent
        if identity_of(os.fstat(parent)) == self.levels[-1].identity:
            try:
                self.after(done)
            except FileNotFoundError:
                return
            except OSError as error:
                self.fault(done.name, str(error.strerror))
            return
        self._return()

    def _return(self) -> None:
        """Go from the root to the innermost level, or to the one above the first that was moved."""
        os.close(self.here)
        self.here = os.dup(self.root)
        for index, level in enumerate(self.levels[1:], start=1):
            try:
                following = os.open(level.name, DIRECTORY, dir_fd=self.here)
            except OSError:
                following = -1
            if following < 0 or identity_of(os.fstat(following)) != level.identity:
                if following >= 0:
                    os.close(following)
                self._held -= sum(len(lost.names) for lost in self.levels[index:])
                del self.levels[index:]
                self.fault(level.name, "moved while it was read")
                return
            os.close(self.here)
            self.here = following

    def _next(self) -> Optional[bytes]:
        level = self.levels[-1]
        if not level.names and level.more:
            self._load(level)
        if not level.names:
            return None
        if time.monotonic() > level.deadline:
            if self._late != level.deadline:
                self._late = level.deadline
                self.fault(b"", "its time limit has passed, so the rest is left out")
            self._skip_rest()
            return None
        self._held -= 1
        level.last = level.names.pop()
        return level.last

    def _skip_rest(self) -> None:
        level = self.levels[-1]
        self._held -= len(level.names)
        level.names, level.more = [], False

    def _load(self, level: Level) -> None:
        """Read the names that come after the last one, and let outer levels forget theirs.

        An outer level reads its own again, which is paid for by the many names that were handled
        in the meantime.
        """
        with os.scandir(self.here) as entries:
            names = (os.fsencode(entry.name) for entry in entries)
            later = (name for name in names if name > level.last)
            found = list(itertools.islice(later, _BATCH + 1))
            if len(found) > _BATCH:
                found = heapq.nsmallest(_BATCH, itertools.chain(found, later))
                level.more = True
            else:
                found.sort()
                level.more = False
        found.reverse()
        level.names = found
        self._held += len(found)
        for outer in self.levels[:-1]:
            if self._held <= MOST_NAMES:
                return
            if outer.names:
                self._held -= len(outer.names)
                outer.names, outer.more = [], True


def identity_of(status: os.stat_result) -> Identity:
    """Return the identity of a file: no other file has it."""
    return status.st_dev, status.st_ino
