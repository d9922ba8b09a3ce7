# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copying the data directory into a backup while it is in use.

The copied files belong to others, who may change them at any moment: the backup opens nothing
through a link, reads nothing beyond the size that it saw, and names everything that a limit leaves
out.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import grp
import os
import pwd
import stat
import tarfile
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_from_bytes

from ..rules.backup_archive import (
    ACCESS,
    ATTRIBUTE,
    DATA,
    DEFAULT,
    FAR,
    LINKS,
    PLACE,
    set_headers,
    set_time,
)
from ..rules.data_limits import (
    COPY_SECONDS,
    LEASE_SECONDS,
    LONGEST_LABEL,
    MOST_ACCESS_LIST_BYTES,
    MOST_ATTRIBUTE_BYTES,
    MOST_CONFIG_BYTES,
    MOST_LINES,
    MOST_LINKED,
    MOST_UNITS,
    SPARE_BYTES,
)
from ..rules.sanitize import printable_path
from ..rules.sparse_map import Extents, headers
from . import access_lists, sparse, symlink_guard, system
from .tree_walk import Walk

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Optional

    from ..rules.backup_archive import ArchiveWriter
    from ..rules.tar_stream import Source
    from .data_copy import StagingArea
    from .tree_walk import Level

NAMES = 4096
LISTS = {access_lists.ACCESS: ACCESS, access_lists.DEFAULT: DEFAULT}
# a keyword ends with its sign
_KEYWORD = bytes(range(33, 127)).replace(b"%", b"").replace(b"=", b"").decode()
_DISK_BLOCK = 512


def member_of(name: str, status: os.stat_result) -> tarfile.TarInfo:
    """Return the header of a file, directory or link, with its owners by name."""
    member = tarfile.TarInfo(name)
    member.uid, member.gid = status.st_uid, status.st_gid
    member.uname = name_of("user", status.st_uid)
    member.gname = name_of("group", status.st_gid)
    set_time(member, status.st_mtime_ns)
    member.mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISDIR(status.st_mode):
        member.type = tarfile.DIRTYPE
        member.mode &= 0o3777
    elif stat.S_ISLNK(status.st_mode):
        member.type = tarfile.SYMTYPE
        member.mode &= 0o777
    else:
        member.mode &= 0o777
        member.size = status.st_size
    return member


# most files have one of few owners
@functools.lru_cache(NAMES)
def name_of(kind: str, number: int) -> str:
    """Return the name of a ``user`` or a ``group`` by its number, empty when it has none."""
    try:
        return pwd.getpwuid(number).pw_name if kind == "user" else grp.getgrgid(number).gr_name
    except KeyError:
        return ""


