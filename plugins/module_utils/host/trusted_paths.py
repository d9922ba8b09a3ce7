# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which accounts besides root may change a program, or a place in which root works.

An account that can write to the file may. One that can write to a directory above it, or above a
link that leads to it, may put another file in its place. A sticky directory protects its entries,
but not from files beside them: node finds modules in every directory above a script.

Owners, modes and access lists come from the metadata of a path, which no account can keep from
root. An unreadable fact is never "only root": it is an entry of its own, with the reason.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import grp
import os
import posixpath
import pwd
import stat
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from . import access_lists, system
from .run_as import NoAnswer, ask_as

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from ..rules.probe import Changer

    Look = Callable[[], Iterable["CheckedPath"]]
    ServerOf = Callable[[int], "int | None"]

_MOST_LINKS = 40
_LONGEST_FIRST_LINE = 256

_WRITE = 2
# getxattr(2): there is no list, or the file system keeps none
_NO_LIST = (errno.ENODATA, errno.ENOTSUP, errno.EOPNOTSUPP)
# as safe as the directories of every other program of the host
_ENV = ("/usr/bin/env", "/bin/env")


class CheckedPath(NamedTuple):
    """A file or directory that a program, or root's work, depends on.

    mode: as stat(2) gives it. acl: the attribute of its access list in hexadecimal, empty where
        there is none.
    """

    path: str
    mode: int
    uid: int
    gid: int
    acl: str = ""


def changers(places: Iterable[CheckedPath], known: Accounts) -> list[Changer]:
    """Return each place that an account besides root can change: path, accounts, everybody.

    accounts: their names, in order. everybody: whether every other account can too.
    """
    found: list[Changer] = []
    for place in places:
        uids, gids = _writers(place)
        accounts = {known.name_of(uid) for uid in uids if uid != 0}
        accounts.update(name for gid in gids for name in known.members_of(gid) if name != "root")
        everybody = bool(place.mode & stat.S_IWOTH)
        if accounts or everybody:
            found.append({"path": place.path, "accounts": sorted(accounts), "everybody": everybody})
    return found


def places_of(
    path: str, search_path: Sequence[str] = (), server_of: ServerOf | None = None
) -> list[CheckedPath]:
    """Return everything that the program at ``path`` depends on.

    These are the directories above it, above its interpreter, and above each directory in which it
    finds other programs.

    search_path: these directories, as far as they exist; env(1) finds an interpreter there.
    server_of: as for ``place_at``.
    Raises OSError when one cannot be seen.
    """
    return list(dict.fromkeys(_depended_on(path, search_path, server_of)))


def way_to(path: str) -> Iterator[CheckedPath]:
    """Yield every directory on the way to a path, and the path, as far as it exists.

    Links are followed, not yielded. Raises OSError when one cannot be seen.
    """
    with contextlib.suppress(FileNotFoundError):
        yield from _way_to(path)


def way_above(path: str) -> Iterator[CheckedPath]:
    """Yield as ``way_to`` does, without the path itself, which may be another account's."""
    end = os.path.realpath(path)
    return (place for place in way_to(path) if place.path != end)


def changers_of(
    path: str, search_path: Sequence[str] = (), accounts: Accounts | None = None
) -> list[Changer]:
    """Return the ``changers`` of a program; an unreadable fact is an entry with ``unseen``."""
    return found_by({path: lambda: _depended_on(path, search_path)}, accounts)[path]


def found_by(
    looks: Mapping[str, Look], accounts: Accounts | None = None
) -> dict[str, list[Changer]]:
    """Return the ``changers`` of each check, by its name.

    A check that fails, or gets no answer, adds an entry with ``unseen``: the reason, in words. It
    does not affect the other entries.

    looks: the checks, by the path that they are about.
    """
    known = accounts or Accounts()
    answers = ask_as(None, [partial(_seen, look) for look in looks.values()])
    found = {}
    for path, answer in zip(looks, answers):
        seen, reason = ([], str(answer)) if isinstance(answer, NoAnswer) else answer
        places = [CheckedPath(*place) for place in seen]
        found[path] = changers(places, known)
        if reason:
            found[path].append({"path": path, "accounts": [], "everybody": False, "unseen": reason})
    return found


def only_root_changes(descriptor: int) -> bool:
    """Return whether only root can change the content of an open directory. Raises OSError."""
    place = place_at("an open directory", os.fstat(descriptor), descriptor)
    return not changers([place], Accounts())


def _seen(look: Look) -> tuple[list[CheckedPath], str]:
    """Return the results of a check until it fails, and the reason, empty if it did not fail."""
    places: dict[CheckedPath, None] = {}
    try:
        for place in look():
            places[place] = None
    except OSError as error:
        return list(places), f"{error.filename or 'a path'}: {error.strerror or error}"
    return list(places), ""


