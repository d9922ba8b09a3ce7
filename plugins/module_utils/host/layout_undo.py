# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Revert everything that a failed install created and changed around the bot.

Files that another account has changed or used meanwhile stay, and no link is followed.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from typing import TYPE_CHECKING

from ..rules.problems import Refused
from . import system
from .access_lists import LISTED_MODE, lists_of, set_lists
from .former_trees import written_since
from .layout import DIRECTORY, change_owners
from .layout_journal import thing_of
from .mounts import closed_mounts, refuse_below
from .symlink_guard import open_own_file, planted
from .tree_removal import remove_everything

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from ..rules.problems import Problem
    from .layout_journal import Entry, LayoutJournal

_LONGEST_FIRST_FILE = 16 << 20


@contextlib.contextmanager
def open_parent(path: str) -> Iterator[tuple[int, str]]:
    """Yield a descriptor of the parent of a path, and the last part.

    The path is one without links, as the journal has it. Raises OSError for a link, and
    FileNotFoundError without the parent.
    """
    *parts, name = [part for part in path.split("/") if part]
    current = os.open("/", DIRECTORY)
    try:
        for part in parts:
            following = os.open(part, DIRECTORY, dir_fd=current)
            os.close(current)
            current = following
        yield current, name
    finally:
        os.close(current)


