# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether each account can work in its own directories, and in no other account's."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from .run_as import NoAnswer, ask_as
from .system import account_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from ..rules.proof_arguments import PrivateDirectory

# how often a directory that an account opens again is closed again
_ROUNDS = 3


def concerned(directories: Sequence[PrivateDirectory]) -> set[str]:
    """Return the accounts that own private directories."""
    return {entry["account"] for entry in directories if entry["account"]}


def trespasses(
    directories: Sequence[PrivateDirectory], names: Collection[str]
) -> tuple[list[str], list[str]]:
    """Return where an account cannot work in its own directory, or can in another account's.

    The second list has what is unknown, as an account can prevent the check.
    """
    found, unknown = [], []
    for name in sorted(names):
        account = account_of(name)
        if account is None:
            found.append(f"there is no account {name}")
            continue

        def question(name: str = name) -> list[str]:
            return [fault for entry in directories for fault in fault_of_access(entry, name)]

        [faults] = ask_as(account, [question])
        if isinstance(faults, NoAnswer):
            unknown.append(f"could not check the directories as {name}: {faults}")
        else:
            found += faults
    return found, unknown


def close(
    directories: Sequence[PrivateDirectory], settle: Callable[[], bool]
) -> tuple[list[str], list[str]]:
    """Return the trespasses that remain although every directory has its owner and mode.

    settle: sets owners and modes, and returns whether one differed. The second list has the
    directories that an account opens again and again, which no install can prevent, and what is
    unknown.
    """
    names = concerned(directories)
    found, unknown = trespasses(directories, names)
    for _round in range(_ROUNDS):
        before = _changed(directories)
        if not found:
            break
        is_settled = not settle()
        found, unknown = trespasses(directories, names)
        if is_settled and _changed(directories) == before:
            return found, unknown
    return [], [*found, *unknown]


def _changed(directories: Sequence[PrivateDirectory]) -> list[int]:
    """Return when each directory changed last; no account can forge that time."""
    found = []
    for entry in directories:
        try:
            found.append(os.lstat(entry["path"]).st_ctime_ns)
        except OSError:
            found.append(0)
    return found


def fault_of_access(directory: PrivateDirectory, name: str) -> list[str]:
    """Return the faults of this process's access to a directory, as an account."""
    path, account = directory["path"], directory["account"]
    if name == account:
        does, mode = ("read", 0) if directory["only_reads"] else ("work in", os.W_OK)
        may = os.access(path, os.R_OK | os.X_OK | mode)
        return [] if may else [f"{name} cannot {does} {path}, its own directory"]
    may = any(os.access(path, mode) for mode in (os.R_OK, os.W_OK, os.X_OK))
    whose = f"which belongs to {account}" if account else "which is for the bot alone"
    return [f"{name} can access {path}, {whose}"] if may else []
