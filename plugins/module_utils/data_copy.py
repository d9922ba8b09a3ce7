# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The data directory: copied while it is in use, and laid out anew beside its place.

What is copied belongs to others, who may change it at any moment: nothing is opened through a link.
What is laid out lies below a directory that root alone can enter until it is whole.
"""

from __future__ import annotations

import grp
import os
import pwd
import re
import secrets
import shutil
import stat
import tarfile
import tempfile
from typing import TYPE_CHECKING, Any

from . import planted
from .backup_archive import CONFIG, DATA, DEEPEST, Source, read_archive
from .beside_data import GOING, going, place_of
from .left_processes import end_processes
from .removal import remove_everything
from .root_files import FileState, Refused, keep, sync_directory
from .root_places import refuse_places
from .user_tree import DIRECTORY, Tree

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from .backup_archive import ArchiveWriter, Summary

_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
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
        if not os.path.isdir(self.parent) or self.fault():
            # nothing was ever made there
            return []
        if os.path.lexists(self.path):
            os.rename(self.path, f"{self.path}{GOING}{secrets.token_hex(8)}")
        faults = {path: self._remove(path) for path in going(self.data_dir)}
        return [f"{path}: {fault}" for path, fault in faults.items() if fault]

    def _remove(self, path: str) -> str:
        """Remove a directory; return why that does not work, empty when it does."""
        fault = ""
        for _ in range(_TRIES):
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
        with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as handle:
            points = [unescaped(line.split(" ")[1]) for line in handle]
        return sorted(p for p in points if f"{p}/".startswith(f"{self.data_dir}/"))

    def room(self) -> int:
        """Return how many bytes are free where it lies."""
        status = os.statvfs(self.parent)
        return status.f_bavail * status.f_frsize


def unescaped(text: str) -> str:
    """Return a path of /proc/mounts as it is (proc(5): blanks and the like are octal)."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)


def member_of(name: str, status: os.stat_result) -> tarfile.TarInfo:
    """Return the header of a file, directory or link, with its owners by name."""
    member = tarfile.TarInfo(name)
    member.uid, member.gid = status.st_uid, status.st_gid
    member.uname, member.gname = user_name(status.st_uid), group_name(status.st_gid)
    member.mtime = status.st_mtime
    member.mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISDIR(status.st_mode):
        member.type = tarfile.DIRTYPE
        member.mode &= 0o3777
    elif stat.S_ISLNK(status.st_mode):
        member.type = tarfile.SYMTYPE
    else:
        member.mode &= 0o777
        member.size = status.st_size
    return member