class Notes:
    """Lines for the operator, of which the first are kept."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self.count = 0

    def add(self, path: bytes, why: str) -> None:
        """Add a line about a path."""
        self.count += 1
        if self.count <= MOST_LINES:
            self._lines.append(f"{printable_path(path)}: {why}")

    @property
    def lines(self) -> list[str]:
        """The lines."""
        rest = self.count - len(self._lines)
        return [*self._lines, *([f"and {rest} more like these"] if rest else [])]


class Measuring(Walk):
    """How many bytes are allocated below a data directory.

    units: by the first two names of their paths, or by the first.
    """

    def __init__(self, root: int, path: str) -> None:
        super().__init__(root, path, COPY_SECONDS)
        self.units: dict[bytes, int] = {}

    def entry(self, name: bytes) -> bool:
        """Count an entry."""
        status = os.stat(name, dir_fd=self.here, follow_symlinks=False)
        unit = b"/".join([*(level.name for level in self.levels[1:3]), name][:2])
        if unit not in self.units and len(self.units) >= MOST_UNITS:
            unit = unit.partition(b"/")[0]
        # a file with several names is counted at each in part
        size = status.st_blocks * _DISK_BLOCK // max(status.st_nlink, 1)
        if stat.S_ISDIR(status.st_mode):
            size = 0
        self.units[unit] = self.units.get(unit, 0) + size
        return stat.S_ISDIR(status.st_mode)

    def foreign(self, name: bytes) -> None:
        """Count nothing."""

    def fault(self, name: bytes, why: str) -> None:
        """Count nothing."""


def too_large(units: Mapping[bytes, int], free: int) -> dict[bytes, int]:
    """Return the largest units that must stay out so that there is space for the others."""
    wanted = sum(units.values())
    found = {}
    for unit, size in sorted(units.items(), key=lambda item: -item[1]):
        if wanted <= free:
            break
        found[unit] = size
        wanted -= size
    return found


class Copying(Walk):
    """Adding a data directory to a backup.

    skipped: files that no backup holds, such as pipes. missing: files that a limit left out.
    """

    def __init__(self, writer: ArchiveWriter, root: int, place: StagingArea) -> None:
        super().__init__(root, place.data_dir, COPY_SECONDS)
        self.writer = writer
        self.place = place
        self.replaced: dict[bytes, Optional[Callable[[], None]]] = {}
        # the units without space, and their sizes
        self.large: dict[bytes, int] = {}
        self.skipped = Notes()
        self.missing = Notes()
        self.leases = time.monotonic() + LEASE_SECONDS
        # the number in LINKS, and how many names are still to come, by file
        self.linked: dict[tuple[int, ...], tuple[int, int]] = {}
        self.levels[0].label = DATA

    def replace(self, name: str, others: Sequence[str], add: Callable[[], None]) -> None:
        """Call ``add`` in place of an entry of the data directory, and leave others out.

        others: what their names have behind its name.
        """
        self.replaced[os.fsencode(name)] = add
        self.replaced.update({os.fsencode(name + other): None for other in others})

    def measure(self) -> None:
        """Leave out the largest parts when there is too little space for all."""
        measuring = Measuring(self.root, self.place.data_dir)
        measuring.run()
        units = {unit: size for unit, size in measuring.units.items() if unit not in self.replaced}
        self.large = too_large(units, self.place.free_bytes() - SPARE_BYTES)

    def run(self) -> None:
        """Add it."""
        member = member_of(DATA, os.fstat(self.root))
        self.attributes(self.root, member, self.path)
        self.writer.add(member)
        super().run()

    def foreign(self, name: bytes) -> None:
        """Note another file system."""
        self.skipped.add(self.path_of(name), "another file system")

    def fault(self, name: bytes, why: str) -> None:
        """Note an unreadable file."""
        self.missing.add(self.path_of(name), why)

    def entry(self, name: bytes) -> bool:
        """Add the file of a name in ``here``, without the members of a directory."""
        if len(self.levels) == 1 and name in self.replaced:
            add = self.replaced[name]
            if add:
                add()
            return False
        if len(self.levels) < 3 and self.is_large(name):
            return False
        status = os.stat(name, dir_fd=self.here, follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            return True
        if stat.S_ISLNK(status.st_mode):
            member = member_of(self.label_of(name), status)
            member.linkname = text_of(os.readlink(name, dir_fd=self.here))
            self.writer.add(member)
        elif stat.S_ISREG(status.st_mode):
            self.file(name)
        else:
            self.skipped.add(self.path_of(name), symlink_guard.kind_of(status))
        return False

    def is_large(self, name: bytes) -> bool:
        """Return whether there is no space for an entry, and note it."""
        unit = b"/".join([*(level.name for level in self.levels[1:]), name])
        size = self.large.get(unit)
        if size is None:
            return False
        self.missing.add(self.path_of(name), f"{self.no_room()}, and it takes {size >> 20} MB")
        return True

    def no_room(self) -> str:
        """Return in words how little is free."""
        return f"{self.place.parent} has {self.place.free_bytes() >> 20} MB free"

    def label_of(self, name: bytes) -> str:
        """Return the name in the backup of an entry of ``here``."""
        return f"{self.levels[-1].label}/{text_of(name)}"

    def entered(self, level: Level, status: os.stat_result, descriptor: int) -> None:
        """Add a directory."""
        level.label = self.label_of(level.name)
        if len(bytes_of(level.label)) > LONGEST_LABEL:
            level.label = self.set_aside(level.label, status)
        member = member_of(level.label, status)
        self.attributes(descriptor, member, self.path_of(level.name))
        self.writer.add(member)

    def set_aside(self, label: str, status: os.stat_result) -> str:
        """Put a link in the place of a directory, and return where the directory is instead."""
        number = self.writer.number(FAR)
        link = member_of(label, status)
        link.type, link.mode = tarfile.SYMTYPE, 0o777
        link.linkname = f"{'../' * label.count('/')}{FAR}/{number}"
        set_headers(link, {PLACE: str(number)})
        self.writer.add(link)
        return f"{FAR}/{number}"

    def file(self, name: bytes) -> None:
        """Add a file."""
        descriptor = self.open_file(name)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                self.skipped.add(self.path_of(name), symlink_guard.kind_of(status))
                return
            label = self.label_of(name)
            number = self.number_of(status)
            if number == 0:
                extents = self.extents(descriptor, status, name)
                if extents is None:
                    return
                if status.st_nlink > 1:
                    number = self.remember(status)
                content = f"{LINKS}/{number}" if number else label
                self.content(descriptor, status, extents, content, name)
            if number:
                link = member_of(label, status)
                link.type, link.size = tarfile.LNKTYPE, 0
                link.linkname = f"{LINKS}/{number}"
                self.writer.add(link)
        finally:
            os.close(descriptor)

    def open_file(self, name: bytes) -> int:
        """Open a file, and wait for a process that holds a lease on it, but not for ever."""
        try:
            return os.open(name, symlink_guard.READ, dir_fd=self.here)
        except BlockingIOError:
            if time.monotonic() > self.leases:
                raise
        # it may be a pipe by now, and opening one must not wait
        with system.opened(name, os.O_PATH | os.O_NOFOLLOW, self.here) as path_only:
            status = os.fstat(path_only)
            if not stat.S_ISREG(status.st_mode) or status.st_dev != self.device:
                raise FileNotFoundError
            # the kernel ends a lease after its lease-break-time
            return os.open(system.path_of(path_only), os.O_RDONLY)

    def number_of(self, status: os.stat_result) -> int:
        """Return the number in LINKS of a file that was there, 0 when it was not."""
        key = linked_key(status)
        number, names = self.linked.pop(key, (0, 0))
        if names > 1:
            self.linked[key] = number, names - 1
        return number

    def remember(self, status: os.stat_result) -> int:
        """Return the number in LINKS of a new file with several names, to know it at the others."""
        number = self.writer.number(LINKS)
        if len(self.linked) < MOST_LINKED:
            self.linked[linked_key(status)] = number, status.st_nlink - 1
        return number

    def extents(self, descriptor: int, status: os.stat_result, name: bytes) -> Optional[Extents]:
        """Return where a file has data, None when there is no space for it."""
        found = Extents(status.st_size)
        if status.st_blocks * _DISK_BLOCK < status.st_size:
            found = sparse.extents_of(descriptor, status.st_size)
        elif status.st_size:
            found.add(0, status.st_size)
        if self.place.free_bytes() >= found.stored + SPARE_BYTES:
            return found
        self.missing.add(
            self.path_of(name), f"{self.no_room()}, and it takes {found.stored >> 20} MB"
        )
        return None

    def content(
        self,
        descriptor: int,
        status: os.stat_result,
        extents: Extents,
        label: str,
        name: bytes,
    ) -> None:
        """Add a file under a name in the backup."""
        member = member_of(label, status)
        self.attributes(descriptor, member, self.path_of(name))
        reading = sparse.Reading(descriptor, extents)
        content: Any = reading
        if extents.stored < status.st_size:
            text = extents.as_map()
            member.size = len(text) + extents.stored
            set_headers(member, headers(label, status.st_size))
            content = Joined(text, reading)
        self.writer.add(member, content)
        if reading.fault:
            self.missing.add(self.path_of(name), reading.fault)
        elif reading.missing:
            self.skipped.add(
                self.path_of(name), f"{reading.missing} bytes were gone while it was read"
            )

    def attributes(self, descriptor: int, member: tarfile.TarInfo, path: bytes) -> None:
        """Give a member the access lists and user attributes of an open file or directory."""
        try:
            names = os.listxattr(descriptor)
        except OSError as error:
            if error.errno != errno.EOPNOTSUPP:
                self.skipped.add(path, f"its attributes ({error.strerror})")
                member.mode &= 0o3700
            return
        kept = 0
        for name in names:
            if not name.startswith("user.") and name not in LISTS:
                continue
            try:
                value = os.getxattr(descriptor, name)
            except OSError:
                # gone since it was listed
                continue
            if name in LISTS:
                self.access_list(name, value, member, path)
                continue
            kept += len(name) + len(value)
            if kept > MOST_ATTRIBUTE_BYTES:
                self.skipped.add(path, f"its attribute {printable_path(os.fsencode(name))}")
                continue
            keyword = quote_from_bytes(os.fsencode(name), safe=_KEYWORD)
            set_headers(member, {ATTRIBUTE + keyword: text_of(value)})

    def access_list(self, name: str, value: bytes, member: tarfile.TarInfo, path: bytes) -> None:
        """Give a member an access list; its mode alone must not give more than that does."""
        try:
            text = access_lists.text_of(value, name_of)
            if name == access_lists.ACCESS:
                member.mode = access_lists.narrowed(member.mode, value)
        except ValueError as error:
            member.mode &= 0o3700
            self.skipped.add(path, f"its access list ({error})")
            return
        if len(text) > MOST_ACCESS_LIST_BYTES:
            self.skipped.add(
                path, "its access list; the mode gives no account more than the list did"
            )
            return
        set_headers(member, {LISTS[name]: text})


def linked_key(status: os.stat_result) -> tuple[int, ...]:
    """Return the identity of a file with several names, which a new file with its inode lacks."""
    owner = (status.st_uid, status.st_gid, status.st_mode)
    return (status.st_ino, *owner, status.st_size, status.st_mtime_ns)


def add_config(copying: Copying, name: str, path: str) -> None:
    """Add a deployed file from a directory of root's; absent is fine."""
    try:
        descriptor = os.open(path, symlink_guard.READ)
    except FileNotFoundError:
        return
    except OSError as error:
        copying.missing.add(os.fsencode(path), str(error.strerror))
        return
    with os.fdopen(descriptor, "rb") as handle:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            copying.missing.add(os.fsencode(path), symlink_guard.kind_of(status))
        elif status.st_size > MOST_CONFIG_BYTES:
            copying.missing.add(os.fsencode(path), f"more than {MOST_CONFIG_BYTES >> 20} MB")
        else:
            copying.writer.add(member_of(name, status), handle)