class LayoutUndo:
    """Undoing the entries of a journal, the last first. In check mode everything counts as done."""

    def __init__(self, journal: LayoutJournal, dry: bool) -> None:
        self.journal = journal
        self.dry = dry
        self.changes: list[str] = []
        self.left: list[str] = []
        # whose directories and files stay, so that no later account gets them
        self.owners: set[int] = set()
        # paths that no longer exist, or would not in check mode
        self.gone: set[str] = set()
        # paths with an owner of their own by another line of the journal
        self.others: set[str] = set()
        # paths that root cannot enter
        self.closed: dict[str, Problem] = {}

    def run(self) -> None:
        """Take everything back, and end the journal."""
        entries = self.journal.entries()
        self.expect(entries)
        made = {
            entry[kind] for entry in entries for kind in ("directory", "copied") if kind in entry
        }
        above = [path for path in made if f"{self.journal.directory}/".startswith(f"{path}/")]
        for entry in reversed(entries):
            # files of the install itself that stay keep their owner
            if entry.get("mended") not in made and entry.get("directory") not in above:
                self.undo(entry)
        if not self.dry:
            self.journal.discard()
        for path in sorted(above, reverse=True):
            self.undo({"directory": path})

    def expect(self, entries: Collection[Entry]) -> None:
        """Note the paths of the entries, and the mounts on the way that root cannot enter."""
        self.others = {thing_of(entry)[1] for entry in entries}
        accounts = {entry["account"] for entry in entries if "account" in entry}
        self.closed = closed_mounts(self.others - accounts)

    def undo(self, entry: Entry) -> None:
        """Take one thing back, or note why it stays."""
        what, path = thing_of(entry)
        if what == "account":
            self.remove_account(entry)
            return
        with self.noting(path):
            refuse_below(self.closed, path)
            with open_parent(path) as (parent, name):
                if what == "mended":
                    self.restore_owner(parent, name, entry)
                elif what == "copied":
                    self.remove_copy(parent, name, entry)
                elif what == "file":
                    self.remove_file(parent, name, entry)
                else:
                    self.remove_directory(parent, name, path)

    @contextlib.contextmanager
    def noting(self, path: str) -> Iterator[None]:
        """Note why a path stays; one that is gone already is fine."""
        try:
            yield
        except FileNotFoundError:
            pass
        except Refused as error:
            self.left.append(str(error))
        except OSError as error:
            self.left.append(f"{path}: {error}")

    def restore_owner(self, parent: int, name: str, entry: Entry) -> None:
        """Give a directory or file the owner and mode that it had."""
        try:
            descriptor = os.open(name, DIRECTORY, dir_fd=parent)
        except NotADirectoryError:
            descriptor = open_own_file(parent, name, entry["mended"])[0]
        try:
            status = os.fstat(descriptor)
            now = [status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)]
            uid, gid, mode = entry["before"]
            former = entry["after"][0] or uid, entry["after"][1] or gid
            given = former != (uid, gid) and stat.S_ISDIR(status.st_mode)
            if given and not self.dry:
                # a killed run may have reached only the paths below
                change_owners(descriptor, entry["mended"], former, (uid, gid), self.others)
            lists = entry.get("lists")
            if now == [uid, gid, mode] and lists in (None, lists_of(descriptor)):
                return
            # an install gives owners to directories only; a file would take its content along
            if entry["before"][:2] != entry["after"][:2] and not stat.S_ISDIR(status.st_mode):
                raise planted(entry["mended"], status, "a directory")
            # the run may have been killed between owner and mode, and a list changes the mode too
            midway = [mode] if lists is None else [mode, mode & ~0o777 | LISTED_MODE]
            if now not in (entry["after"], *([*entry["after"][:2], each] for each in midway)):
                self.left.append(f"{entry['mended']}: changed since by another account")
                return
            if not self.dry:
                os.fchown(descriptor, uid, gid)
                if lists is not None:
                    set_lists(descriptor, lists)
                os.fchmod(descriptor, mode)
            self.changes.append(f"{entry['mended']}: {uid}:{gid} {mode:04o} again")
        finally:
            os.close(descriptor)

    def remove_file(self, parent: int, name: str, entry: Entry) -> None:
        """Remove a first file that was not written to."""
        descriptor, status = open_own_file(parent, name, entry["file"])
        digest = ""
        with os.fdopen(descriptor, "rb") as handle:
            # an owner may have made it as long as no disk is
            if status.st_size <= _LONGEST_FIRST_FILE:
                digest = hashlib.sha256(handle.read(_LONGEST_FIRST_FILE)).hexdigest()
        # a killed run may leave an empty one
        if status.st_size and digest != entry["sha256"]:
            self.owners.add(status.st_uid)
            self.left.append(f"{entry['file']}: written to since")
            return
        if not self.dry:
            os.unlink(name, dir_fd=parent)
        self.note_removed(entry["file"])

    def remove_copy(self, parent: int, name: str, entry: Entry) -> None:
        """Remove a copy of a directory, unless an account has written to a file in it."""
        path = entry["copied"]
        with system.opened(name, DIRECTORY, parent) as descriptor:
            status = os.fstat(descriptor)
            written = written_since(descriptor, path, entry["at"])
        if written:
            self.owners.add(status.st_uid)
            self.left.append(f"{path}: written to since")
            return
        if not self.dry:
            remove_everything(parent, path, status.st_dev)
        self.note_removed(path)

    def remove_directory(self, parent: int, name: str, path: str) -> None:
        """Remove a directory that is empty by now."""
        with system.opened(name, DIRECTORY, parent) as descriptor:
            status = os.fstat(descriptor)
            names = sorted(os.listdir(descriptor))
        others = [other for other in names if os.path.join(path, other) not in self.gone]
        if others:
            self.keep_directory(path, status.st_uid, others)
            return
        try:
            if not self.dry:
                os.rmdir(name, dir_fd=parent)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            # another process was quicker
            self.keep_directory(path, status.st_uid, names)
            return
        self.note_removed(path)

    def keep_directory(self, path: str, uid: int, _names: list[str]) -> None:
        """Note that a directory stays, as it is not empty."""
        # the journal itself, and releases that stay for inspection, belong to root
        if uid != 0:
            self.owners.add(uid)
            self.left.append(f"{path}: not empty")

    def note_removed(self, thing: str) -> None:
        """Note that something is not there any more."""
        self.changes.append(f"{thing}: removed")
        self.gone.add(thing)

    def remove_account(self, entry: Entry) -> None:
        """Remove an account that owns none of the files that stay."""
        name = entry["account"]
        account = system.account_of(name)
        if account is None:
            return
        if account.pw_gecos.rstrip(",") != entry["comment"]:
            self.left.append(f"account {name}: changed since by another account")
            return
        if account.pw_uid in self.owners:
            self.left.append(f"account {name}: it owns files that stay")
            return
        if not self.dry:
            try:
                fault = system.remove_account(name, with_home=entry["home"])
            except OSError as error:
                fault = str(error)
            if fault:
                self.left.append(f"account {name}: {fault}")
                return
        self.note_removed(f"account {name}")
