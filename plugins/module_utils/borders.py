# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether accounts can work in their own directories, and in nobody else's."""

from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING

from .ask_as import NoAnswer, ask_as

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence


def trespasses(directories: Sequence[Mapping[str, str]], names: Collection[str]) -> list[str]:
    """Return where one of the accounts cannot work in its own directory, or can in another's."""
    found = []
    for name in sorted(names):
        account = pwd.getpwnam(name)

        def question(name: str = name) -> list[str]:
            return [fault for entry in directories for fault in fault_of_border(entry, name)]

        [faults] = ask_as(account, [question])
        if isinstance(faults, NoAnswer):
            faults = [f"{name} cannot be asked about directories: {faults}"]
        found += faults
    return found


def fault_of_border(directory: Mapping[str, str], name: str) -> list[str]:
    """Return what is wrong with what this process, as an account, can do in a directory."""
    path, owner = directory["path"], directory["account"]
    if name == owner:
        may = os.access(path, os.R_OK | os.W_OK | os.X_OK)
        return [] if may else [f"{name} cannot work in {path}, which is theirs"]
    may = any(os.access(path, mode) for mode in (os.R_OK, os.W_OK, os.X_OK))
    return [f"{name} can look into {path}, which belongs to {owner}"] if may else []
