# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An OS user for each user of Kai 2, and one of their own: without that Kai does not start."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Mapping

from .problems import Problem, listed

if TYPE_CHECKING:
    from collections.abc import Sequence

_ACCOUNT = re.compile(r"[a-zA-Z0-9._-]+")


@dataclass(frozen=True)
class Assigned:
    """As whom the agents of one user run. where: the user's place in the configuration."""

    where: str
    name: str
    os_user: str | None


@dataclass(frozen=True)
class Accounts:
    """The OS users of the host by name, with the UID of each. service: the bot's own name.

    uids: None where the host was not asked; it may create what is missing. service_uid: None where
    the bot's account is not there yet.
    """

    service: str
    uids: Mapping[str, int] | None = None
    service_uid: int | None = None


def isolation_problems(users: Sequence[Assigned], accounts: Accounts) -> list[Problem]:
    """Return every reason for which Kai does not start with these users."""
    found: list[Problem] = []
    by_name: dict[str, list[Assigned]] = {}
    by_uid: dict[int, list[Assigned]] = {}
    for user in users:
        os_user = (user.os_user or "").strip()
        problem = _problem_of_one(user, os_user, accounts)
        if problem is not None:
            found.append(problem)
            continue
        by_name.setdefault(os_user, []).append(user)
        if accounts.uids is not None:
            by_uid.setdefault(accounts.uids[os_user], []).append(user)
    for os_user, sharing in by_name.items():
        found += _shared(sharing, os_user)
    for uid, sharing in by_uid.items():
        if len({(user.os_user or "").strip() for user in sharing}) > 1:
            found += _shared(sharing, f"the UID {uid}")
    return found


def _problem_of_one(user: Assigned, os_user: str, accounts: Accounts) -> Problem | None:
    where, of = f"{user.where}.os_user", f"for {user.name}"
    own = "an OS user of their own, with which Kai 2 keeps users apart"
    if not os_user:
        return Problem(where, f"none {of}", own, f"name the OS user {of}; config can create it")
    if _ACCOUNT.fullmatch(os_user) is None:
        return Problem(where, repr(os_user), "letters, digits, . _ and -", "correct it")
    if os_user == accounts.service:
        return Problem(where, f"the service user {os_user} {of}", own, "name another OS user")
    if accounts.uids is None:
        return None
    if os_user not in accounts.uids:
        fix = f"create it on the host: useradd --create-home {os_user}"
        return Problem(where, f"{os_user}, which the host does not have", "an OS user", fix)
    if accounts.uids[os_user] == accounts.service_uid:
        found = f"{os_user}, which has the UID of the service user {accounts.service}"
        return Problem(where, found, own, "name another OS user")
    return None


def _shared(users: Sequence[Assigned], what: str) -> list[Problem]:
    if len(users) < 2:
        return []
    return [
        Problem(
            f"{users[-1].where}.os_user",
            f"{what} for {listed(user.name for user in users)}",
            "an OS user of their own for each",
            "name another OS user for all but one of them",
        )
    ]
