# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking a snapshot of the bot's database, and restoring it.

The directory of the database belongs to the service user, who can put links there and change them
at any moment. So it is read as the service user, whose own rights are all that a link could abuse;
SQLite as root would also follow the links of the files that it keeps beside a database, and a
damaged database would be parsed by root. It is exchanged by root, for the service user could stop
its own processes in the middle, by names in a directory that is open, which follows no link.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import sqlite3
import stat
from typing import TYPE_CHECKING
from urllib.parse import quote

from ..rules.accounts import refuse_alias_of_root
from ..rules.problems import Refused
from . import system
from .child_process import ChildProcess
from .files import remove_file
from .free_space import free_bytes
from .layout import Tree
from .sparse import PIECE, extents_of
from .tree_removal import remove_filled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# SQLite keeps pending changes in files beside the main file
COMPANIONS = ("-wal", "-shm", "-journal")
# SQLite's message for SQLITE_FULL
_NO_ROOM = "database or disk is full"
# SQLite's message for SQLITE_BUSY
_LOCKED = "database is locked"
_STOPPED = "the process that reads it was stopped or killed"
_LIMIT_SECONDS = 600
_BUSY_SECONDS = 30


class NotKept(Refused):
    """A database of which there is no copy; ``fault`` is the reason."""

    def __init__(self, message: str, fault: str) -> None:
        super().__init__(message)
        self.fault = fault


class Held(NotKept):
    """A database that a process of the service user keeps from being read."""


def has_content(path: str) -> bool:
    """Return whether there is a database; an empty file is none.

    Raises Refused when the path is anything but a file.
    """
    status = _status_of(None, path)
    if status and not stat.S_ISREG(status.st_mode):
        raise Refused(f"{path} is not a regular file. Fix: check it on the host: ls -l {path}")
    return bool(status and status.st_size)


def is_none(path: str) -> bool:
    """Return whether there is no database: nothing, or an empty file.

    Anything else that lies there, such as a link, is no sign that the bot had none.
    """
    status = _status_of(None, path)
    return status is None or (stat.S_ISREG(status.st_mode) and status.st_size == 0)


def save(path: str, copy: str, account: str, scratch_parent: str) -> None:
    """Write a consistent and checked copy of a database, which may be in use, 0600 for root.

    copy: a new file in a directory of root's own.
    account: the service user, as whom the database is read and the copy is checked.
    scratch_parent: a directory of root's own that the account can pass through.
    Raises NotKept when the database is damaged or cannot be read, and without free space for the
    copy; Held when a process of the account blocks it.
    """
    entry = pwd.getpwnam(account)
    # always the same name, so that the next run removes the copy of a killed run
    scratch = os.path.join(scratch_parent, ".snapshot")
    remove_filled(scratch)
    os.mkdir(scratch, 0o700)
    try:
        os.chown(scratch, entry.pw_uid, entry.pw_gid)
        made = os.path.join(scratch, "kai.db")
        limit = free_bytes(scratch_parent)
        fault = _as_account(entry, lambda: _copy_and_check(path, made, limit))
        if fault == _NO_ROOM:
            raise _no_room(path, scratch_parent)
        if fault:
            said = f"{path} cannot be copied ({fault}), so nothing was switched. Fix: "
            if fault in (_LOCKED, _STOPPED):
                end = f"end the process that holds it (fuser -v {path}), and run this again"
                raise Held(said + end, fault)
            raise NotKept(
                f"{said}repair it, or, if you can do without its data, move it away: the bot then "
                f"creates a new one. Then run this again",
                fault,
            )
        # the account may have put something else there in the meantime
        with system.opened(made, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK) as source:
            status = os.fstat(source)
            if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
                raise NotKept(f"{made} is not the copy that was made", "its copy was exchanged")
            _copy(source, status.st_size, copy, path)
    finally:
        with contextlib.suppress(OSError, Refused):
            remove_filled(scratch)


def _copy(source: int, size: int, copy: str, path: str) -> None:
    """Copy the first bytes of an open file of another account, which may extend it meanwhile.

    Holes stay holes. Raises NotKept without free space.
    """
    parent = os.path.dirname(copy)
    extents = extents_of(source, size)
    if extents.stored > free_bytes(parent):
        raise _no_room(path, parent)
    unfinished = f"{copy}.new"
    remove_file(unfinished)
    target = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(target, "wb") as writing:
        for start, end in extents:
            writing.seek(start)
            while start < end:
                piece = os.pread(source, min(PIECE, end - start), start)
                if not piece:
                    raise NotKept(f"{path}: its copy became shorter", "its copy was changed")
                writing.write(piece)
                start += len(piece)
        writing.truncate(size)
        writing.flush()
        os.fsync(target)
    os.rename(unfinished, copy)


def _no_room(path: str, directory: str) -> NotKept:
    return NotKept(
        f"there is no free space for a copy of {path}, so nothing was switched. Fix: free some "
        f"(df -h {directory}), and run this again",
        f"no free space for a copy of it in {directory}",
    )


