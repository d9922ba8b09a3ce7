# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of directories that another release line of the bot has under other names.

The former directory stays as it is, so that the former bot can come back. Its owner makes the copy:
whatever links are in it, the owner's rights are all that they could abuse.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..rules.problems import Problem, Refused
from .run_as import ask_as
from .symlink_guard import HANDLE, handle_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SECONDS = 1800.0
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


@dataclass(frozen=True)
class Former:
    """A former directory: its path, its owner, and the files that get another place in the copy."""

    path: str
    uid: int
    renames: Mapping[str, str]


@contextlib.contextmanager
def copied(
    former: Former, parent: int, name: str, base: str
) -> Iterator[tuple[str, int, tuple[int, int]]]:
    """Copy a former directory beside the place that it gets in an open parent.

    base: the path of the parent. Yields the name of the copy, a descriptor of it, and its owner's
    UID and GID; what is left of it at the end is removed. Raises Refused when it cannot be copied.
    """
    staging = f".{name}.copy"
    place = os.path.join(base, staging)
    opened = os.open(".", HANDLE, dir_fd=parent)
    pinned = os.path.join(str(handle_of(opened)), staging)
    try:
        shutil.rmtree(pinned, ignore_errors=True)
        account = pwd.getpwuid(former.uid)
        os.mkdir(staging, 0o700, dir_fd=parent)
        copy = os.open(staging, _DIRECTORY, dir_fd=parent)
        try:
            if os.fstat(copy).st_uid != os.geteuid():
                # the owner of the parent put another directory there
                raise _not_copied(former.path, place, "the copy was exchanged")
            os.fchown(copy, account.pw_uid, account.pw_gid)
            [fault] = ask_as(account, [lambda: _copy(former, place)], _SECONDS)
            if fault:
                raise _not_copied(former.path, place, str(fault))
            yield staging, copy, (account.pw_uid, account.pw_gid)
        finally:
            os.close(copy)
    except KeyError as error:
        raise _not_copied(former.path, place, f"UID {former.uid} has no account") from error
    finally:
        # after the rename there is none
        shutil.rmtree(pinned, ignore_errors=True)
        os.close(opened)


def _copy(former: Former, place: str) -> str:
    """Copy directories, files and links; return why that failed, empty where it did not."""
    try:
        shutil.copytree(former.path, place, symlinks=True, ignore=_others, dirs_exist_ok=True)
        for old, new in former.renames.items():
            source, target = os.path.join(place, old), os.path.join(place, new)
            # through a link this would take the file of the former directory away
            is_own = os.path.realpath(source) == os.path.join(os.path.realpath(place), old)
            if is_own and os.path.isfile(source) and not os.path.lexists(target):
                os.rename(source, target)
    except shutil.Error as error:
        path, _place, reason = error.args[0][0]
        return f"{path}: {reason}"
    except OSError as error:
        return str(error)
    return ""


def _others(directory: str, names: list[str]) -> set[str]:
    """Return the sockets, pipes and devices among some names."""
    kinds = (stat.S_ISREG, stat.S_ISDIR, stat.S_ISLNK)
    return {
        name
        for name in names
        if not any(kind(os.lstat(os.path.join(directory, name)).st_mode) for kind in kinds)
    }


def _not_copied(path: str, place: str, found: str) -> Refused:
    return Refused(
        Problem(
            path,
            f"not copied to {place} ({found})",
            "a directory whose owner can read all of it",
            f"check it on the host: ls -la {path}",
        )
    )


def written_since(directory: str, time: int) -> bool:
    """Return whether a file below a directory changed after a time. Raises OSError if unseen.

    A file that was moved there keeps the time of its content, and gets another time of change.
    """
    for base, _directories, names in os.walk(directory, onerror=_raise):
        for name in names:
            status = os.lstat(os.path.join(base, name))
            if max(status.st_mtime, status.st_ctime) > time:
                return True
    return False


def _raise(error: OSError) -> None:
    raise error