class Accounts:
    """The accounts and groups of this host.

    names: accounts to look up by name, as a directory service may not list its accounts.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self.named: dict[str, pwd.struct_passwd] = {}
        for name in names:
            with contextlib.suppress(KeyError):
                self.named[name] = pwd.getpwnam(name)
        self._primary: dict[int, list[str]] | None = None

    def name_of(self, uid: int) -> str:
        """Return the name of a UID, or the number where it has none."""
        return system.name_of(uid) or f"#{uid}"

    def members_of(self, gid: int) -> list[str]:
        """Return the accounts of a group, as far as the host lists them."""
        if self._primary is None:
            self._primary = {}
            for account in [*pwd.getpwall(), *self.named.values()]:
                self._primary.setdefault(account.pw_gid, []).append(account.pw_name)
        members = set(self._primary.get(gid, []))
        with contextlib.suppress(KeyError):
            members.update(grp.getgrgid(gid).gr_mem)
        for name, account in self.named.items():
            if gid in system.groups_of(account):
                members.add(name)
        return sorted(members)


def _depended_on(
    path: str, search_path: Sequence[str], server_of: ServerOf | None = None
) -> Iterator[CheckedPath]:
    """Yield the results of ``places_of``, so that none before an error is lost."""
    programs = [path]
    for _program in range(_MOST_LINKS):
        if not programs:
            break
        program = programs.pop(0)
        yield from _way_to(program, server_of)
        programs += _interpreters(os.path.realpath(program), search_path)
    else:
        raise OSError(errno.ELOOP, "too many interpreters", path)
    for directory in search_path:
        if _is_kind(directory, stat.S_ISDIR):
            yield from _way_to(directory, server_of)


def _writers(place: CheckedPath) -> tuple[set[int], set[int]]:
    """Return UIDs and GIDs that can write to a place; its owner can change the mode."""
    uids, gids = {place.uid}, set()
    entries = access_lists.entries_of(bytes.fromhex(place.acl)) if place.acl else []
    rights_of = {word: rights for word, rights, _number in entries}
    # with an access list the bits of the group are its mask
    mask = rights_of.get(("mask", False), _WRITE)
    group_bits = _WRITE if place.mode & stat.S_IWGRP else 0
    if rights_of.get(("group", False), group_bits) & mask & _WRITE:
        gids.add(place.gid)
    for (kind, is_named), rights, number in entries:
        if is_named and rights & mask & _WRITE:
            (uids if kind == "user" else gids).add(number)
    return uids, gids


def _way_to(path: str, server_of: ServerOf | None = None) -> Iterator[CheckedPath]:
    """Yield every directory on the way to a file, and the file; links are followed, not yielded."""
    rest = path.split("/")[::-1]
    current = "/"
    links = 0
    # every answer takes the reading of all mounts, and a way has few file systems
    server_of = server_of or functools.lru_cache(maxsize=None)(system.server_of)
    yield place_at(current, os.lstat(current), server_of=server_of)
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
                raise OSError(errno.ELOOP, "too many links", path)
            target = os.readlink(child)
            current = "/" if target.startswith("/") else current
            rest += target.split("/")[::-1]
        else:
            yield place_at(child, status, server_of=server_of)
            current = child


def place_at(
    path: str,
    status: os.stat_result,
    descriptor: int | None = None,
    *,
    server_of: ServerOf | None = None,
) -> CheckedPath:
    """Return a place by its status. Its owner is who serves its file system, if another than root.

    descriptor: an open one of it, where its path may lead elsewhere by now. server_of: returns as
    ``system.server_of`` does.
    Raises OSError where its access list cannot be read.
    """
    acl = ""
    at, follows = (path, False) if descriptor is None else (descriptor, True)
    try:
        acl = os.getxattr(at, access_lists.ACCESS, follow_symlinks=follows).hex()
    except OSError as error:
        if error.errno not in _NO_LIST:
            raise OSError(error.errno, f"access list: {error.strerror}", path) from error
    return CheckedPath(path, status.st_mode, owner_of(status, server_of), status.st_gid, acl)


def owner_of(status: os.stat_result, server_of: ServerOf | None = None) -> int:
    """Return the UID that decides about a file: who serves its file system, or else its owner."""
    return (server_of or system.server_of)(status.st_dev) or status.st_uid


def _is_kind(path: str, kind: Callable[[int], bool]) -> bool:
    """Return whether something of a kind is at a path. Raises OSError when that cannot be seen."""
    try:
        return kind(os.stat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _interpreters(path: str, search_path: Sequence[str]) -> list[str]:
    """Return the programs that the first line of a script starts, nothing for no script."""
    if not stat.S_ISREG(os.lstat(path).st_mode):
        return []
    # an owner can hold a lease on a file, and root would wait for it
    with system.opened(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW) as descriptor:
        is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
        line = os.read(descriptor, _LONGEST_FIRST_LINE).split(b"\n")[0] if is_file else b""
    words = os.fsdecode(line[2:]).split() if line.startswith(b"#!") else []
    named = [word for word in words[:1] if word.startswith("/")]
    if named and posixpath.basename(named[0]) == "env":
        named = [] if named[0] in _ENV else named
        # -S may be right before the program
        rest = [word[2:] if word.startswith("-S") else word for word in words[1:]]
        asked = (word for word in rest if word and word[0] != "-" and "=" not in word)
        # an option may have an argument that is no program
        found = (posixpath.join(directory, word) for word in asked for directory in search_path)
        named += [place for place in found if _is_kind(place, stat.S_ISREG)][:1]
    return named
