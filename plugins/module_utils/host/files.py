# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files in directories that root alone can write: read, kept as copies, replaced by rename."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shlex
import shutil
import stat
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO

from ..rules.documents import Text, Unfit
from ..rules.documents import read_json as read_document
from ..rules.file_state import FileState
from ..rules.problems import Problem, Refused
from .symlink_guard import kind_of
from .system import opened

if TYPE_CHECKING:
    from collections.abc import Iterable

# no file that a run reads back as a whole is nearly as large
MOST_BYTES = 1 << 24
_PIECE = 1 << 20
_MANIFEST = "manifest.json"
PATH = Text(r"(/(?!\.\.?(/|\Z))[^/]+)+", "an absolute path")
ID = range(2**32 - 1)
MODE = range(0o10000)
_COPY = Text(r"[0-9]{1,9}", "the name of a copy")
_KEPT = [{"path": PATH, "copy": (_COPY, None), "mode": MODE, "uid": ID, "gid": ID}]


class Damaged(Refused):
    """A file that cannot be used as it is."""

    problem: Problem


def digest_of(handle: BinaryIO) -> str:
    """Return the SHA-256 of the rest of an open file of any size. Raises OSError."""
    found = hashlib.sha256()
    for piece in iter(partial(handle.read, _PIECE), b""):
        found.update(piece)
    return found.hexdigest()


def look(path: str, fix: str = "", *, links: bool = False) -> FileState:
    """Return the state of a path.

    fix: the fix for a path that is refused, moving it away by default. links:
    whether a link is followed.
    Raises Damaged for anything but a regular file that can be read and is not too large, and
    PermissionError where only root could see it.
    """
    try:
        flags = os.O_RDONLY | os.O_NONBLOCK | (0 if links else os.O_NOFOLLOW)
        with opened(path, flags) as descriptor:
            status, content = os.fstat(descriptor), None
            if stat.S_ISREG(status.st_mode):
                with open(descriptor, "rb", closefd=False) as handle:
                    content = handle.read(MOST_BYTES + 1)
    except FileNotFoundError:
        return FileState(path, None)
    except OSError as error:
        if isinstance(error, PermissionError) and os.geteuid() != 0:
            raise
        found = f"a file that cannot be read ({error.strerror})"
        # a link, and a socket
        if error.errno in (errno.ELOOP, errno.ENXIO):
            with contextlib.suppress(OSError):
                found = kind_of(os.lstat(path))
        raise damaged(path, found, fix=fix) from error
    if content is None:
        raise damaged(path, kind_of(status), fix=fix)
    if len(content) > MOST_BYTES:
        raise damaged(path, f"a file of {max(status.st_size, len(content))} bytes", fix=fix)
    return FileState(path, content, stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)


def damaged(path: str, found: str, expected: str = "", fix: str = "") -> Damaged:
    """Return the exception of a file, or a place in it, that is not as expected."""
    return Damaged(
        Problem(
            path,
            found,
            expected or f"a file of at most {MOST_BYTES >> 20} MiB, or nothing",
            fix or move_away(path),
        )
    )


def move_away(path: str) -> str:
    """Return the fix that moves a path away."""
    return f"move it away on the host: {move_beside(path, '.old')}"


def move_beside(path: str, ending: str) -> str:
    """Return the command that moves a path to one with an ending, where nothing is yet."""
    free, number = path + ending, 1
    while os.path.lexists(free):
        number += 1
        free = f"{path}{ending}.{number}"
    return f"mv {shlex.quote(path)} {shlex.quote(free)}"


def replace(states: Iterable[FileState]) -> None:
    """Give every path its state; when one cannot be written, leave every path as it was.

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
    """Remove the leftovers of a killed ``replace`` of these paths."""
    for path in paths:
        remove_file(_beside(path))


def _beside(path: str) -> str:
    # sudo passes over a name with a dot in a directory of drop-ins. The name is always the same,
    # so that the next run finds the leftovers of a killed one; root alone writes there.
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
    try:
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(content)
            handle.flush()
            os.fchown(handle.fileno(), uid, gid)
            os.fchmod(handle.fileno(), mode)
            os.fsync(handle.fileno())
    except OSError as error:
        # an error of an open file, such as a full disk, does not name the file
        error.filename = error.filename or path
        raise


def write_json(path: str, data: Any) -> None:
    """Replace a file of root's own by a JSON document, in one step."""
    replace([FileState(path, json.dumps(data, indent=2).encode() + b"\n", 0o600)])


