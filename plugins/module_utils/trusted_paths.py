# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who besides root may change a program.

Who can write to the file may, and who can write to any directory above it, or above a link on the
way to it, may put another file in its place. A sticky directory protects what is in it from others,
but not from what they put beside it: node looks for modules in every directory above a script.
"""

from __future__ import annotations

import os
import posixpath
import stat
import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any

_MOST_LINKS = 40
_LONGEST_FIRST_LINE = 256

# acl(5) as Linux keeps it in the attribute: a version, then tag, permissions and ID of each entry
_ACL_ATTRIBUTE = "system.posix_acl_access"
_ACL_ENTRY = struct.Struct("<HHI")
_ACL_HEADER = 4
_ACL_USER, _ACL_GROUP_OBJ, _ACL_GROUP, _ACL_MASK = 0x02, 0x04, 0x08, 0x10
_WRITE = 2


class Place(NamedTuple):
    """A file or directory that a program depends on.

    mode: as stat(2) gives it. acl: the attribute of its access list in hexadecimal, empty where
        there is none.
    """

    path: str
    mode: int
    uid: int
    gid: int
    acl: str = ""


def changers(
    places: Iterable[Place],
    name_of: Callable[[int], str],
    members_of: Callable[[int], Iterable[str]],
) -> list[dict[str, Any]]:
    """Return each place that somebody besides root can change: path, accounts, everybody.

    accounts: the names of those who can, in order. everybody: whether every other account can too.

    name_of: returns the name of a UID. members_of: returns the accounts of a group by its GID.
    """
    found = []
    for place in places:
        uids, gids = _writers(place)
        accounts = {name_of(uid) for uid in uids if uid != 0}
        accounts.update(name for gid in gids for name in members_of(gid) if name != "root")
        everybody = bool(place.mode & stat.S_IWOTH)
        if accounts or everybody:
            found.append({"path": place.path, "accounts": sorted(accounts), "everybody": everybody})
    return found


def harmful(
    found: Iterable[Mapping[str, Any]], runners: Iterable[str], untrusted: Iterable[str]
) -> list[Mapping[str, Any]]:
    """Return those of the ``changers`` through whom an account gains power over another one.

    An account that changes what only itself runs gains nothing.

    runners: the accounts that run the program. untrusted: the accounts that an agent or the bot
    runs as; what others can change, an administrator may well want.
    """
    runs, suspects = list(runners), list(untrusted)
    return [
        entry
        for entry in found
        if entry["everybody"]
        or any(
            account != runner
            for account in suspects
            if account in entry["accounts"]
            for runner in runs
        )
    ]


def in_words(*found: Mapping[str, Any]) -> str:
    """Return the ``changers`` for a sentence, each with the places that let them."""
    places: dict[str, list[str]] = {}
    for entry in found:
        for who in ["everybody"] if entry["everybody"] else entry["accounts"]:
            places.setdefault(who, []).append(entry["path"])
    return " and ".join(f"{who} (through {', '.join(paths)})" for who, paths in places.items())


def places_of(path: str, search_path: Sequence[str] = ()) -> list[Place]:
    """Return everything that the program at ``path`` depends on.

    That is what lies on the way to it, to its interpreter, and to each directory in which it finds
    other programs.

    search_path: these directories, as far as they exist; env(1) finds an interpreter there.
    Raises OSError when something cannot be looked at.
    """
    found: dict[str, Place] = {}
    program: str | None = path
    for _link in range(_MOST_LINKS):
        if program is None:
            break
        found.update((place.path, place) for place in _way_to(program))
        program = _interpreter(os.path.realpath(program), search_path)
    else:
        raise OSError(f"{path}: too many interpreters")
    for directory in search_path:
        if os.path.isdir(directory):
            found.update((place.path, place) for place in _way_to(directory))
    return list(found.values())


def _writers(place: Place) -> tuple[set[int], set[int]]:
    """Return UIDs and GIDs that can write to a place; who owns it can let themselves in."""
    uids, gids = {place.uid}, set()
    entries = list(_ACL_ENTRY.iter_unpack(bytes.fromhex(place.acl)[_ACL_HEADER:]))
    # with an access list the bits of the group are its mask
    mask = next((rights for tag, rights, _number in entries if tag == _ACL_MASK), _WRITE)
    group_bits = _WRITE if place.mode & stat.S_IWGRP else 0
    of_group = next(
        (rights for tag, rights, _number in entries if tag == _ACL_GROUP_OBJ), group_bits
    )
    if of_group & mask & _WRITE:
        gids.add(place.gid)
    for tag, rights, number in entries:
        if rights & mask & _WRITE:
            if tag == _ACL_USER:
                uids.add(number)
            elif tag == _ACL_GROUP:
                gids.add(number)
    return uids, gids


def _way_to(path: str) -> Iterator[Place]:
    """Yield every directory on the way to a file, and the file; links are followed, not yielded."""
    rest = path.split("/")[::-1]
    current = "/"
    links = 0
    yield _look_at(current, os.lstat(current))
    while rest:
        part = rest.pop()
        if part in ("", "."):
            continue
        if part == "..":
            current = posixpath.dirname(current)
            continue
        child = posixpath.join(current, part)
        status = os.lstat(child)
        if stat.S_ISLNK(status.st_mode):
            links += 1
            if links > _MOST_LINKS:
                raise OSError(f"{path}: too many links")
            target = os.readlink(child)
            current = "/" if target.startswith("/") else current
            rest += target.split("/")[::-1]
        else:
            yield _look_at(child, status)
            current = child


def _look_at(path: str, status: os.stat_result) -> Place:
    acl = ""
    # no other system has the attribute under this name
    if hasattr(os, "getxattr"):
        try:
            acl = os.getxattr(path, _ACL_ATTRIBUTE, follow_symlinks=False).hex()
        except OSError:
            # none, or a file system without access lists
            acl = ""
    return Place(path, status.st_mode, status.st_uid, status.st_gid, acl)


def _interpreter(path: str, search_path: Sequence[str]) -> str | None:
    """Return the interpreter that the first line of a script names, None for no script."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
        line = os.read(descriptor, _LONGEST_FIRST_LINE).split(b"\n")[0] if is_file else b""
    finally:
        os.close(descriptor)
    words = os.fsdecode(line[2:]).split() if line.startswith(b"#!") else []
    if words and posixpath.basename(words[0]) == "env":
        named = next(
            (word for word in words[1:] if not word.startswith("-") and "=" not in word), ""
        )
        candidates = [posixpath.join(directory, named) for directory in search_path]
        words = [place for place in candidates if named and os.path.isfile(place)]
    return words[0] if words and words[0].startswith("/") else None
