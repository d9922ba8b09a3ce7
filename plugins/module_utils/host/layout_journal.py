# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that installs created and changed around the bot: a journal, then a record.

The journal is a file of lines, each a JSON document that is on the disk before what it names
happens:

- ``{"account": NAME, "comment": TEXT, "home": MADE}``: an account; ``home`` is whether its home
  will be made as well.
- ``{"directory": PATH}``: a directory that is made.
- ``{"copied": PATH, "at": SECONDS}``: a directory that is made as a copy of another.
- ``{"file": PATH, "sha256": DIGEST}``: a file that is made.
- ``{"mended": PATH, "before": [UID, GID, MODE], "after": [UID, GID, MODE]}``, and ``lists``, the
  access lists before, where these are given as well.

Read backwards it leads to the former state, over any number of runs that were cut short. The record
has the same lines, one for each thing, of every verified install.
"""

from __future__ import annotations

import json
import os
import shlex
from typing import TYPE_CHECKING, Any, TypedDict

from ..rules.documents import Text, Unfit, check, read_json
from ..rules.file_state import FileState
from .access_lists import Lists
from .files import (
    ID,
    MODE,
    PATH,
    Damaged,
    damaged,
    look,
    move_away,
    remove_file,
    remove_if_empty,
    replace,
    sync_directory,
)
from .system import opened

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_MOST_LINES = 20
_OWNED = [ID, ID, MODE]
_DIGEST = Text(r"[0-9a-f]{64}", "a SHA-256")
_LIST = (Text(r"([0-9a-f]{2}){4,65536}", "an access list in hexadecimal digits"), None)
_FORMS: dict[str, dict[str, Any]] = {
    "account": {"account": Text(r"[^\s:/]{1,256}", "an account"), "comment": str, "home": bool},
    "directory": {"directory": PATH},
    "copied": {"copied": PATH, "at": int},
    "file": {"file": PATH, "sha256": _DIGEST},
    "mended": {"mended": PATH, "before": _OWNED, "after": _OWNED, "lists?": [_LIST, _LIST]},
}


class Entry(TypedDict, total=False):
    """A line of the journal. Its first key is its kind, and names the path or the account."""

    account: str
    comment: str
    home: bool
    directory: str
    copied: str
    at: int
    file: str
    sha256: str
    mended: str
    before: Sequence[int]
    after: Sequence[int]
    lists: Lists


def thing_of(entry: Entry) -> tuple[str, str]:
    """Return the kind of an entry, and the path or the account that it is about."""
    kind, name = next(iter(entry.items()))
    return kind, str(name)


def merged(entries: Iterable[Entry]) -> list[Entry]:
    """Return one entry for each thing: as it was first of all, and as it was made last."""
    found: dict[tuple[str, str], Entry] = {}
    for entry in entries:
        thing = thing_of(entry)
        earlier = found.get(thing, {})
        if "before" in entry and "before" in earlier:
            entry = {**entry, "before": earlier["before"]}
            if "lists" in earlier:
                entry["lists"] = earlier["lists"]
        found[thing] = entry
    return list(found.values())


class LayoutJournal:
    """Journal and record in ``directory``, root's alone, which is made when there is something."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.path = os.path.join(directory, "layout")
        self.record = os.path.join(directory, "made")

    def note(self, entry: Entry) -> None:
        """Record the next step before it happens."""
        made = []
        place = self.directory
        while not os.path.lexists(place):
            made.append(place)
            place = os.path.dirname(place)
        for place in reversed(made):
            # other accounts pass through those above it to reach the release
            os.mkdir(place, 0o700 if place == self.directory else 0o755)
            sync_directory(os.path.dirname(place))
        new = not os.path.lexists(self.path)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
        above: list[Entry] = [{"directory": place} for place in reversed(made)]
        text = "".join(f"{json.dumps(line)}\n" for line in (*above, entry))
        try:
            with opened(self.path, flags) as descriptor:
                size = os.fstat(descriptor).st_size
                torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
                # a disk that fills up takes a part of it, and then fails
                with open(descriptor, "ab", closefd=False) as handle:
                    handle.write((b"\n" if torn else b"") + text.encode())
                os.fsync(descriptor)
        except OSError as error:
            # the error names the path that is about to change, and not the journal
            error.filename = self.path
            raise
        if new:
            sync_directory(self.directory)

    def entries(self) -> list[Entry]:
        """Return the unverified entries in their order, without a line that was cut off.

        Raises Damaged.
        """
        return self._read(self.path)

    def all_entries(self) -> list[Entry]:
        """Return everything that installs created and changed, the unverified one included.

        Raises Damaged.
        """
        return merged([*self._read(self.record), *self._read(self.path)])

    def prove(self) -> None:
        """Merge the journal into the record."""
        if self.entries():
            self.keep(self.all_entries())
        self.discard()

    def keep(self, entries: Iterable[Entry]) -> None:
        """Replace the record."""
        text = "".join(f"{json.dumps(entry)}\n" for entry in entries)
        replace([FileState(self.record, text.encode(), 0o600)])

    def _read(self, path: str) -> list[Entry]:
        found: list[Entry] = []
        faults: dict[int, Unfit] = {}
        for number, line in enumerate((look(path).content or b"").split(b"\n"), start=1):
            # a run that was killed may leave the beginning of a line, or NULs in its place
            text = line.strip(b"\0")
            if not text or (text.startswith(b"{") and not text.endswith(b"}")):
                continue
            try:
                found.append(_entry(text))
            except Unfit as error:
                faults[number] = error
        if faults:
            raise _damaged_lines(path, faults)
        return found

    def discard(self) -> None:
        """Remove the journal, and its directory when it is empty."""
        remove_file(self.path)
        remove_if_empty(self.directory)


def _damaged_lines(path: str, faults: Mapping[int, Unfit]) -> Damaged:
    number, fault = next(iter(faults.items()))
    lines = "".join(f"{line}d;" for line in faults)
    fix = (
        "remove the damaged file on the host, and an uninstall keeps the files that it listed: "
        f"sed -i '{lines}' {shlex.quote(path)}"
    )
    if len(faults) > _MOST_LINES:
        fix = move_away(path)
    place = fault.place if fault.place.startswith(": ") else ""
    more = f", and {len(faults) - 1} more lines like it" if len(faults) > 1 else ""
    return damaged(f"{path}:{number}{place}", fault.found + more, fault.expected, fix)


def _entry(text: bytes) -> Entry:
    entry: Entry = read_json(text, dict)
    # the first key is the kind of the entry
    kind = next(iter(entry), "")
    if kind not in _FORMS:
        raise Unfit("", f"a line that begins with {json.dumps(kind)}", f"{', '.join(_FORMS)}")
    check(entry, _FORMS[kind])
    return entry