def exchange(path: str, copy: str | None, account: str, suffix: str) -> None:
    """Replace a database by a copy, and keep it beside that. The bot must not run.

    copy: None for no database. The former one becomes kai.db<suffix>, and SQLite's files beside it
    kai.db<suffix>-wal and so on, where SQLite finds them. account: the owner of the copy.
    A second call with the same suffix keeps the database that the first one replaced.
    Raises Refused when that cannot be done.
    """
    entry = pwd.getpwnam(account)
    with contextlib.ExitStack() as stack:
        reading = stack.enter_context(open(copy, "rb")) if copy is not None else None
        parent, name = stack.enter_context(_directory_of(path, "replaced"))
        former = _status_of(parent, name)
        mode = stat.S_IMODE(former.st_mode) if former else 0o600
        is_kept = _status_of(parent, name + suffix) is not None
        # the main file last: once it is away, nothing beside its place belongs to it any more
        for companion in (*COMPANIONS, ""):
            if is_kept:
                _remove(parent, name + companion)
            else:
                _rename(parent, name + companion, name + suffix + companion)
        _remove(parent, f"{name}.new")
        if reading is not None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            target = os.open(f"{name}.new", flags, 0o600, dir_fd=parent)
            with os.fdopen(target, "wb") as writing:
                shutil.copyfileobj(reading, writing)
                writing.flush()
                os.fchown(target, entry.pw_uid, entry.pw_gid)
                os.fchmod(target, mode)
                os.fsync(target)
            os.rename(f"{name}.new", name, src_dir_fd=parent, dst_dir_fd=parent)
        os.fsync(parent)


def exchange_back(path: str, suffix: str, *, had_none: bool = False) -> str:
    """Undo ``exchange``, or an interrupted one, or finish an interrupted call of this.

    had_none: whether there was no database before, so that the copy goes away again.
    Returns the path to which it went, empty when there was none. Raises Refused when that cannot be
    done.
    """
    with _directory_of(path, "restored") as (parent, name):
        if had_none and not _status_of(parent, name + suffix):
            unwanted = f"{name}{suffix}.unwanted"
            is_there = _status_of(parent, name) is not None
            for companion in (*COMPANIONS, ""):
                _rename(parent, name + companion, unwanted + companion)
            os.fsync(parent)
            return os.path.join(os.path.dirname(path), unwanted) if is_there else ""
        if _status_of(parent, name + suffix):
            for companion in (*COMPANIONS, ".new"):
                _remove(parent, name + companion)
        # the main file first, for the same reason
        for companion in ("", *COMPANIONS):
            _rename(parent, name + suffix + companion, name + companion)
        os.fsync(parent)
        return ""


@contextlib.contextmanager
def _directory_of(path: str, done: str) -> Iterator[tuple[int, str]]:
    """Yield a descriptor of the directory of a database, and the database's name in it."""
    try:
        opened = Tree(None, dry=True).open_parent(path)
        if opened is None:
            raise FileNotFoundError("its directory is gone")
        try:
            yield opened[:2]
        finally:
            os.close(opened[0])
    except (OSError, Refused) as error:
        raise Refused(
            f"{path} cannot be {done}: {error}. Fix: namei -l {path} shows what keeps root out"
        ) from error


def _copy_and_check(path: str, copy: str, limit: int) -> None:
    # SQLite would wait forever for a writer of a pipe
    for companion in COMPANIONS:
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISREG(os.lstat(path + companion).st_mode):
                raise OSError(f"{path}{companion} is not a regular file")
    # read only: nothing is checkpointed or rolled back in a database that a bot may be using
    source = sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True, timeout=_BUSY_SECONDS)
    [pages], [page_bytes] = (
        source.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "page_size")
    )
    # it may have holes, which the copy has not
    if pages * page_bytes > limit:
        raise sqlite3.OperationalError(_NO_ROOM)
    target = sqlite3.connect(copy)
    # all pages in one step, so that a bot that writes cannot make it start again forever
    source.backup(target, pages=-1)
    source.close()
    [verdict] = target.execute("PRAGMA integrity_check(1)").fetchone()
    target.close()
    if verdict != "ok":
        raise sqlite3.DatabaseError(verdict)


def _as_account(account: pwd.struct_passwd, work: Callable[[], None]) -> str:
    """Run work in a child process as an account; return the fault, empty without one.

    Raises PermissionError for an account that is root under another name.
    """
    refuse_alias_of_root(account)

    def become_and_work(writing: int) -> None:
        fault = "an error that is not known"
        try:
            system.become(account, for_good=True)
            os.umask(0o077)
            work()
            fault = ""
        except (OSError, sqlite3.Error) as error:
            fault = str(error) or type(error).__name__
        finally:
            os.write(writing, b"+" + fault.encode("utf-8", "replace"))

    child = ChildProcess(become_and_work)
    try:
        said = child.read(_LIMIT_SECONDS)
    finally:
        child.end()
    if said:
        return said[1:].decode("utf-8", "replace")
    if said is None and not child.stopped:
        return f"no end within {_LIMIT_SECONDS} s"
    return _STOPPED


def _status_of(parent: int | None, name: str) -> os.stat_result | None:
    """Return the status of a name in an open directory, or of a path; None where it is not."""
    try:
        return os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _rename(parent: int, name: str, other: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.rename(name, other, src_dir_fd=parent, dst_dir_fd=parent)


def _remove(parent: int, name: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=parent)
