# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refusing links and files that another account put where root would write."""

from __future__ import annotations

import errno
import os
import shlex
import stat

from ..rules.problems import Problem, Refused
from .system import name_of

READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
# the owner of a file may hold a lease on it, which blocks every other reader for a while; a Mac, on
# which the command may run, has no O_PATH
HANDLE = os.O_NOFOLLOW | getattr(os, "O_PATH", READ)


def kind_of(status: os.stat_result) -> str:
    """Return the kind of a path and its owner, in words."""
    kinds = {
        stat.S_IFLNK: "a link",
        stat.S_IFIFO: "a named pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFBLK: "a device",
        stat.S_IFCHR: "a device",
        stat.S_IFDIR: "a directory",
    }
    owner = name_of(status.st_uid) or f"UID {status.st_uid}"
    return f"{kinds.get(stat.S_IFMT(status.st_mode), 'a file')} of {owner}"


def planted(path: str, status: os.stat_result, expected: str) -> Refused:
    """Return the refusal of a path that is not the directory or file that belongs there."""
    found = kind_of(status)
    if stat.S_ISLNK(status.st_mode):
        found += ", in a directory that root does not own alone"
    return Refused(
        Problem(
            path,
            found,
            expected,
            f"check it on the host (ls -ld {shlex.quote(path)}), and move it away: "
            f"mv {shlex.quote(path)} {shlex.quote(path + '.planted')}",
        )
    )


def open_own_file(
    parent: int, name: str, path: str, flags: int = READ
) -> tuple[int, os.stat_result]:
    """Return a descriptor and the status of a file in an open directory.

    path: its path in a refusal. flags: READ, or HANDLE for a file that is not read. Raises Refused
    for anything but a file that has this name alone, FileNotFoundError without it.
    """
    try:
        descriptor = os.open(name, flags, dir_fd=parent)
    except OSError as error:
        # a link, or a socket
        if error.errno not in (errno.ELOOP, errno.ENXIO):
            raise
        status = os.stat(name, dir_fd=parent, follow_symlinks=False)
        raise planted(path, status, "a file") from error
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode) and status.st_nlink == 1:
        return descriptor, status
    os.close(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise planted(path, status, "a file")
    raise Refused(
        Problem(
            path,
            f"{kind_of(status)} that has {status.st_nlink} names, so it may lie elsewhere as well",
            "a file of its own",
            f"find its other name on the host, and remove one: find / -xdev -inum {status.st_ino}",
        )
    )
