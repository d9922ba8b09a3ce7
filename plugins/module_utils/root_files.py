# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files in directories that root alone can write: looked at, kept as copies, replaced by rename."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_MANIFEST = "manifest.json"


class Refused(Exception):
    """Something that keeps a change from being made; the message is for the operator."""


@dataclass(frozen=True)
class FileState:
    """What is, or should be, at a path.

    content: the bytes of a regular file, None when nothing is there; then the rest is 0.
    """

    path: str
    content: bytes | None
    mode: int = 0
    uid: int = 0
    gid: int = 0


def wanted_states(
    entries: Iterable[Mapping[str, Any]], secret_contents: Mapping[str, str]
) -> list[FileState]:
    """Return the states of files as an install wants them; root owns each.

    entries, secret_contents: as the options files and secret_contents of kai_switch have them.
    Raises Refused for a file without a text.
    """
    states = []
    for entry in entries:
        text = entry.get("content")
        if text is None:
            text = secret_contents.get(entry["path"])
        if text is None:
            raise Refused(f"{entry['path']} has no text in files or secret_contents")
        if entry.get("given", True):
            states.append(FileState(entry["path"], str(text).encode(), int(entry["mode"], 8)))
    return states


def look(path: str) -> FileState:
    """Return the state of a path.

    Raises Refused for anything but a regular file, OSError when it cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return FileState(path, None)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise Refused(f"{path} is a link; remove it on the host") from error
        raise
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise Refused(f"{path} is not a regular file; look at it on the host")
    with os.fdopen(descriptor, "rb") as handle:
        mode = stat.S_IMODE(status.st_mode)
        return FileState(path, handle.read(), mode, status.st_uid, status.st_gid)


def replace(states: Iterable[FileState]) -> None:
    """Give every path its state; what cannot be written leaves every path as it was.

    Raises OSError with the path for which it failed.
    """
    states = list(states)
    try:
        for state in states:
            remove_file(_beside(state.path))
            if state.content is not None:
                _write_beside(state)
    except OSError:
        discard_unfinished(state.path for state in states)
        raise
    for state in states:
        if state.content is None:
            remove_file(state.path)
        else:
            os.rename(_beside(state.path), state.path)
    for directory in sorted({os.path.dirname(state.path) for state in states}):
        sync_directory(directory)


def discard_unfinished(paths: Iterable[str]) -> None:
    """Remove what a killed ``replace`` of these paths has left beside them."""
    for path in paths:
        remove_file(_beside(path))


def _beside(path: str) -> str:
    # sudo passes over a name with a dot in a directory of drop-ins. The name is always the same,
    # so that the next run finds what a killed one left; nobody but root writes there.
    directory, name = os.path.split(path)
    return os.path.join(directory, f".{name}.kai-new")


def _write_beside(state: FileState) -> None:
    try:
        write_new(_beside(state.path), state.content or b"", state.mode, state.uid, state.gid)
    except OSError as error:
        error.filename = state.path
        raise


def write_new(path: str, content: bytes, mode: int = 0o600, uid: int = 0, gid: int = 0) -> None:
    """Write a new file through to the disk, 0600 for root until it has its owner and mode."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as handle:
        handle.write(content)
        handle.flush()
        os.fchown(handle.fileno(), uid, gid)
        os.fchmod(handle.fileno(), mode)
        os.fsync(handle.fileno())


def write_json(path: str, data: Any) -> None:
    """Replace a file of root's own by a JSON document, in one step."""
    replace([FileState(path, json.dumps(data, indent=2).encode() + b"\n", 0o600)])


def read_json(path: str) -> Any:
    """Return the document of a JSON file, None when there is no file.

    Raises Refused when it is damaged.
    """
    state = look(path)
    if state.content is None:
        return None
    try:
        return json.loads(state.content)
    except ValueError as error:
        raise Refused(f"{path} is damaged ({error}); remove its directory on the host") from error


def keep(directory: str, states: Iterable[FileState]) -> None:
    """Add copies of files, with their owners and modes, to a directory, which is made if need be.

    They count, all together, from the last step on.
    """
    os.makedirs(directory, mode=0o700, exist_ok=True)
    path = os.path.join(directory, _MANIFEST)
    manifest = read_json(path) or []
    for number, state in enumerate(states, start=len(manifest)):
        copy = os.path.join(directory, str(number))
        remove_file(copy)
        if state.content is not None:
            write_new(copy, state.content)
        manifest.append(
            {
                "path": state.path,
                "copy": None if state.content is None else str(number),
                "mode": state.mode,
                "uid": state.uid,
                "gid": state.gid,
            }
        )
    write_json(path, manifest)


def kept(directory: str) -> list[FileState]:
    """Return what ``keep`` wrote. Raises Refused when it is incomplete."""
    path = os.path.join(directory, _MANIFEST)
    manifest = read_json(path)
    if manifest is None:
        raise Refused(f"{path} is missing")
    states = []
    for entry in manifest:
        copy = entry["copy"] and look(os.path.join(directory, entry["copy"])).content
        if entry["copy"] and copy is None:
            raise Refused(f"{directory}: the copy of {entry['path']} is missing")
        states.append(FileState(entry["path"], copy, entry["mode"], entry["uid"], entry["gid"]))
    return states


def point(link: str, target: str | None) -> None:
    """Make a link point to a target in one step, or remove it when the target is None.

    Raises Refused when something else is in its place.
    """
    if target is None:
        remove_file(link)
        return
    if os.path.lexists(link) and not os.path.islink(link):
        raise Refused(f"{link} is not a link; move it away on the host")
    remove_file(_beside(link))
    os.symlink(target, _beside(link))
    os.rename(_beside(link), link)
    sync_directory(os.path.dirname(link))


def remove_tree(directory: str) -> None:
    """Remove a directory of root's own so that it is never there in part; absent is fine."""
    finish_removal(directory)
    if os.path.lexists(directory):
        going = _beside(directory)
        os.rename(directory, going)
        shutil.rmtree(going)


def finish_removal(directory: str) -> None:
    """Remove what a killed ``remove_tree`` of this directory has left beside it."""
    shutil.rmtree(_beside(directory), ignore_errors=True)


def sync_directory(directory: str) -> None:
    """Write renames within a directory through to the disk."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_file(path: str) -> None:
    """Remove a file or link; absent is fine."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
