# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove everything that installs created: releases, records, directories, and data on request.

The bot's own files are not in here: kai_switch restores the former ones. As with every undo,
nothing goes that another account has put there, and no link is followed.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..rules.installs import HOLDS_DATA, OWNS_DATA
from . import system
from .files import finish_removal, remove_tree
from .layout_journal import thing_of
from .layout_undo import LayoutUndo, open_parent
from .left_processes import end_processes
from .mounts import is_closed
from .tree_removal import problem_of_mount, remove_everything, remove_filled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .layout_journal import Entry, LayoutJournal
    from .records import Installs

_SHOWN = 5


class Removal(LayoutUndo):
    """One removal. In check mode everything that would succeed counts as done.

    service_user: the account that owns the data.
    purge: whether to remove the data too, where an install made its directory: ``data_dir`` as a
    whole, what the bot wrote of ``bot_files``, and the account.
    """

    def __init__(
        self,
        installs: Installs,
        journal: LayoutJournal,
        dry: bool,
        service_user: str,
        data_dir: str,
        bot_files: Sequence[str],
        purge: bool,
    ) -> None:
        super().__init__(journal, dry)
        self.installs = installs
        self.service_user = service_user
        self.data_dir = os.path.realpath(data_dir)
        self.bot_files = [real(path) for path in bot_files]
        self.purge = purge

    def run(self) -> None:
        """Remove everything, the records last, so that the next run can finish a killed one."""
        entries = self.journal.all_entries()
        self.expect(entries)
        made = {entry["directory"] for entry in entries if "directory" in entry}
        above = {path for path in made if f"{self.journal.directory}/".startswith(f"{path}/")}
        self.finish_former()
        self.expect_switched()
        self.remove_releases()
        if self.purge:
            self.remove_data(made)
        for entry in reversed(entries):
            # files of the install itself that stay keep their owner
            if entry.get("mended") not in made and entry.get("directory") not in above:
                self.undo(entry)
        staying = [
            entry for entry in entries if self.stays(entry) and entry.get("directory") not in above
        ]
        self.remove_records(staying, above)
        self.remove_place(above, bool(staying))
        if not self.purge:
            # the data is reported once
            below = f"{self.data_dir}/"
            others = [line for line in self.left if not line.startswith(below)]
            data = [f"{self.data_dir}: {HOLDS_DATA}"] if len(others) < len(self.left) else []
            self.left = sorted({*others, *data})

    def finish_former(self) -> None:
        """End a removal that was cut off in its last step."""
        place = self.journal.directory
        while not self.dry and place != "/":
            finish_removal(place)
            place = os.path.dirname(place)

    def expect_switched(self) -> None:
        """Count files as gone that kai_switch removes, which it has not done in check mode."""
        original = self.installs.original()
        for state in original.files if original else ():
            if state.content is None:
                self.gone.add(real(state.path))
        self.gone.add(real(self.installs.current))

    def remove_releases(self) -> None:
        """Remove every release but that of Kai's own installer, and leftovers of builds."""
        for name in self.installs.names():
            self.discard(self.installs.release_path(name))
            self.changes.append(f"release {name}: removed")
        if os.path.isdir(self.installs.releases):
            for name in os.listdir(self.installs.releases):
                if name.startswith("."):
                    self.discard(os.path.join(self.installs.releases, name))

    def remove_data(self, made: set[str]) -> None:
        """Remove the data and the bot's own files, if an install created the directory."""
        if not self.dry and self.data_dir in made:
            end_processes(self.data_dir)
        for path in [self.data_dir, *self.bot_files]:
            if not {path, os.path.dirname(path)} & made:
                continue
            with self.noting(path), open_parent(path) as (parent, name):
                self.remove_whole(parent, name, path)

    def remove_whole(self, parent: int, name: str, path: str) -> None:
        """Remove a file or directory with everything in it."""
        device = os.stat(name, dir_fd=parent, follow_symlinks=False).st_dev
        mounts = self.mounts_in(path)
        self.left += [str(problem_of_mount(os.fsencode(point))) for point in mounts]
        if not self.dry:
            remove_everything(parent, path, device)
        if not mounts:
            self.note_removed(path)

    def mounts_in(self, path: str) -> list[str]:
        """Return the mounts at a path or below it, without the data directory itself."""
        return [point for point in system.mounts_below(path) if point != self.data_dir]

    def undo(self, entry: Entry) -> None:
        """Take one thing back, or note why it stays."""
        what, name = thing_of(entry)
        if what != "account":
            if not self.is_gone(name):
                super().undo(entry)
        elif name != self.service_user:
            advice = system.advice_to_remove_account(name)
            self.left.append(f"account {name}: it belongs to a user; {advice} removes it")
        elif self.purge:
            super().undo(entry)
        else:
            self.left.append(f"account {name}: {OWNS_DATA}")

    def remove_copy(self, parent: int, name: str, entry: Entry) -> None:
        """Keep a copy of a user's directory, which is data."""
        status = os.stat(name, dir_fd=parent, follow_symlinks=False)
        self.keep_directory(entry["copied"], status.st_uid, [])

    def keep_directory(self, path: str, uid: int, names: list[str]) -> None:
        """Note that a directory stays, and its content."""
        if uid != 0:
            self.owners.add(uid)
            self.left.append(f"{path}: {HOLDS_DATA}")
        else:
            more = ["..."] if len(names) > _SHOWN else []
            shown = ", ".join([*names[:_SHOWN], *more])
            self.left.append(f"{path}: no install made its content ({shown})")

    def stays(self, entry: Entry) -> bool:
        """Return whether a thing is still there that a later removal could take."""
        what, name = thing_of(entry)
        if what == "account":
            is_gone = f"account {name}" in self.gone or system.account_of(name) is None
            return name == self.service_user and not is_gone
        if what == "mended" or self.is_gone(name):
            return False
        if self.mounts_in(name) or is_closed(self.closed, name):
            return True
        # files that another account has put into a directory of root's own are not waited for
        return owner(name) not in ((None, 0) if self.purge else (None,))

    def is_gone(self, path: str) -> bool:
        """Return whether a path, or a directory above it, has been removed."""
        return f"{path}/".startswith(tuple(f"{other}/" for other in self.gone))

    def remove_records(self, staying: Sequence[Entry], above: set[str]) -> None:
        """Remove the records of the installs, except layout entries of paths that stay."""
        self.discard(os.path.join(self.installs.install_dir, ".snapshot"))
        if staying:
            self.left.append(f"{self.journal.directory}: the record of the changes of an install")
            if not self.dry:
                places: list[Entry] = [{"directory": path} for path in above]
                self.journal.keep([*staying, *places])
        numbers = [str(number) for number in self.installs.numbers()]
        for name in [*numbers, "pending", "original", os.path.basename(self.journal.path)]:
            self.discard(os.path.join(self.installs.directory, name))

    def remove_place(self, above: set[str], stays: bool) -> None:
        """Remove the directory of the records, and those above it that an install has made.

        In one step, which removes all knowledge of them. stays: whether it is still required.
        """
        inner = self.journal.directory
        going = [inner] if os.path.isdir(inner) and not stays else []
        for path in sorted(above - {inner}, reverse=True):
            others = [
                name
                for name in sorted(os.listdir(path))
                if os.path.join(path, name) not in {inner, *self.gone}
            ]
            if others:
                self.keep_directory(path, 0, others)
            if others or not going:
                break
            going.append(path)
            inner = path
        for path in going:
            self.note_removed(path)
        if going and not self.dry:
            remove_tree(inner)

    def discard(self, path: str) -> None:
        """Remove something of root's own."""
        self.gone.add(real(path))
        if self.dry:
            return
        # what a build leaves when it is killed, other accounts may have filled
        remove_filled(path)


def real(path: str) -> str:
    """Return a path whose directory is one without links."""
    directory, name = os.path.split(path)
    return os.path.join(os.path.realpath(directory), name)


def owner(path: str) -> int | None:
    """Return the owner of a path, None if it is absent. Raises OSError."""
    try:
        return os.lstat(path).st_uid
    except (FileNotFoundError, NotADirectoryError):
        return None
