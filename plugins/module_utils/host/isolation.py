# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether accounts can work in their own directories, and in nobody else's."""

from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING, Any

from .run_as import NoAnswer, ask_as

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

# so often what is opened anew is closed anew
_ROUNDS = 3


def concerned(directories: Sequence[Mapping[str, Any]]) -> set[str]:
    """Return the accounts that directories are kept for."""
    return {entry["account"] for entry in directories if entry["account"]}


def trespasses(
    directories: Sequence[Mapping[str, Any]], names: Collection[str]
) -> tuple[list[str], list[str]]:
    """Return where one of the accounts cannot work in its own directory, or can in another's.

    Then what is not known, as an account can keep itself from being asked.
    """
    found, unknown = [], []
    for name in sorted(names):
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            found.append(f"there is no account {name}")
            continue

        def question(name: str = name) -> list[str]:
            return [fault for entry in directories for fault in fault_of_border(entry, name)]

        [faults] = ask_as(account, [question])
        if isinstance(faults, NoAnswer):
            unknown.append(f"{name} cannot be asked about directories: {faults}")
        else:
            found += faults
    return found, unknown


def close(
    directories: Sequence[Mapping[str, Any]], settle: Callable[[], bool]
) -> tuple[list[str], list[str]]:
    """Return the trespasses that remain although every directory has its owner and mode.

    settle: gives them these, and returns whether one had not. Then those that somebody opens again
    and again, which no install can end, and what is not known.
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


def _changed(directories: Sequence[Mapping[str, Any]]) -> list[int]:
    """Return when somebody changed each directory last, which no account can forge."""
    found = []
    for entry in directories:
        try:
            found.append(os.lstat(entry["path"]).st_ctime_ns)
        except OSError:
            found.append(0)
    return found


def fault_of_border(directory: Mapping[str, Any], name: str) -> list[str]:
    """Return what is wrong with what this process, as an account, can do in a directory."""
    path, account = directory["path"], directory["account"]
    if name == account:
        does, mode = ("read", 0) if directory["only_reads"] else ("work in", os.W_OK)
        may = os.access(path, os.R_OK | os.X_OK | mode)
        return [] if may else [f"{name} cannot {does} {path}, which is theirs"]
    may = any(os.access(path, mode) for mode in (os.R_OK, os.W_OK, os.X_OK))
    whose = f"which belongs to {account}" if account else "which is for the bot alone"
    return [f"{name} can look into {path}, {whose}"] if may else []
