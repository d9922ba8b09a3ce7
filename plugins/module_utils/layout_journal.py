# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What installs have made and mended around the bot: a journal until it is proven, then a record.

The journal is a file of lines, each a JSON document that is on the disk before what it tells
happens:

- ``{"account": NAME, "comment": TEXT, "home": MADE}``: an account; ``home`` tells whether its home
  will be made as well.
- ``{"directory": PATH}``: a directory that is made.
- ``{"file": PATH, "sha256": DIGEST}``: a file that is made.
- ``{"mended": PATH, "before": [UID, GID, MODE], "after": [UID, GID, MODE]}``.

Read backwards it leads to what was before, over however many runs that were cut short. The record
has the same lines, one for each thing, of every proven install.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from .root_files import FileState, remove_file, replace, sync_directory

if TYPE_CHECKING:
    from collections.abc import Iterable


def merged(entries: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one entry for each thing: as it was first of all, and as it was made last."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for entry in entries:
        thing = next(iter(entry.items()))
        if "before" in entry and thing in found:
            entry = {**entry, "before": found[thing]["before"]}
        found[thing] = entry
    return list(found.values())


class LayoutJournal:
    """Journal and record in ``directory``, root's alone, which is made when there is something."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.path = os.path.join(directory, "layout")
        self.record = os.path.join(directory, "made")

    def note(self, entry: dict[str, Any]) -> None:
        """Write down what is about to happen."""
        made = []
        place = self.directory
        while not os.path.lexists(place):
            made.append(place)
            place = os.path.dirname(place)
        for place in reversed(made):
            # others pass through those above it on their way to the release
            os.mkdir(place, 0o700 if place == self.directory else 0o755)
            sync_directory(os.path.dirname(place))
        new = not os.path.lexists(self.path)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
        descriptor = os.open(self.path, flags, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            entries = [*({"directory": place} for place in reversed(made)), entry]
            text = "".join(f"{json.dumps(line)}\n" for line in entries)
            os.write(descriptor, (b"\n" if torn else b"") + text.encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if new:
            sync_directory(self.directory)

    def entries(self) -> list[dict[str, Any]]:
        """Return what is not proven, in its order; what was cut off in the middle never was."""
        return self._read(self.path)

    def all_entries(self) -> list[dict[str, Any]]:
        """Return what every install has made and mended, the unproven one included."""
        return merged([*self._read(self.record), *self._read(self.path)])

    def prove(self) -> None:
        """Let the journal go over into the record."""
        if self.entries():
            self.keep(self.all_entries())
        self.discard()

    def keep(self, entries: Iterable[dict[str, Any]]) -> None:
        """Replace the record."""
        text = "".join(f"{json.dumps(entry)}\n" for entry in entries)
        replace([FileState(self.record, text.encode(), 0o600)])

    def _read(self, path: str) -> list[dict[str, Any]]:
        try:
            with open(path, "rb") as handle:
                lines = handle.read().split(b"\n")
        except FileNotFoundError:
            return []
        found = []
        for line in lines:
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
        return found

    def discard(self) -> None:
        """Forget it, and its directory when nothing else is in it."""
        remove_file(self.path)
        if os.path.isdir(self.directory) and not os.listdir(self.directory):
            os.rmdir(self.directory)
