# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Laying out a backup beside the data of a host, or proving that this can be done."""

from __future__ import annotations

import contextlib
import errno
import functools
import grp
import gzip
import os
import pwd
import stat
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from ..rules.backup_archive import ATTRIBUTE, CONFIG, LINKS, PLACE, read_archive, time_of
from ..rules.file_state import FileState
from ..rules.problems import Refused, problem_of_error
from ..rules.sanitize import printable_path
from ..rules.tar_stream import pieces_of
from . import access_lists, symlink_guard, system
from .backup_copying import LISTS, NAMES, Notes, bytes_of, name_of
from .files import keep
from .layout import DIRECTORY, Tree
from .sparse import PIECE
from .tree_removal import remove_filled

if TYPE_CHECKING:
    import tarfile
    from collections.abc import Collection, Mapping, Sequence
    from typing import Optional

    from ..rules.backup_archive import Content, Summary
    from ..rules.module_arguments import DirectoryData, Place, SeedData, SummaryData
    from ..rules.tar_stream import Source
    from .data_copy import StagingArea

_STAND_IN = b"stand-in"


@functools.lru_cache(NAMES)
def named(kind: str, name: str) -> Optional[int]:
    """Return the number of an account (kind ``user``) or a ``group``, None where there is none."""
    try:
        return pwd.getpwnam(name).pw_uid if kind == "user" else grp.getgrnam(name).gr_gid
    except KeyError:
        return None


def number_of(kind: str, account: str) -> Optional[int]:
    """Return the number of a ``user`` or ``group`` of an access list, None when it has none here.

    A file without an owner on the host must not get one.
    """
    found = named(kind, account)
    if found is not None or not account.isdecimal() or int(account) >= 2**32 - 1:
        return found
    number = int(account)
    return None if name_of(kind, number) else number


