# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The records of installs on a host: the journal of the unfinished one, and the verified ones.

``<install_dir>/installs`` belongs to root alone (0700), as files in it hold secrets::

    pending/journal.json   exists while a switch is neither verified nor reverted
    pending/former/        copies of the files that were live before it
    pending/kai.db         the database before it, when the release changes
    layout                 everything else that it created and changed (layout_journal.py)
    7/record.json          a verified install
    7/deployed/            copies of its files
    7/kai.db               the database before it
    original/              the files from before the first install

A journal becomes a record by one rename. The install of Kai's own installer, which the first one
replaces, becomes the record before it.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import stat
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Final

from ..rules.documents import Text
from ..rules.file_state import FileState
from ..rules.installs import FLAT, MODELS, UNRECORDED_LINE
from ..rules.proof_arguments import PROOF
from .built_release import ENVIRONMENT, environment_works, is_complete
from .files import (
    PATH,
    Damaged,
    damaged,
    digest_of,
    discard_unfinished,
    expect_directory,
    keep,
    kept,
    look,
    move_beside,
    point,
    read_json,
    remove_file,
    remove_if_empty,
    remove_tree,
    sync_directory,
    write_json,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..rules.module_arguments import ProofPlan
    from ..rules.run_results import RecordedInstall

SNAPSHOT = "kai.db"
_JOURNAL = "journal.json"
_FORMER = "former"
_DEPLOYED = "deployed"
_RECORD = "record.json"
_ADOPTED = "adopted"
_ORIGINAL = "original"
_ORIGINAL_FILES = "files"
_ORIGINAL_STATE = "state.json"
_SNAPSHOT_DIGEST: Final = "snapshot_sha256"

_NUMBER = re.compile(r"[1-9][0-9]{0,8}")
_RELEASE = Text(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", "the name of a release")
_LINE = Text(r"[0-9][0-9.]{0,9}", "a release line")
_TIME = Text(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "a time in UTC")
_STATE = {"release": (_RELEASE, None), "active": bool, "enabled": bool}
_INSTALL = range(1, 10**9)
_JOURNAL_FORM = {
    "former_release": (_RELEASE, None),
    "active": bool,
    "enabled": bool,
    "release": _RELEASE,
    "managed": {PATH: bool},
    "rolled_back_to": (_INSTALL, None),
    "database": (PATH, Text("", "nothing")),
    "account": (Text(r"[^\s:/]{1,256}", "an account"), Text("", "nothing")),
    "data_dir": (PATH, Text("", "nothing")),
    "line?": _LINE,
    "former_line?": _LINE,
    "without_database?": bool,
    "opened": _TIME,
}
_RECORD_FORM = {
    "release": _RELEASE,
    "time": _TIME,
    "managed": {PATH: bool},
    "rolled_back_to": (_INSTALL, None),
    "proof": PROOF,
    "by?": (str, None),
    "line?": _LINE,
    f"{_SNAPSHOT_DIGEST}?": Text(r"[0-9a-f]{64}", "a SHA-256"),
    # additions of a later version do not affect a rollback of this one
    str: object,
}


def _names_in(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except PermissionError:
        raise
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not os.path.islink(directory):
            return []
        found = f"a directory that cannot be listed ({error.strerror})"
        raise damaged(directory, found, "a directory") from error


def _is_directory(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)


def _digest(path: str) -> str:
    with open(path, "rb") as handle:
        return digest_of(handle)


def _aside(path: str) -> str:
    return f"move it aside on the host: {move_beside(path, '.damaged')}"


def now() -> str:
    """Return the time in UTC, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


@dataclass
class Journal:
    """The state that reverts a switch, or keeps it.

    former_release, active, enabled: the last verified state's, as the host showed it.
    release, managed, rolled_back_to: the desired state; managed has, by path, whether the switch
    writes a file.
    database, account: set while the database is exchanged. data_dir: set while the data is.
    line, former_line: the release lines of both; where they differ, neither reads the database of
    the other. without_database: whether the last verified state had no database.
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
    line: str = UNRECORDED_LINE
    former_line: str = UNRECORDED_LINE
    without_database: bool = False
    opened: str = field(default_factory=now)

    @property
    def crosses_lines(self) -> bool:
        """Whether the desired state is of another release line."""
        return self.line != self.former_line

    @property
    def had_no_database(self) -> bool:
        """Whether a database that is there now is no former bot's, but one of another line."""
        return self.crosses_lines and self.without_database and self.former_release is not None


@dataclass
class Original:
    """The state before the first install.

    release, active, enabled: of the bot, as the host showed it. files: what was in the place of
    each file that an install writes.
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
        # Kai's own installer has them in the same place, so an adoption leaves them where they are
        self.models = os.path.join(install_dir, MODELS)

    def live(self) -> str | None:
        """Return the release that ``current`` points to, FLAT without a link, None without both.

        Raises Damaged.
        """
        try:
            return os.path.basename(os.readlink(self.current))
        except FileNotFoundError:
            return FLAT if self.has_flat() else None
        except PermissionError:
            raise
        except OSError as error:
            raise damaged(self.current, "something else", "a link to a release") from error

    def release_path(self, release: str) -> str:
        """Return the directory of a release."""
        return self.install_dir if release == FLAT else os.path.join(self.releases, release)

    def has_flat(self) -> bool:
        """Return whether there is an install of Kai's own installer."""
        return os.path.isdir(os.path.join(self.install_dir, ENVIRONMENT))

    def go_live(self, release: str | None) -> None:
        """Point ``current`` to a release in one step; FLAT and None are live without it."""
        if self.lacks_models(release):
            # in one step, so that a run which is killed leaves nothing beside it
            os.symlink(self.models, os.path.join(self.release_path(str(release)), MODELS))
        aside = release is None or release == FLAT
        point(self.current, None if aside else self.release_path(str(release)))

    def lacks_models(self, release: str | None) -> bool:
        """Return whether a release that is there has neither models of its own nor the link."""
        if release is None or release == FLAT:
            return False
        path = self.release_path(release)
        return os.path.isdir(path) and not os.path.lexists(os.path.join(path, MODELS))

    def built(self) -> dict[str, bool]:
        """Return every release on the host, and whether its build is complete."""
        flat = {FLAT: environment_works(self.install_dir)} if self.has_flat() else {}
        return {**flat, **{name: is_complete(self.release_path(name)) for name in self.names()}}

    def names(self) -> list[str]:
        """Return every release but that of Kai's own installer, complete or not; runs nothing."""
        # a name that begins with a dot is the scratch of a build
        return [
            name
            for name in sorted(_names_in(self.releases))
            if not name.startswith(".")
            and name != FLAT
            and _is_directory(os.path.join(self.releases, name))
        ]

    def journal(self) -> Journal | None:
        """Return the journal of an unfinished install, None when there is none. Raises Damaged."""
        expect_directory(self.directory, _aside(self.directory))
        expect_directory(self.pending, self._fix_of_pending)
        path = os.path.join(self.pending, _JOURNAL)
        data = read_json(path, _JOURNAL_FORM, self._fix_of_pending)
        return None if data is None else Journal(**data)

    def former(self) -> list[FileState]:
        """Return the files that were live before the unfinished install. Raises Damaged."""
        return kept(os.path.join(self.pending, _FORMER), self._fix_of_pending)

    @property
    def _fix_of_pending(self) -> str:
        return (
            f"{_aside(self.pending)}, then run kai-ansible install, which takes the live state "
            "as the former one"
        )

    def open_journal(self, journal: Journal, former: Sequence[FileState]) -> None:
        """Record the coming changes; the record counts from the last step on.

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
        # a first install that failed leaves none
        remove_if_empty(self.directory)

    def original(self) -> Original | None:
        """Return the state before the first install, also if that is not verified yet.

        None when there was no install. Where it was moved away, nothing was there but what no
        install wrote. Raises Damaged.
        """
        place = os.path.join(self.directory, _ORIGINAL)
        fix = (
            f"move it away on the host: mv {shlex.quote(place)} /root/kai-original. An uninstall "
            "then removes the files that installs wrote, and the files from before are in "
            f"/root/kai-original/{_ORIGINAL_FILES}"
        )
        expect_directory(place, fix)
        state = read_json(os.path.join(place, _ORIGINAL_STATE), _STATE, fix)
        journal = self.journal()
        files = kept(os.path.join(place, _ORIGINAL_FILES), fix) if state else []
        if state is None and self.numbers():
            state = {"release": None, "active": False, "enabled": False}
            written = [record["managed"] for record in self.records()]
            paths = dict.fromkeys(path for managed in written for path in managed if managed[path])
            files = [FileState(path, None) for path in paths]
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
        """Keep the state before the first install, and the first former content of each file."""
        original = self.original()
        if original is None:
            return
        place = os.path.join(self.directory, _ORIGINAL)
        files = os.path.join(place, _ORIGINAL_FILES)
        known = set()
        if os.path.exists(os.path.join(place, _ORIGINAL_STATE)):
            known = {entry.path for entry in kept(files)}
        else:
            # the leftovers of a killed run
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

    def has_snapshot(self, number: int | None = None) -> bool:
        """Return whether the database before an install was kept; None is the unfinished one."""
        try:
            status = os.lstat(self.snapshot(number))
        except OSError:
            return False
        return stat.S_ISREG(status.st_mode) and status.st_size > 0

    def check_snapshot(self, number: int) -> None:
        """Raise Damaged if the database before a verified install is not as it was kept."""
        wanted = self.record(number).get(_SNAPSHOT_DIGEST)
        path = self.snapshot(number)
        fix = (
            "roll back to another install, or without the database to one of the same line; "
            f"{path} stays for inspection"
        )
        if not self.has_snapshot(number):
            raise damaged(path, "no copy of a database", "the database before that install", fix)
        if wanted is not None and _digest(path) != wanted:
            raise damaged(path, "another content than the one that was kept", "that one", fix)

    def numbers(self) -> list[int]:
        """Return the numbers of the verified installs, lowest first, damaged ones included."""
        expect_directory(self.directory, _aside(self.directory))
        return sorted(int(name) for name in _names_in(self.directory) if _NUMBER.fullmatch(name))

    def records(self) -> list[RecordedInstall]:
        """Return the verified installs, oldest first, as module_utils/rules/installs.py has them.

        A damaged one is not among them.
        """
        found = []
        for number in self.numbers():
            with contextlib.suppress(Damaged):
                found.append(self.record(number))
        return found

    def record(self, number: int) -> RecordedInstall:
        """Return one verified install. Raises Damaged, also if its files are incomplete."""
        place = os.path.join(self.directory, str(number))
        fix = self._fix_of_record(number)
        expect_directory(place, fix)
        path = os.path.join(place, _RECORD)
        record: RecordedInstall | None = read_json(path, _RECORD_FORM, fix)
        if record is None:
            raise damaged(path, "nothing", "the record of an install", fix)
        for state in self.deployed(number):
            if state.path not in record["managed"]:
                raise damaged(path, f"no managed.{state.path}, whose copy is kept", "both", fix)
        line = record.get("line", UNRECORDED_LINE)
        # without the one that was kept, no rollback may take the database for absent
        snapshot = self.has_snapshot(number) or _SNAPSHOT_DIGEST in record
        return {
            **record,
            "number": number,
            "snapshot": snapshot,
            "line": line,
            "by": record.get("by"),
        }

    def is_recorded(self) -> bool:
        """Return whether the last record is of what is live: the release with all its files.

        The operator may have moved the record away. Raises Refused if the live release is unknown.
        """
        records = self.records()
        if not records or records[-1]["release"] != self.live():
            return False
        managed = records[-1]["managed"]
        recorded = self.deployed(records[-1]["number"])
        try:
            return all(look(one.path) == one for one in recorded if managed[one.path])
        except Damaged:
            return False

    def line(self) -> str:
        """Return the release line of the last verified install."""
        records = self.records()
        return records[-1]["line"] if records else UNRECORDED_LINE

    def deployed(self, number: int) -> list[FileState]:
        """Return the files of a verified install. Raises Damaged."""
        place = os.path.join(self.directory, str(number), _DEPLOYED)
        return kept(place, self._fix_of_record(number))

    def _fix_of_record(self, number: int) -> str:
        aside = _aside(os.path.join(self.directory, str(number)))
        if number != max(self.numbers(), default=number):
            return f"leave it, for only a rollback to install {number} needs it, or {aside}"
        return f"{aside}, then run kai-ansible install, which records the live install again"

    def adopt(self, journal: Journal, proof: ProofPlan) -> None:
        """Put the install of Kai's own installer on record when an unfinished one replaces it.

        Does nothing if it is on record, or was not live. proof: the arguments that verify the
        return of the bot.
        """
        known = {record["release"] for record in self.records()}
        if journal.former_release != FLAT or FLAT in known:
            return
        place = os.path.join(self.pending, _ADOPTED)
        remove_tree(place)
        os.mkdir(place, 0o700)
        keep(os.path.join(place, _DEPLOYED), self.former())
        record = {
            "release": FLAT,
            "time": journal.opened,
            # a file that this install does not write is the operator's own, then as now
            "managed": journal.managed,
            "rolled_back_to": None,
            "proof": proof,
            "line": journal.former_line,
        }
        write_json(os.path.join(place, _RECORD), record)
        os.rename(place, os.path.join(self.directory, str(self.next_number())))
        sync_directory(self.directory)

    def next_number(self) -> int:
        """Return the number of the next record."""
        return max(self.numbers(), default=0) + 1

    def keep_journal(self, journal: Journal, proof: ProofPlan, by: str = "") -> int:
        """Turn the journal into the record of a verified install, and return its number.

        proof: the arguments of its verification, without secrets. by: who installed, empty
        when unknown.
        """
        deployed = os.path.join(self.pending, _DEPLOYED)
        remove_tree(deployed)
        keep(deployed, [look(path) for path in journal.managed])
        number = self.next_number()
        record = {
            "release": journal.release,
            "time": now(),
            "managed": journal.managed,
            "rolled_back_to": journal.rolled_back_to,
            "proof": proof,
            "by": by or None,
            "line": journal.line,
        }
        if self.has_snapshot():
            record[_SNAPSHOT_DIGEST] = _digest(self.snapshot())
        write_json(os.path.join(self.pending, _RECORD), record)
        os.rename(self.pending, os.path.join(self.directory, str(number)))
        sync_directory(self.directory)
        return number

    def remove_flat(self, parts: Sequence[str]) -> None:
        """Remove the files of Kai's own installer below ``install_dir``, and nothing else.

        parts: paths below it, in their order; removes an empty parent as well.
        """
        for part in parts:
            path = os.path.join(self.install_dir, part)
            parent = os.path.dirname(path)
            nested = parent != self.install_dir
            if nested and os.path.islink(parent):
                # the target of a link is not the installer's
                continue
            if _is_directory(path):
                shutil.rmtree(path)
            else:
                remove_file(path)
            if nested:
                remove_if_empty(parent)

    def others(self) -> list[str]:
        """Return the files in ``install_dir`` besides releases, records and models."""
        own = {self.current, self.releases, self.directory, self.models}
        paths = {os.path.join(self.install_dir, name) for name in os.listdir(self.install_dir)}
        return sorted(paths - own)

    def forget_former(self, number: int) -> None:
        """Remove the parts of a record that only its journal required."""
        place = os.path.join(self.directory, str(number))
        remove_tree(os.path.join(place, _FORMER))
        remove_tree(os.path.join(place, _JOURNAL))

    def forget_original(self) -> None:
        """Remove the record of the state before the first install."""
        remove_tree(os.path.join(self.directory, _ORIGINAL))

    def remove_record(self, number: int) -> None:
        """Remove a record."""
        remove_tree(os.path.join(self.directory, str(number)))

    def discard_scratch(self, paths: Sequence[str]) -> None:
        """Remove the leftovers of a killed switch beside the files and the link."""
        discard_unfinished([*paths, self.current])
