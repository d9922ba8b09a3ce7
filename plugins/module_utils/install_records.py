# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The records of installs on a host: the journal of the unfinished one, and the proven ones.

``<install_dir>/installs`` belongs to root alone (0700), as files in it hold secrets::

    pending/journal.json   there while a switch is neither proven nor taken back
    pending/former/        copies of the files that were live before it
    pending/kai.db         the database before it, when the release changes
    layout                 what else it has made and mended (layout_journal.py)
    7/record.json          a proven install
    7/deployed/            copies of its files
    7/kai.db               the database before it
    original/              what was there before the first install

A journal becomes a record by one rename. The install of Kai's own installer, which the first one
replaces, becomes the record before it.
"""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from .built_release import ENVIRONMENT, environment_works, is_complete
from .installs import FLAT
from .root_files import (
    Refused,
    discard_unfinished,
    keep,
    kept,
    look,
    point,
    read_json,
    remove_file,
    remove_tree,
    sync_directory,
    write_json,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .root_files import FileState

SNAPSHOT = "kai.db"
_JOURNAL = "journal.json"
_FORMER = "former"
_DEPLOYED = "deployed"
_RECORD = "record.json"
_ADOPTED = "adopted"
_ORIGINAL = "original"
_ORIGINAL_FILES = "files"
_ORIGINAL_STATE = "state.json"


def now() -> str:
    """Return the time in UTC, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


@dataclass
class Journal:
    """What has to be known to take a switch back, or to keep it.

    former_release, active, enabled: the last proven state's, as the host showed it.
    release, managed, rolled_back_to: what is being brought about; managed are the files that it
    was told to write, by path.
    database, account: set while the database is exchanged. data_dir: set while the data is.
    """

    former_release: str | None
    active: bool
    enabled: bool
    release: str
    managed: dict[str, bool]
    rolled_back_to: int | None = None
    database: str = ""
    account: str = ""
    data_dir: str = ""
    opened: str = field(default_factory=now)


@dataclass
class Original:
    """What was there before the first install.

    release, active, enabled: of the bot, as the host showed it. files: what was in the place of
    each file that an install was told to write.
    """

    release: str | None
    active: bool
    enabled: bool
    files: list[FileState]


