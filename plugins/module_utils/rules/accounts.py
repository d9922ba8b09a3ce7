# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check OS accounts for sudoers, the unit and users.yaml, and whether they may run anything."""

from __future__ import annotations

import errno
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pwd

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,31}\Z")
_ALIAS = re.compile(r"[A-Z][A-Z0-9_]*\Z")
_KEYWORDS = frozenset(
    {"Defaults", "User_Alias", "Runas_Alias", "Host_Alias", "Cmnd_Alias", "Cmd_Alias"}
)


def fault_of_account(name: object) -> str | None:
    """Return why ``name`` cannot be used as an account, or None when it can.

    The characters are those that Kai accepts for os_user; sudoers(5) reads an all-capital name as
    an alias, ``ALL`` as everyone and a number after ``#`` as a UID, so none of these may pass.
    """
    if not isinstance(name, str):
        return "is not text; put it in quotes"
    if not _NAME.match(name):
        return "is not 1 to 32 letters, digits, '.', '_' or '-', the first a letter, digit or '_'"
    if name.isdigit():
        return "is a number, which the system would read as a UID"
    if _ALIAS.match(name):
        return "is all capitals, which sudoers reads as an alias"
    if name in _KEYWORDS:
        return "is a keyword of sudoers"
    if name == "root":
        return "is the superuser"
    return None


def has_expired(entry: str, today: int) -> bool:
    """Return whether an account has expired, from its line of the shadow file (shadow(5)).

    today: days since 1970. An account without a line, or without that field, never expires.
    """
    fields = entry.strip().split(":")
    return len(fields) > 7 and fields[7].isdigit() and today >= int(fields[7])


def refuse_alias_of_root(account: pwd.struct_passwd) -> None:
    """Raise PermissionError for an account that is root under another name.

    Its processes run as root. ``fault_of_account`` refuses the name root itself.
    """
    if account.pw_uid == 0 and account.pw_name != "root":
        raise PermissionError(
            errno.EPERM, "an account with UID 0, as which nothing is run", account.pw_name
        )
