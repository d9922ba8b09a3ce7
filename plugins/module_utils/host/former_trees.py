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
from .system import opened
from .tree_removal import remove_everything
from .tree_walk import Walk

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
    try:
        account = pwd.getpwuid(former.uid)
        _remove_copy(parent, place)
        os.mkdir(staging, 0o700, dir_fd=parent)
        with opened(staging, _DIRECTORY, parent) as copy:
            if os.fstat(copy).st_uid != os.geteuid():
                # the owner of the parent put another directory there
                raise _not_copied(former.path, place, "the copy was exchanged")
            os.fchown(copy, account.pw_uid, account.pw_gid)
            [fault] = ask_as(account, [lambda: _copy(former, place)], _SECONDS)
            if fault:
                raise _not_copied(former.path, place, str(fault))
            yield staging, copy, (account.pw_uid, account.pw_gid)
    except KeyError as error:
        raise _not_copied(former.path, place, f"UID {former.uid} has no account") from error
    finally:
        # after the rename there is none
        _remove_copy(parent, place)


def _remove_copy(parent: int, place: str) -> None:
    with contextlib.suppress(OSError, Refused):
        remove_everything(parent, place, os.fstat(parent).st_dev)


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
    except RecursionError:
        return "directories in it are nested too deeply"
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
            f"list what is in it, on the host: find {path} -ls",
        )
    )


def written_since(root: int, path: str, time: int) -> bool:
    """Return whether a file below an open directory changed after a time.

    path: that of the directory. A file that was moved there keeps the time of its content, and gets
    another time of change. What cannot be seen may have changed.
    """
    walk = _Written(root, path, time)
    walk.run()
    return walk.found


class _Written(Walk):
    """Looking for a file that changed after a time."""

    def __init__(self, root: int, path: str, time: int) -> None:
        super().__init__(root, path, _SECONDS)
        self.time = time
        self.found = False

    def entry(self, name: bytes) -> bool:
        """Look at a file; return whether it is a directory."""
        status = os.stat(name, dir_fd=self.here, follow_symlinks=False)
        is_directory = stat.S_ISDIR(status.st_mode)
        if not is_directory and max(status.st_mtime, status.st_ctime) > self.time:
            self.found = True
        return is_directory

    def foreign(self, _name: bytes) -> None:
        """Count a mount as written to."""
        self.found = True

    def fault(self, _name: bytes, _why: str) -> None:
        """Count what cannot be seen as written to."""
        self.found = True