class Installs:
    """The releases and records below one install directory."""

    def __init__(self, install_dir: str) -> None:
        self.install_dir = install_dir
        self.current = os.path.join(install_dir, "current")
        self.releases = os.path.join(install_dir, "releases")
        self.directory = os.path.join(install_dir, "installs")
        self.pending = os.path.join(self.directory, "pending")

    def live(self) -> str | None:
        """Return the release that ``current`` points to, FLAT without a link, None without both."""
        try:
            return os.path.basename(os.readlink(self.current))
        except FileNotFoundError:
            return FLAT if self.has_flat() else None
        except OSError as error:
            raise Refused(f"{self.current} is not a link; move it away on the host") from error

    def release_path(self, release: str) -> str:
        """Return the directory of a release."""
        return self.install_dir if release == FLAT else os.path.join(self.releases, release)

    def has_flat(self) -> bool:
        """Return whether there is an install of Kai's own installer."""
        return os.path.isdir(os.path.join(self.install_dir, ENVIRONMENT))

    def go_live(self, release: str | None) -> None:
        """Point ``current`` to a release in one step; FLAT and None are live without it."""
        aside = release is None or release == FLAT
        point(self.current, None if aside else self.release_path(str(release)))

    def built(self) -> dict[str, bool]:
        """Return every release on the host, and whether its build is complete."""
        flat = {FLAT: environment_works(self.install_dir)} if self.has_flat() else {}
        return flat | {name: is_complete(self.release_path(name)) for name in self.names()}

    def names(self) -> list[str]:
        """Return every release but that of Kai's own installer, complete or not; runs nothing."""
        try:
            names = os.listdir(self.releases)
        except FileNotFoundError:
            return []
        # what begins with a dot is the scratch of a build
        return [
            name
            for name in sorted(names)
            if not name.startswith(".")
            and name != FLAT
            and os.path.isdir(os.path.join(self.releases, name))
        ]

    def journal(self) -> Journal | None:
        """Return the journal of an unfinished install, None when there is none."""
        data = read_json(os.path.join(self.pending, _JOURNAL))
        return None if data is None else Journal(**data)

    def former(self) -> list[FileState]:
        """Return the files that were live before the unfinished install."""
        return kept(os.path.join(self.pending, _FORMER))

    def open_journal(self, journal: Journal, former: Sequence[FileState]) -> None:
        """Write down what is about to be changed; it counts from the last step on.

        A journal that is open already keeps the former state that it knows and learns what it
        does not.
        """
        known = {state.path for state in self.former()} if self.journal() else set()
        keep(
            os.path.join(self.pending, _FORMER),
            [state for state in former if state.path not in known],
        )
        self.write_journal(journal)

    def write_journal(self, journal: Journal) -> None:
        """Replace the journal."""
        write_json(os.path.join(self.pending, _JOURNAL), asdict(journal))

    def prepare(self) -> None:
        """Make the directories of the journal."""
        for directory in (self.directory, self.pending):
            os.makedirs(directory, mode=0o700, exist_ok=True)

    def close_journal(self) -> None:
        """Forget the unfinished install; the former state is back, or nothing was changed."""
        remove_tree(self.pending)

    def original(self) -> Original | None:
        """Return what was there before the first install, also when that is not proven yet.

        None when there was no install.
        """
        place = os.path.join(self.directory, _ORIGINAL)
        state, journal = read_json(os.path.join(place, _ORIGINAL_STATE)), self.journal()
        files = kept(os.path.join(place, _ORIGINAL_FILES)) if state else []
        if journal:
            known = {entry.path for entry in files}
            # a file that an install writes for the first time was the operator's own until then
            files += [entry for entry in self.former() if entry.path not in known]
            state = state or {
                "release": journal.former_release,
                "active": journal.active,
                "enabled": journal.enabled,
            }
        return Original(files=files, **state) if state else None

    def remember_original(self) -> None:
        """Keep what was there before the first install, and before each file's first one."""
        original = self.original()
        if original is None:
            return
        place = os.path.join(self.directory, _ORIGINAL)
        files = os.path.join(place, _ORIGINAL_FILES)
        known = set()
        if os.path.exists(os.path.join(place, _ORIGINAL_STATE)):
            known = {entry.path for entry in kept(files)}
        else:
            # what a killed run left
            remove_tree(place)
        os.makedirs(place, mode=0o700, exist_ok=True)
        keep(files, [entry for entry in original.files if entry.path not in known])
        state = {
            "release": original.release,
            "active": original.active,
            "enabled": original.enabled,
        }
        write_json(os.path.join(place, _ORIGINAL_STATE), state)

    def snapshot(self, number: int | None = None) -> str:
        """Return where the database before an install is kept; None means the unfinished one."""
        place = self.pending if number is None else os.path.join(self.directory, str(number))
        return os.path.join(place, SNAPSHOT)

    def numbers(self) -> list[int]:
        """Return the numbers of the proven installs, lowest first."""
        try:
            names = os.listdir(self.directory)
        except FileNotFoundError:
            return []
        return sorted(int(name) for name in names if name.isdecimal())

    def records(self) -> list[dict[str, Any]]:
        """Return the proven installs, oldest first, as module_utils/installs.py tells them."""
        return [self.record(number) for number in self.numbers()]

    def record(self, number: int) -> dict[str, Any]:
        """Return one proven install. Raises Refused when there is none of that number."""
        path = os.path.join(self.directory, str(number), _RECORD)
        record = read_json(path)
        if record is None:
            raise Refused(f"{path} is missing")
        return {**record, "number": number, "snapshot": os.path.exists(self.snapshot(number))}

    def deployed(self, number: int) -> list[FileState]:
        """Return the files of a proven install."""
        return kept(os.path.join(self.directory, str(number), _DEPLOYED))

    def adopt(self, journal: Journal, proof: dict[str, Any]) -> None:
        """Put the install of Kai's own installer on record when an unfinished one replaces it.

        Nothing is done when it is on record, or was not live. proof: the arguments with which the
        bot can be proven to be back.
        """
        known = {record["release"] for record in self.records()}
        if journal.former_release != FLAT or FLAT in known:
            return
        place = os.path.join(self.pending, _ADOPTED)
        shutil.rmtree(place, ignore_errors=True)
        os.mkdir(place, 0o700)
        keep(os.path.join(place, _DEPLOYED), self.former())
        record = {
            "release": FLAT,
            "time": journal.opened,
            # what this install is not told to write is the operator's own, then as now
            "managed": journal.managed,
            "rolled_back_to": None,
            "proof": proof,
        }
        write_json(os.path.join(place, _RECORD), record)
        os.rename(place, os.path.join(self.directory, str(self.next_number())))
        sync_directory(self.directory)

    def next_number(self) -> int:
        """Return the number of the next record."""
        return max(self.numbers(), default=0) + 1

    def keep_journal(self, journal: Journal, proof: dict[str, Any], by: str = "") -> int:
        """Turn the journal into the record of a proven install, and return its number.

        proof: the arguments with which it was proven, without secrets. by: who installed, empty
        when nobody said.
        """
        deployed = os.path.join(self.pending, _DEPLOYED)
        shutil.rmtree(deployed, ignore_errors=True)
        keep(deployed, [look(path) for path in journal.managed])
        number = self.next_number()
        record = {
            "release": journal.release,
            "time": now(),
            "managed": journal.managed,
            "rolled_back_to": journal.rolled_back_to,
            "proof": proof,
            "by": by or None,
        }
        write_json(os.path.join(self.pending, _RECORD), record)
        os.rename(self.pending, os.path.join(self.directory, str(number)))
        sync_directory(self.directory)
        return number

    def remove_flat(self, parts: Sequence[str]) -> None:
        """Remove what Kai's own installer made below ``install_dir``, and nothing else.

        parts: paths below it, in their order; a parent that is empty then goes as well.
        """
        for part in parts:
            path = os.path.join(self.install_dir, part)
            parent = os.path.dirname(path)
            nested = parent != self.install_dir
            if nested and os.path.islink(parent):
                # what it leads to is not of the installer
                continue
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            else:
                remove_file(path)
            if nested and os.path.isdir(parent) and not os.listdir(parent):
                os.rmdir(parent)

    def others(self) -> list[str]:
        """Return what is in ``install_dir`` besides releases and records."""
        own = {self.current, self.releases, self.directory}
        paths = {os.path.join(self.install_dir, name) for name in os.listdir(self.install_dir)}
        return sorted(paths - own)

    def forget_former(self, number: int) -> None:
        """Remove from a record what only its journal needed."""
        place = os.path.join(self.directory, str(number))
        remove_tree(os.path.join(place, _FORMER))
        remove_file(os.path.join(place, _JOURNAL))

    def forget_original(self) -> None:
        """Forget what was there before the first install."""
        remove_tree(os.path.join(self.directory, _ORIGINAL))

    def remove_record(self, number: int) -> None:
        """Remove a record."""
        remove_tree(os.path.join(self.directory, str(number)))

    def discard_scratch(self, paths: Sequence[str]) -> None:
        """Remove what a killed switch left beside the files and the link."""
        discard_unfinished([*paths, self.current])