class Laying:
    """Laying out a backup in a place that root alone can enter, by descriptors alone.

    wanted: those of the deployed files that are kept in ``place.config``, each with its mode: the
    one in the backup is of root on another host.
    proof: whether it only proves that the backup can be laid out. Then everything is made as
    otherwise, but a file gets holes for its data, and each goes as soon as it was made: so that
    takes next to no space.
    notes: parts of the backup that this host cannot keep.
    """

    def __init__(
        self, place: StagingArea, wanted: Mapping[str, str], *, proof: bool = False
    ) -> None:
        self.place = place
        self.wanted = wanted
        self.proof = proof
        self.base = place.proof if proof else place.path
        self.notes = Notes()
        self.files: list[FileState] = []
        self.here = -1
        # directories that are being filled, with their names in the backup and on the disk
        self.levels: list[tuple[str, bytes, tarfile.TarInfo]] = []
        self.announced = b""
        self.links = -1

    def run(self, source: Source) -> Summary:
        """Lay out a backup. Raises BadArchive, and Refused for a member that cannot be created."""
        links = os.path.join(self.base, LINKS)
        if self.proof:
            os.mkdir(self.base, 0o700)
        # every directory that is made here would inherit it
        with contextlib.suppress(OSError):
            os.removexattr(self.base, access_lists.DEFAULT)
        os.mkdir(links, 0o700)
        self.links = os.open(links, DIRECTORY)
        if self.proof:
            os.close(os.open(_STAND_IN, os.O_WRONLY | os.O_CREAT, 0o600, dir_fd=self.links))
        self.here = os.open(self.base, DIRECTORY)
        try:
            summary = read_archive(source, self.member)
            while self.levels:
                self.leave()
        finally:
            os.close(self.here)
            os.close(self.links)
        if self.proof:
            remove_filled(self.base)
        else:
            remove_filled(links)
            keep(self.place.config, self.files)
        return summary

    def member(self, member: tarfile.TarInfo, content: Optional[Content]) -> None:
        """Create the file of a member."""
        try:
            self.make(member, content)
        except gzip.BadGzipFile:
            raise
        except OSError as error:
            raise unlaid(self.path_of(member), error) from error

    def path_of(self, member: tarfile.TarInfo) -> bytes:
        """Return the future path of a member, as far as it is known."""
        last = self.announced or bytes_of(member.name.rpartition("/")[2])
        return b"/".join([self.path_here(), *([last] if self.levels else [])])

    def path_here(self) -> bytes:
        """Return where the directory will be that is being filled."""
        names = [name for _label, name, _member in self.levels[1:]]
        return b"/".join([os.fsencode(self.place.data_dir), *names])

    def make(self, member: tarfile.TarInfo, content: Optional[Content]) -> None:
        """Create the file of a member. Raises OSError."""
        root, _slash, rest = member.name.partition("/")
        if root == CONFIG:
            path = f"/{rest}"
            if path in self.wanted and content:
                mode = int(self.wanted[path], 8)
                self.files.append(FileState(path, b"".join(pieces_of(content)), mode))
            return
        if root == LINKS and content:
            self.file(self.links, bytes_of(rest), member, content)
            return
        if self.announced:
            name, self.announced = self.announced, b""
            self.directory(member, name)
            return
        parent, _slash, last = member.name.rpartition("/")
        while self.levels and self.levels[-1][0] != parent:
            self.leave()
        name = bytes_of(last)
        if member.isdir():
            self.directory(member, name)
        elif PLACE in member.pax_headers:
            self.announced = name
        elif content:
            self.file(self.here, name, member, content)
        else:
            self.link(name, member)

    def link(self, name: bytes, member: tarfile.TarInfo) -> None:
        """Make a link."""
        if member.islnk():
            source = _STAND_IN if self.proof else bytes_of(member.linkname.partition("/")[2])
            try:
                os.link(source, name, src_dir_fd=self.links, dst_dir_fd=self.here)
            except OSError as error:
                if error.errno != errno.EMLINK:
                    raise
                # the file has its other names
                self.note(member, f"this name of a file with many ({error.strerror})")
                return
        else:
            os.symlink(bytes_of(member.linkname), name, dir_fd=self.here)
            os.chown(name, *owner_of(member), dir_fd=self.here, follow_symlinks=False)
            times = (time_of(member) or 0,) * 2
            os.utime(name, ns=times, dir_fd=self.here, follow_symlinks=False)
        if self.proof:
            os.unlink(name, dir_fd=self.here)

    def file(self, parent: int, name: bytes, member: tarfile.TarInfo, content: Content) -> None:
        """Make a file in an open directory."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with system.opened(name, flags, parent) as descriptor:
            os.ftruncate(descriptor, content.extents.size)
            if not self.proof:
                for start, end in content.extents:
                    write_extent(descriptor, content, start, end)
            self.attributes(descriptor, member)
            self.settle(descriptor, member)
        if self.proof:
            os.unlink(name, dir_fd=parent)

    def directory(self, member: tarfile.TarInfo, name: bytes) -> None:
        """Make a directory, and go into it."""
        os.mkdir(name, 0o700, dir_fd=self.here)
        descriptor = os.open(name, DIRECTORY, dir_fd=self.here)
        os.close(self.here)
        self.here = descriptor
        self.attributes(descriptor, member)
        # there may be many attributes, and many levels of directories
        headers = member.pax_headers.items()
        member.pax_headers = {key: text for key, text in headers if not key.startswith(ATTRIBUTE)}
        self.levels.append((member.name, name, member))

    def leave(self) -> None:
        """Finish a directory; creating its members has changed its time."""
        _label, name, member = self.levels[-1]
        try:
            self.settle(self.here, member)
            parent = os.open("..", DIRECTORY, dir_fd=self.here)
            os.close(self.here)
            self.here = parent
            if self.proof:
                os.rmdir(name, dir_fd=parent)
        except OSError as error:
            raise unlaid(self.path_here(), error) from error
        self.levels.pop()

    def attributes(self, descriptor: int, member: tarfile.TarInfo) -> None:
        """Give an open file or directory its user attributes."""
        for keyword, value in member.pax_headers.items():
            name = unquote_to_bytes(keyword[len(ATTRIBUTE) :])
            if not keyword.startswith(ATTRIBUTE) or not name.startswith(b"user."):
                continue
            try:
                os.setxattr(descriptor, name, bytes_of(value))
            except OSError as error:
                self.note(member, f"its attribute {printable_path(name)} ({error.strerror})")

    def settle(self, descriptor: int, member: tarfile.TarInfo) -> None:
        """Set owner, mode, access lists and time of a created file."""
        os.chown(descriptor, *owner_of(member))
        os.chmod(descriptor, member.mode)
        for name, keyword in LISTS.items():
            text = member.pax_headers.get(keyword)
            if text is None or (name == access_lists.DEFAULT and not member.isdir()):
                continue
            try:
                os.setxattr(descriptor, name, access_lists.blob_of(text, number_of))
            except (OSError, ValueError) as error:
                # the mode in the backup gives no account more
                self.note(member, f"its access list ({getattr(error, 'strerror', error)})")
        os.utime(descriptor, ns=(time_of(member) or 0,) * 2)

    def note(self, member: tarfile.TarInfo, why: str) -> None:
        """Note a part that this host cannot keep."""
        self.notes.add(self.path_of(member), why)


def unlaid(path: bytes, error: OSError) -> Refused:
    """Return the refusal of a member that cannot be created."""
    problem = problem_of_error(error, printable_path(path))
    return Refused(
        f"{printable_path(path)} cannot be unpacked: {error.strerror}. Fix: {problem.fix}"
    )


def owner_of(member: tarfile.TarInfo) -> tuple[int, int]:
    """Return UID and GID of a member; names count, and a number where there is none.

    Raises Refused for a name that the host does not have.
    """
    uid = named("user", member.uname) if member.uname else member.uid
    gid = named("group", member.gname) if member.gname else member.gid
    if uid is None or gid is None:
        lacking = f"account {member.uname!r}" if uid is None else f"group {member.gname!r}"
        raise Refused(f"the host has no {lacking}. Fix: create it there, then restore again")
    return uid, gid


def clear_way(place: StagingArea, path: str, file: bool) -> str | None:
    """Move aside files of a backup that block the place of directories, or of a file in them.

    They were in the backup, because the owners of the data can put anything there. Left
    in its place it would keep the backup from ever being restored.
    path: in the waiting data directory. Returns the moved file in words, None without one.
    """
    parts = path[len(place.data) + 1 :].split("/")
    here = os.open(place.data, DIRECTORY)
    try:
        for index, part in enumerate(parts):
            try:
                status = os.stat(part, dir_fd=here, follow_symlinks=False)
            except FileNotFoundError:
                return None
            is_file = file and index == len(parts) - 1
            if stat.S_ISDIR(status.st_mode) and not is_file:
                following = os.open(part, DIRECTORY, dir_fd=here)
                os.close(here)
                here = following
            elif not (is_file and stat.S_ISREG(status.st_mode) and status.st_nlink == 1):
                aside = f"{part}.planted"
                while os.path.lexists(f"{system.path_of(here)}/{aside}"):
                    aside += ".planted"
                os.rename(part, aside, src_dir_fd=here, dst_dir_fd=here)
                where = os.path.join(place.data_dir, *parts[: index + 1])
                return f"{where}: {symlink_guard.kind_of(status)}, moved to {aside}"
    finally:
        os.close(here)
    return None


def lay_out_rest(
    place: StagingArea,
    directories: Sequence[DirectoryData],
    seeds: Sequence[SeedData],
    release: str | None,
) -> list[str]:
    """Add to the waiting data directory the parts of an installation that the backup lacks.

    directories, seeds, release: as kai_user_tree has them, under the paths that they will have.
    Returns the files that it moved aside, one line each.
    """

    def inside(entries: Sequence[Place]) -> list[Place]:
        below = f"{place.data_dir}/"
        return [
            {**entry, "path": place.data + entry["path"][len(place.data_dir) :]}
            for entry in entries
            if f"{entry['path']}/".startswith(below)
        ]

    lacking, seeded = inside(directories), inside(seeds)
    paths = [(entry["path"], False) for entry in lacking]
    paths += [(entry["path"], True) for entry in seeded]
    moved = [clear_way(place, path, file) for path, file in paths if path != place.data]
    failed = Tree(release, dry=False).ensure(lacking, seeded)
    if failed:
        raise Refused("\n".join(str(error) for _path, error in failed))
    return [line for line in moved if line]


def missing_accounts(summary: SummaryData, made: Collection[str]) -> list[str]:
    """Return the accounts of a backup that a host lacks, in words.

    made: accounts that will be made, each with a group of its name.
    """
    wanted = sorted({*summary["owners"]} - {*made})
    found = [f"account {owner}" for owner in wanted if named("user", owner) is None]
    wanted = sorted({*summary["groups"]} - {*made})
    found += [f"group {group}" for group in wanted if named("group", group) is None]
    # a file without an owner on the host must not get one
    numbers = [n for n in summary["numbers"] if name_of("user", n) or name_of("group", n)]
    found += [f"free number {n}" for n in numbers]
    return found


def write_extent(descriptor: int, content: Content, start: int, end: int) -> None:
    """Copy the next part of a content into an open file, from one position to another."""
    while start < end:
        piece = content.read(min(PIECE, end - start))
        if not piece:
            raise EOFError("it ends too early")
        while piece:
            written = os.pwrite(descriptor, piece, start)
            piece = piece[written:]
            start += written