def read_json(path: str, form: Any, fix: str = "") -> Any:
    """Return the document of a JSON file, None when there is no file.

    form: as module_utils/rules/documents.py has it. fix: as ``look`` has it.
    Raises Damaged when it is anything else.
    """
    content = look(path, fix).content
    if content is None:
        return None
    try:
        return read_document(content, form)
    except Unfit as error:
        raise damaged(
            path + error.place, error.found, error.expected, fix or move_away(path)
        ) from error


def keep(directory: str, states: Iterable[FileState]) -> None:
    """Add copies of files, with their owners and modes, to a directory, which is made if need be.

    They count, all together, from the last step on.
    """
    os.makedirs(directory, mode=0o700, exist_ok=True)
    path = os.path.join(directory, _MANIFEST)
    manifest = read_json(path, _KEPT) or []
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


def kept(directory: str, fix: str = "") -> list[FileState]:
    """Return the document of ``keep``. fix: as in ``look``. Raises Damaged if incomplete."""
    fix = fix or move_away(directory)
    expect_directory(directory, fix)
    path = os.path.join(directory, _MANIFEST)
    manifest = read_json(path, _KEPT, fix)
    if manifest is None:
        raise damaged(path, "nothing", "a list of the files that are kept there", fix)
    states: dict[str, FileState] = {}
    for entry in manifest:
        if entry["path"] in states:
            raise damaged(path, f"{entry['path']} twice", "each file once", fix)
        content = None
        if entry["copy"] is not None:
            copy = os.path.join(directory, entry["copy"])
            content = look(copy, fix).content
            if content is None:
                raise damaged(copy, "nothing", f"the copy of {entry['path']}", fix)
        states[entry["path"]] = FileState(
            entry["path"], content, entry["mode"], entry["uid"], entry["gid"]
        )
    return list(states.values())


def expect_directory(path: str, fix: str = "") -> None:
    """Raise Damaged for anything but a directory that is no link; absent is fine."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return
    except PermissionError:
        raise
    except OSError as error:
        raise damaged(
            path, f"a path that ends early ({error.strerror})", "a directory", fix
        ) from error
    if not stat.S_ISDIR(status.st_mode):
        raise damaged(path, kind_of(status), "a directory", fix)


def remove_if_empty(directory: str) -> None:
    """Remove a directory unless something is in it."""
    if os.path.isdir(directory) and not os.listdir(directory):
        os.rmdir(directory)


def point(link: str, target: str | None) -> None:
    """Make a link point to a target in one step, or remove it when the target is None.

    Raises Refused when something else is in its place.
    """
    if target is None:
        remove_file(link)
        return
    if os.path.lexists(link) and not os.path.islink(link):
        raise Refused(f"{link} is not a link. Fix: move it away on the host")
    remove_file(_beside(link))
    os.symlink(target, _beside(link))
    os.rename(_beside(link), link)
    sync_directory(os.path.dirname(link))


def remove_tree(directory: str) -> None:
    """Remove a directory of root's own so that it is never there in part; absent is fine.

    Removes any other kind of file at the path as well.
    """
    finish_removal(directory)
    if os.path.lexists(directory):
        going = _beside(directory)
        try:
            os.rename(directory, going)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            # overlayfs moves no directory that came with an image, and then removes it in part
            going = directory
        if os.path.isdir(going) and not os.path.islink(going):
            shutil.rmtree(going)
        else:
            os.unlink(going)


def finish_removal(directory: str) -> None:
    """Remove the leftovers of a killed ``remove_tree`` of this directory."""
    shutil.rmtree(_beside(directory), ignore_errors=True)


def sync_directory(directory: str) -> None:
    """Write renames within a directory through to the disk."""
    with opened(directory, os.O_RDONLY | os.O_DIRECTORY) as descriptor:
        os.fsync(descriptor)


def remove_file(path: str) -> None:
    """Remove a file or link; absent is fine."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
