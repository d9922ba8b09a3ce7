# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of sudo that Kai 2 works under, as lines of a drop-in.

Kai 2 lets sudo enter the working directory as the user (sudo -D), since the service user cannot
enter a user's home. sudo allows that only where the rule says CWD. Kai's own installer writes
SETENV besides; env_keep lets through the same variables and no others, so it is not needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Sequence

from .accounts import fault_of_account
from .sudoers import sudoers_command

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Rules:
    """What the service user may do through sudo.

    reads, writes: files of root. helpers: programs of Kai that root runs, each with any arguments,
    as Kai judges these itself. agents: account and command of each pair that is used or granted.
    kill_accounts: those whose processes may be ended, and kill_arguments how. enters: whether
    agents are started with sudo -D. sets: whether the caller may set any variable at all.
    """

    service: str
    cat: str
    tee: str
    kill: str
    reads: Sequence[str] = ()
    writes: Sequence[str] = ()
    helpers: Sequence[str] = ()
    agents: Sequence[tuple[str, str]] = ()
    kill_accounts: Sequence[str] = ()
    kill_arguments: Sequence[str] = ()
    enters: bool = True
    sets: bool = False


def rule_lines(rules: Rules) -> list[str]:
    """Return the lines, one rule each. Raises ValueError for what sudo would read otherwise."""
    return list(_lines(rules))


def _lines(rules: Rules) -> Iterator[str]:
    service = _account(rules.service)
    cat, tee, kill = map(sudoers_command, (rules.cat, rules.tee, rules.kill))
    for path in rules.reads:
        yield f"{service} ALL=(root) NOPASSWD: {cat} {sudoers_command(path)}"
    for path in rules.writes:
        yield f"{service} ALL=(root) NOPASSWD: {tee} {sudoers_command(path)}"
    for path in rules.helpers:
        yield f"{service} ALL=(root) NOPASSWD: {sudoers_command(path)} *"
    options = ("CWD=* " if rules.enters else "") + ("SETENV: " if rules.sets else "")
    for account, command in dict.fromkeys(rules.agents):
        target = _account(account)
        if target != service:
            yield f"{service} ALL=({target}) {options}NOPASSWD: {sudoers_command(command)}"
    for account in dict.fromkeys(rules.kill_accounts):
        target = _account(account)
        if target != service:
            for arguments in rules.kill_arguments or ("",):
                yield f"{service} ALL=({target}) NOPASSWD: {kill} {arguments}".rstrip()


def _account(name: str) -> str:
    fault = fault_of_account(name)
    if fault:
        raise ValueError(f"{name!r} {fault}")
    return name