def add_snapshot(copying: Copying, snapshot: str, like: str) -> None:
    """Add a snapshot of a database, with owner, mode and time of that."""
    with open(snapshot, "rb") as handle, contextlib.ExitStack() as stack:
        # it may have become something else
        status = os.fstat(copying.root)
        with contextlib.suppress(OSError):
            descriptor = stack.enter_context(system.opened(like, symlink_guard.READ))
            status = os.fstat(descriptor)
        member = member_of(f"{DATA}/{os.path.basename(like)}", status)
        if stat.S_ISREG(status.st_mode):
            copying.attributes(descriptor, member, os.fsencode(like))
        else:
            member.type, member.mode = tarfile.REGTYPE, 0o600
        member.size = os.fstat(handle.fileno()).st_size
        copying.writer.add(member, handle)


class Joined:
    """A text and what a reader has, for a reader."""

    def __init__(self, text: bytes, rest: Source) -> None:
        self._text = text
        self._rest = rest

    def read(self, size: int = -1) -> bytes:
        """Return up to so many bytes, none at the end."""
        if not self._text:
            return self._rest.read(size)
        piece = self._text if size < 0 else self._text[:size]
        self._text = self._text[len(piece) :]
        return piece


def text_of(name: bytes) -> str:
    """Return bytes as an archive has them in its headers."""
    return name.decode("utf-8", "surrogateescape")


def bytes_of(text: str) -> bytes:
    """Return the value from which ``text_of`` made a text."""
    return text.encode("utf-8", "surrogateescape")
