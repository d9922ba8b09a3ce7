# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directories of an installation and the first files in them; links of accounts are refused."""

from __future__ import annotations

import contextlib
import errno
import functools
import grp
import hashlib
import os
import pwd
import shlex
import stat
import time
from typing import TYPE_CHECKING

from ..rules.problems import Problem, Refused, problem_of_error
from . import system
from .access_lists import NONE, lists_of, readable_by, set_lists
from .former_trees import Former, copied
from .mounts import closed_mounts, refuse_below
from .symlink_guard import HANDLE, open_own_file, planted
from .trusted_paths import only_root_changes, owner_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from ..rules.module_arguments import DirectoryData, NewAccount, SeedData
    from .layout_journal import Entry, LayoutJournal

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
MOST_LINKS = 40
MADE = ("", "made")
# each level takes a descriptor, of which a process has 1024
_DEEPEST = 300


def identity(owner: str, group_of: str | None) -> tuple[int, int]:
    """Return UID and GID for an owner and the account whose primary group is used."""
    try:
        uid, gid = pwd.getpwnam(owner).pw_uid, pwd.getpwnam(group_of or owner).pw_gid
    except KeyError as error:
        raise Refused(
            Problem(
                "the host",
                f"no account {error.args[0]!r}",
                "every account that owns a directory",
                f"create it on the host {system.advice_to_create()}, and run this again",
            )
        ) from error
    if uid == 0 and owner != "root":
        # the preflight knows the numbers of the accounts in host_vars alone
        raise Refused(
            Problem(
                f"the account {owner}",
                "the UID 0, which is root's",
                "an account without privilege",
                "give the user another OS user",
            )
        )
    return uid, gid


@functools.lru_cache(maxsize=None)
def members(gid: int) -> frozenset[str]:
    """Return the accounts that a group gives its permissions to. Raises KeyError."""
    primary = [account.pw_name for account in pwd.getpwall() if account.pw_gid == gid]
    return frozenset([*primary, *grp.getgrgid(gid).gr_mem])


def is_own_group(gid: int, account: str, owner: str) -> bool:
    """Return whether a group has no members but an account, and the owner of a directory.

    A directory service may not list its accounts, so only a group of the account's name counts.
    """
    try:
        return grp.getgrgid(gid).gr_name == account and members(gid) <= {account, owner}
    except KeyError:
        return False


def change_owners(
    descriptor: int,
    path: str,
    former: tuple[int, int],
    owner: tuple[int, int],
    others: Collection[str],
) -> None:
    """Give everything of a former owner below an open directory to its new owner.

    former, owner: UID and GID, each of which counts for itself. others: paths below it to leave
    out. No link is followed, and no other file system is entered.
    """
    device = os.fstat(descriptor).st_dev
    others = {*others, *system.mounts_below(path)}
    open_directories = [(os.dup(descriptor), path, os.listdir(descriptor))]
    try:
        while open_directories:
            parent, base, names = open_directories[-1]
            if not names:
                os.close(open_directories.pop()[0])
                continue
            name = names.pop()
            place = os.path.join(base, name)
            # a directory that an account has mounted there may be closed even to root
            with contextlib.suppress(OSError):
                status = None if place in others else _give(parent, name, device, former, owner)
                if status and stat.S_ISDIR(status.st_mode) and len(open_directories) < _DEEPEST:
                    child = os.open(name, DIRECTORY, dir_fd=parent)
                    open_directories.append((child, place, os.listdir(child)))
    finally:
        for opened, _base, _names in open_directories:
            os.close(opened)