def user_name(uid: int) -> str:
    """Return the name of a UID, empty when it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return ""


def group_name(gid: int) -> str:
    """Return the name of a GID, empty when it has none."""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return ""


def size_below(directory: str) -> int:
    """Return how many bytes the files below a directory have."""
    found = 0
    for parent, _directories, names in os.walk(directory):
        for name in names:
            try:
                status = os.lstat(os.path.join(parent, name))
            except FileNotFoundError:
                continue
            found += status.st_size if stat.S_ISREG(status.st_mode) else 0
    return found


class Copying:
    """Adding a data directory to a backup; ``left`` tells what was not taken, and why."""

    def __init__(self, writer: ArchiveWriter, data_dir: str, skipped: Collection[str]) -> None:
        self.writer = writer
        self.data_dir = data_dir
        self.skipped = skipped
        self.left: list[str] = []

    def run(self) -> None:
        """Add it."""
        descriptor = os.open(self.data_dir, DIRECTORY)
        try:
            self.directory(descriptor, self.data_dir, DATA, os.fstat(descriptor).st_dev, 0)
        finally:
            os.close(descriptor)

    def directory(self, descriptor: int, path: str, name: str, device: int, depth: int) -> None:
        """Add an open directory and what is in it."""
        status = os.fstat(descriptor)
        if status.st_dev != device or depth > DEEPEST - 2:
            what = "another file system" if status.st_dev != device else "too deep"
            self.left.append(f"{path}: {what}")
            return
        self.writer.add(member_of(name, status))
        for child in sorted(os.listdir(descriptor)):
            place = os.path.join(path, child)
            if place in self.skipped:
                continue
            try:
                self.entry(descriptor, child, place, f"{name}/{child}", device, depth)
            except FileNotFoundError:
                # gone since it was listed, as temporary files go
                continue
            except OSError as error:
                # exchanged for a link or a pipe since it was looked at
                self.left.append(f"{place}: {error.strerror}")

    def entry(self, parent: int, child: str, path: str, name: str, device: int, depth: int) -> None:
        """Add what has a name in an open directory."""
        status = os.stat(child, dir_fd=parent, follow_symlinks=False)
        if stat.S_ISLNK(status.st_mode):
            member = member_of(name, status)
            member.linkname = os.readlink(child, dir_fd=parent)
            self.writer.add(member)
        elif stat.S_ISDIR(status.st_mode):
            descriptor = os.open(child, DIRECTORY, dir_fd=parent)
            try:
                self.directory(descriptor, path, name, device, depth + 1)
            finally:
                os.close(descriptor)
        elif stat.S_ISREG(status.st_mode):
            with os.fdopen(os.open(child, _FILE, dir_fd=parent), "rb") as handle:
                status = os.fstat(handle.fileno())
                if stat.S_ISREG(status.st_mode):
                    missing = self.writer.add(member_of(name, status), handle)
                    if missing:
                        self.left.append(f"{path}: {missing} bytes were gone while it was read")
        else:
            self.left.append(f"{path}: {planted.kind_of(status)}")


class Laying:
    """Laying out a backup in a place that root alone can enter.

    wanted: those of the deployed files that are kept in ``place.config``.
    """

    def __init__(self, place: Place, wanted: Collection[str]) -> None:
        self.place = place
        self.wanted = wanted
        self.files: list[FileState] = []
        self.directories: list[tuple[str, tarfile.TarInfo]] = []

    def run(self, source: Source) -> Summary:
        """Lay out a backup. Raises BadArchive."""
        summary = read_archive(source, self.member)
        # what is made in a directory changes its time
        for path, member in reversed(self.directories):
            settle(path, member)
        keep(self.place.config, self.files)
        return summary

    def member(self, member: tarfile.TarInfo, content: Source | None) -> None:
        """Make what a member tells."""
        root, _slash, rest = member.name.partition("/")
        if root == CONFIG:
            path = f"/{rest}"
            if path in self.wanted and content:
                self.files.append(FileState(path, content.read(), member.mode))
            return
        path = os.path.join(self.place.data, rest) if rest else self.place.data
        if member.isdir():
            os.mkdir(path, 0o700)
            self.directories.append((path, member))
            return
        if content is None:
            os.symlink(member.linkname, path)
        else:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            with os.fdopen(os.open(path, flags, 0o600), "wb") as handle:
                shutil.copyfileobj(content, handle)
        settle(path, member)


def settle(path: str, member: tarfile.TarInfo) -> None:
    """Give owner, mode and time to what was made; names count, and a number where there is none."""
    uid = pwd.getpwnam(member.uname).pw_uid if member.uname else member.uid
    gid = grp.getgrnam(member.gname).gr_gid if member.gname else member.gid
    os.chown(path, uid, gid, follow_symlinks=False)
    if not member.issym():
        os.chmod(path, member.mode)
    os.utime(path, (member.mtime, member.mtime), follow_symlinks=False)


def lay_out_rest(
    place: Place,
    directories: Sequence[dict[str, Any]],
    seeds: Sequence[dict[str, Any]],
    release: str | None,
) -> None:
    """Give the waiting data directory what an installation has and the backup has not.

    directories, seeds, release: as kai_user_tree has them, under the paths that they will have.
    """

    def inside(entries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        below = f"{place.data_dir}/"
        return [
            {**entry, "path": place.data + entry["path"][len(place.data_dir) :]}
            for entry in entries
            if f"{entry['path']}/".startswith(below)
        ]

    failed = Tree(release, dry=False).bring_about(inside(directories), inside(seeds))
    if failed:
        raise Refused("\n".join(str(error) for _path, error in failed))


def missing_accounts(
    owners: Collection[str],
    groups: Collection[str],
    numbers: Collection[int],
    made: Collection[str],
) -> list[str]:
    """Return what a host lacks of the accounts of a backup, in words.

    owners, groups, numbers: as a Summary has them. made: accounts that will be made, each with a
    group of its name.
    """
    found = []
    for owner in sorted({*owners} - {*made}):
        try:
            pwd.getpwnam(owner)
        except KeyError:
            found.append(f"account {owner}")
    for group in sorted({*groups} - {*made}):
        try:
            grp.getgrnam(group)
        except KeyError:
            found.append(f"group {group}")
    # what belonged to nobody must not become somebody's
    found += [f"free number {n}" for n in numbers if user_name(n) or group_name(n)]
    return found
