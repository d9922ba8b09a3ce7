# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An OS user for each user of Kai 2, and one of their own: without that Kai does not start."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

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


def isolation_problems(users: Sequence[Assigned], service: str) -> list[Problem]:
    """Return every reason for which Kai does not start with these users.

    service: the bot's own account. The preflight compares the accounts of a host by their numbers.
    """
    found: list[Problem] = []
    by_name: dict[str, list[Assigned]] = {}
    for user in users:
        os_user = (user.os_user or "").strip()
        problem = _problem_of_one(user, os_user, service)
        if problem is not None:
            found.append(problem)
            continue
        by_name.setdefault(os_user, []).append(user)
    return [*found, *(_shared(one, name) for name, one in by_name.items() if len(one) > 1)]


def _problem_of_one(user: Assigned, os_user: str, service: str) -> Problem | None:
    where, of = f"{user.where}.os_user", f"for {user.name}"
    own = "an OS user of their own, with which Kai 2 keeps users apart"
    if not os_user:
        return Problem(
            where, f"no OS user {of}", own, f"name an OS user {of}; config can create it"
        )
    if _ACCOUNT.fullmatch(os_user) is None:
        expected = "an account name of letters, digits, '.', '_' and '-'"
        return Problem(where, repr(os_user), expected, f"correct {where}")
    if os_user == service:
        return Problem(where, f"the service user {os_user} {of}", own, "name another OS user")
    return None


def _shared(users: Sequence[Assigned], os_user: str) -> Problem:
    return Problem(
        f"{users[-1].where}.os_user",
        f"{os_user} for {listed(user.name for user in users)}",
        "an OS user of their own for each",
        "name another OS user for all but one of them",
    )