def _give(
    parent: int, name: str, device: int, former: tuple[int, int], owner: tuple[int, int]
) -> os.stat_result | None:
    """Give one thing of a former owner to another; return what it is, None for nothing of ours."""
    with system.opened(name, HANDLE, parent) as descriptor:
        status = os.fstat(descriptor)
        if status.st_dev != device or stat.S_ISLNK(status.st_mode):
            return None
        uid = owner[0] if status.st_uid == former[0] else -1
        gid = owner[1] if status.st_gid == former[1] else -1
        if (uid, gid) != (-1, -1):
            mode = stat.S_IMODE(status.st_mode)
            os.chown(system.path_of(descriptor), uid, gid)
            # the kernel takes some bits away, that of the group of what is made in a directory too
            if stat.S_ISDIR(status.st_mode):
                os.chmod(system.path_of(descriptor), mode)
        return status


def make_directory(name: str, mode: int, parent: int) -> None:
    """Make a directory, unless the journal has made it for itself."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, mode, dir_fd=parent)


class Tree:
    """The directories and files of one call."""

    def __init__(
        self, release: str | None, dry: bool, journal: LayoutJournal | None = None
    ) -> None:
        self.release = release
        self.dry = dry
        self.journal = journal
        # before and after by path, in the order of the call
        self.found: dict[str, tuple[str, str]] = {}
        # the directories of the call, each of which has an owner of its own
        self.paths: set[str] = set()

    @property
    def changes(self) -> list[str]:
        """What was made or changed, one line each."""
        return [
            f"{path}: {f'{before} -> {after}' if before else after}"
            for path, (before, after) in self.found.items()
        ]

    def ensure(
        self, directories: Sequence[DirectoryData], seeds: Sequence[SeedData]
    ) -> list[tuple[str, Refused | OSError]]:
        """Create or change each path; return each path that failed with the reason."""
        failed: list[tuple[str, Refused | OSError]] = []
        self.paths = {entry["path"] for entry in directories}
        steps: list[tuple[str, Callable[[], None]]] = [
            *((entry["path"], functools.partial(self.directory, entry)) for entry in directories),
            *((entry["path"], functools.partial(self.seed, entry)) for entry in seeds),
        ]
        closed = closed_mounts(path for path, _step in steps)
        for path, step in steps:
            try:
                refuse_below(closed, path)
                step()
            except (Refused, OSError) as error:
                failed.append((path, error))
        return failed

    def note(self, entry: Entry) -> None:
        """Record what is about to happen."""
        if self.journal:
            self.journal.note(entry)

    def account(self, account: NewAccount) -> None:
        """Record an account that is about to be created."""
        if self.dry:
            return
        name = account["name"]
        home = os.path.join(system.base_of_homes(), name)
        is_new = not os.path.lexists(home)
        self.note({"account": name, "comment": account["comment"], "home": is_new})

    def open_parent(self, path: str, links: int = 0) -> tuple[int, str, str] | None:
        """Return a descriptor of the path's parent, the last part and the parent without links.

        None when, in check mode, the parent is not there yet.
        Raises Refused for a link that an account besides root could have made.
        """
        if links > MOST_LINKS:
            raise Refused(
                Problem(
                    path,
                    f"more than {MOST_LINKS} links that lead to it",
                    "a path whose links end",
                    f"fix its links on the host: namei -l {shlex.quote(path)}",
                )
            )
        parts = [part for part in path.split("/") if part]
        current = os.open("/", DIRECTORY)
        try:
            for index, part in enumerate(parts[:-1]):
                try:
                    following = os.open(part, DIRECTORY, dir_fd=current)
                except FileNotFoundError:
                    if self.dry:
                        return None
                    self.note({"directory": "/" + "/".join(parts[: index + 1])})
                    make_directory(part, 0o755, current)
                    following = os.open(part, DIRECTORY, dir_fd=current)
                except OSError as error:
                    if error.errno not in (errno.ELOOP, errno.ENOTDIR):
                        raise
                    base = "/" + "/".join(parts[:index])
                    target = self.link_target(current, part, os.path.join(base, part))
                    rest = "/".join(parts[index + 1 :])
                    return self.open_parent(
                        os.path.normpath(os.path.join(base, target, rest)), links + 1
                    )
                os.close(current)
                current = following
            return os.dup(current), parts[-1], "/" + "/".join(parts[:-1])
        finally:
            os.close(current)

    def link_target(self, parent: int, part: str, path: str) -> str:
        """Return where a link in a trusted directory points. Raises Refused for anything else."""
        status = os.stat(part, dir_fd=parent, follow_symlinks=False)
        if not (stat.S_ISLNK(status.st_mode) and only_root_changes(parent)):
            raise planted(path, status, "a directory")
        return os.readlink(part, dir_fd=parent)

    def directory(self, entry: DirectoryData, place: str = "", links: int = 0) -> None:
        """Create or change one directory. place: where so many links on its path have led."""
        path, mode = entry["path"], entry["mode"]
        opened = self.open_parent(place or path, links)
        if opened is None:
            self.found[path] = MADE
            return
        parent, name, base = opened
        try:
            try:
                descriptor = os.open(name, DIRECTORY, dir_fd=parent)
            except FileNotFoundError:
                self.found[path] = MADE
                if self.dry:
                    return
                if not (entry.get("former") and self.carry(parent, name, base, entry)):
                    self.note({"directory": os.path.join(base, name)})
                    make_directory(name, 0o700, parent)
                descriptor = os.open(name, DIRECTORY, dir_fd=parent)
                mode = mode or "0755"
            except OSError as error:
                if error.errno not in (errno.ELOOP, errno.ENOTDIR):
                    raise
                # the target of root's link is walked as well: accounts may have made links there
                target = self.link_target(parent, name, os.path.join(base, name))
                self.directory(entry, os.path.normpath(os.path.join(base, target)), links + 1)
                return
            try:
                if mode:
                    self.settle(descriptor, os.path.join(base, name), entry, int(mode, 8))
            finally:
                os.close(descriptor)
        finally:
            os.close(parent)

    def carry(self, parent: int, name: str, base: str, entry: DirectoryData) -> bool:
        """Make a directory as a copy of its former one; return whether there is a former one.

        Raises Refused if neither its user nor the service user owns it: its owner makes the copy,
        and links that another account puts on the way have the rights of that owner.
        """
        opened = self.open_parent(entry["former"])
        if opened is None:
            return False
        above, former, place = opened
        try:
            status = os.stat(former, dir_fd=above, follow_symlinks=False)
            keeper = os.fstat(above).st_uid
        except FileNotFoundError:
            return False
        finally:
            os.close(above)
        owner = identity(entry["owner"], entry["group_of"])
        uid = owner_of(status)
        source = Former(os.path.join(place, former), uid, entry.get("renames") or {})
        if not stat.S_ISDIR(status.st_mode) or uid == 0 or uid not in (owner[0], keeper):
            raise planted(source.path, status, f"a directory of {entry['owner']}")
        with copied(source, parent, name, base) as (staging, copy, now):
            change_owners(copy, os.path.join(base, staging), now, owner, ())
            os.fchown(copy, *owner)
            self.note({"copied": os.path.join(base, name), "at": int(time.time()) + 1})
            os.rename(staging, name, src_dir_fd=parent, dst_dir_fd=parent)
        return True

    def settle(self, descriptor: int, place: str, entry: DirectoryData, mode: int) -> None:
        """Give an open directory its owner and mode. place: its path."""
        status = os.fstat(descriptor)
        before = (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode))
        reader = entry.get("reader")
        wanted_lists = NONE
        try:
            uid, gid = identity(entry["owner"], entry["group_of"])
            if reader:
                reader_uid, reader_gid = identity(reader, None)
                if not entry.get("listed") and is_own_group(reader_gid, reader, entry["owner"]):
                    gid = reader_gid
                else:
                    # through a group with several members the others would read as well
                    wanted_lists = readable_by(reader_uid)
        except Refused:
            # in check mode the account may be one that the same run would create
            if self.dry:
                return
            raise
        after = (uid, gid, mode)
        # only root can have given one to a directory of root's
        lists = lists_of(descriptor) if (before[0], uid) != (0, 0) else NONE
        if (before, lists) == (after, wanted_lists):
            return
        was, now = (
            f"{state[0]}:{state[1]} {state[2]:04o}" + " with an access list" * any(beside)
            for state, beside in ((before, lists), (after, wanted_lists))
        )
        self.found.setdefault(entry["path"], (was, now))
        if self.dry:
            return
        if any(lists) and not reader:
            # the group bits of the mode were the mask of the list, which is gone
            before = (*before[:2], mode)
        if reader or before != after:
            change: Entry = {"mended": place, "before": before, "after": after}
            if reader:
                change["lists"] = lists
            self.note(change)
        former = (before[0] or uid, before[1] or gid)
        if former != (uid, gid):
            # the directory itself comes last, so that the next run finds what a killed one left
            change_owners(descriptor, entry["path"], former, (uid, gid), self.paths)
        os.fchown(descriptor, uid, gid)
        set_lists(descriptor, wanted_lists)
        os.fchmod(descriptor, mode)

    def seed(self, entry: SeedData) -> None:
        """Create one first file where there is none."""
        content = self.seed_content(entry)
        if content is None:
            return
        opened = self.open_parent(entry["path"])
        if opened is None:
            self.found[entry["path"]] = MADE
            return
        parent, name, base = opened
        try:
            try:
                os.stat(name, dir_fd=parent, follow_symlinks=False)
                if entry.get("narrow"):
                    self.narrow(parent, name, base, entry)
                return
            except FileNotFoundError:
                self.found[entry["path"]] = MADE
            if self.dry:
                return
            uid, gid = identity(entry["owner"], entry["group_of"])
            digest = hashlib.sha256(content).hexdigest()
            self.note({"file": os.path.join(base, name), "sha256": digest})
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            with os.fdopen(os.open(name, flags, 0o600, dir_fd=parent), "wb") as handle:
                handle.write(content)
                os.fchown(handle.fileno(), uid, gid)
                os.fchmod(handle.fileno(), int(entry["mode"], 8))
        finally:
            os.close(parent)

    def narrow(self, parent: int, name: str, base: str, entry: SeedData) -> None:
        """Remove permissions from an existing file that it should not give."""
        descriptor, status = open_own_file(parent, name, entry["path"], HANDLE)
        try:
            before = stat.S_IMODE(status.st_mode)
            after = before & int(entry["mode"], 8)
            lists = any(lists_of(system.path_of(descriptor)))
            if before != after or lists:
                was = f"{before:04o}" + " with an access list" * lists
                self.found[entry["path"]] = (was, f"{after:04o}")
                if not self.dry:
                    set_lists(system.path_of(descriptor), NONE)
                    owner = (status.st_uid, status.st_gid)
                    place = os.path.join(base, name)
                    if before != after and not lists:
                        was_mode, new_mode = (*owner, before), (*owner, after)
                        self.note({"mended": place, "before": was_mode, "after": new_mode})
                    os.chmod(system.path_of(descriptor), after)
        finally:
            os.close(descriptor)

    def seed_content(self, entry: SeedData) -> bytes | None:
        """Return the content of a first file, None without one."""
        source = entry.get("source")
        if self.release and source:
            try:
                with open(os.path.join(self.release, source), "rb") as handle:
                    return handle.read()
            except FileNotFoundError:
                pass
        fallback = entry["fallback"]
        return None if fallback is None else fallback.encode()


def problem_of(path: str, error: Refused | OSError) -> Problem:
    """Return the problem of a path that was not changed."""
    if isinstance(error, OSError):
        return problem_of_error(error, path)
    return error.problem or Problem(
        path, str(error), "a path that can be changed", f"ls -ld {shlex.quote(path)}"
    )
