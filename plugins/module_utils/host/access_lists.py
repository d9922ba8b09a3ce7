# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""POSIX access lists: as the kernel keeps them, and as archives have them, accounts by name.

The group bits in the mode of a file with an access list are what the list gives at most, not what
the group may do. So a mode without its list would give the group more than it had.
"""

from __future__ import annotations

import errno
import os
import struct
from typing import TYPE_CHECKING, List, Optional

if TYPE_CHECKING:
    from collections.abc import Callable

ACCESS = "system.posix_acl_access"
DEFAULT = "system.posix_acl_default"
# the list of a directory, and the one that everything made in it begins with (acl(5)); each as the
# kernel keeps it, in hexadecimal digits, None where there is none
Lists = List[Optional[str]]
NONE: Lists = [None, None]
# the mode that a directory gets with the list of ``readable_by``
LISTED_MODE = 0o750
_VERSION = struct.Struct("<I")
_ENTRY = struct.Struct("<HHI")
_NOBODY = 0xFFFFFFFF
_TAGS = {
    ("user", False): 0x01,
    ("user", True): 0x02,
    ("group", False): 0x04,
    ("group", True): 0x08,
    ("mask", False): 0x10,
    ("other", False): 0x20,
}
_READ, _ALL = 0o5, 0o7
_WORDS = {tag: (kind, named) for (kind, named), tag in _TAGS.items()}


def text_of(blob: bytes, name_of: Callable[[str, int], str]) -> str:
    """Return an access list as text, as in ``user::rw-,user:alice:r--,mask::r--``.

    name_of: returns the name for a kind, ``user`` or ``group``, and a number, empty without one.
    Raises ValueError for anything but an access list.
    """
    return ",".join(
        f"{kind}:{account}:{_letters(rights)}"
        for (kind, named), rights, number in entries_of(blob)
        for account in [_account(name_of(kind, number), number) if named else ""]
    )


def blob_of(text: str, number_of: Callable[[str, str], Optional[int]]) -> bytes:
    """Return an access list as the kernel takes it.

    number_of: returns the number for a kind, ``user`` or ``group``, and an account; entries of
    accounts for which it returns None are left out, which gives no account more.
    Raises ValueError for anything but an access list.
    """
    found = _VERSION.pack(2)
    for entry in text.split(","):
        # star and GNU tar may add the number
        kind, account, letters, *_more = f"{entry}::".split(":")
        tag = _TAGS.get((kind, bool(account)))
        if tag is None or len(letters) != 3 or set(letters) - set("rwx-"):
            raise ValueError(f"{entry!r} is no entry of an access list")
        rights = sum(bit for bit, letter in zip((4, 2, 1), letters) if letter != "-")
        number: Optional[int] = _NOBODY
        if account:
            number = number_of(kind, account)
        if number is not None:
            found += _ENTRY.pack(tag, rights, number)
    return found


def readable_by(uid: int) -> Lists:
    """Return the lists with which an account reads a directory and everything created in it.

    Its owner may do everything, its group reads as well, and no other account has access.
    """
    entries = (
        (_TAGS["user", False], _ALL, _NOBODY),
        (_TAGS["user", True], _READ, uid),
        (_TAGS["group", False], _READ, _NOBODY),
        (_TAGS["mask", False], _READ, _NOBODY),
        (_TAGS["other", False], 0, _NOBODY),
    )
    packed = (_VERSION.pack(2) + b"".join(_ENTRY.pack(*entry) for entry in entries)).hex()
    return [packed, packed]


def lists_of(opened: int | str) -> Lists:
    """Return the lists of a file or directory: a descriptor or a path. Raises OSError."""
    try:
        names = os.listxattr(opened)
    except OSError as error:
        if error.errno != errno.ENOTSUP:
            raise
        # its file system has none
        return NONE
    return [
        os.getxattr(opened, name).hex() if name in names else None for name in (ACCESS, DEFAULT)
    ]


def set_lists(opened: int | str, lists: Lists) -> None:
    """Give a file or directory its lists, where it has others. Raises OSError."""
    for name, value, now in zip((ACCESS, DEFAULT), lists, lists_of(opened)):
        if value is not None and value != now:
            os.setxattr(opened, name, bytes.fromhex(value))
        elif value is None and now is not None:
            os.removexattr(opened, name)


def narrowed(mode: int, blob: bytes) -> int:
    """Return the mode that gives no account more than an access list does."""
    entries = entries_of(blob)
    mask = next((rights for (kind, _named), rights, _id in entries if kind == "mask"), 7)
    group = next((rights for word, rights, _id in entries if word == ("group", False)), 0) & mask
    other = mode & 7
    for (kind, named), rights, _id in entries:
        if named:
            other &= rights & mask
            if kind == "user":
                group &= rights
    return mode & ~0o077 | group << 3 | other


def entries_of(blob: bytes) -> list[tuple[tuple[str, bool], int, int]]:
    """Return kind, whether it names an account, rights and number of each entry.

    Raises ValueError for anything but an access list.
    """
    if len(blob) < _VERSION.size or _VERSION.unpack_from(blob)[0] != 2:
        raise ValueError("an access list of an unknown version")
    try:
        return [
            (_WORDS[tag], rights & 7, number)
            for tag, rights, number in _ENTRY.iter_unpack(blob[_VERSION.size :])
        ]
    except (struct.error, KeyError) as error:
        raise ValueError("a damaged access list") from error


def _account(name: str, number: int) -> str:
    # a name that the text could not hold
    return str(number) if not name or set(name) & set(":,\n") else name


def _letters(rights: int) -> str:
    return "".join(
        letter if rights & bit else "-" for bit, letter in ((4, "r"), (2, "w"), (1, "x"))
    )
