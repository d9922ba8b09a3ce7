# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing and reading rules of sudoers(5)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .paths import fault_of_path, fault_of_search_directory

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# sudo knows only ASCII blanks; any other may be a part of a path
_RULE = re.compile(
    r"\s*(?P<user>[^\s#]\S*)\s+ALL\s*=\s*\((?P<runas>[^)\s]+)\)\s*(?:[A-Z_]+(?::\s*|=\S+\s+))*"
    r"(?P<command>/.*)",
    re.ASCII,
)
_COMMAND = re.compile(r"(?:\\.|[^\s\\,])+", re.ASCII)
_INCLUDEDIR = re.compile(r"^[#@]includedir\s+(?P<directory>.+?)\s*$")


def sudoers_command(path: str) -> str:
    """Return ``path`` as the command of a rule that means exactly this path, with any arguments.

    sudoers(5): ``,`` ``:`` ``=``, blanks and ``#`` are written behind a backslash.
    Raises ValueError when the path cannot be written.
    """
    fault = fault_of_path(path)
    if fault:
        raise ValueError(f"{path!r} {fault}")
    return re.sub(r"([,:= #])", r"\\\1", path)


def secure_path(directories: Iterable[str]) -> str:
    """Return the quoted value of ``Defaults secure_path`` for the directories, in their order.

    Raises ValueError when a directory cannot be written.
    """
    listed = list(directories)
    for directory in listed:
        fault = fault_of_search_directory(directory)
        if fault:
            raise ValueError(f"{directory!r} {fault}")
    return '"' + ":".join(listed) + '"'


def commands_by_account(text: str) -> list[tuple[str, str]]:
    """Return (target account, command path) of every rule of a drop-in.

    Arguments and what follows a comma are cut off. Understands the drop-ins of this role and of
    Kai's own installer; other lines are passed over.
    """
    found = []
    for line in text.splitlines():
        match = _RULE.match(line)
        if match:
            command = _COMMAND.match(match["command"])
            if command:
                found.append((match["runas"], re.sub(r"\\(.)", r"\1", command[0])))
    return found


def accounts_with_rules(text: str) -> list[str]:
    """Return the accounts that the rules of a drop-in are for, each once, in their order.

    Understands the same drop-ins as ``commands_by_account``; groups and IDs are passed over.
    """
    users = [match["user"] for match in map(_RULE.match, text.splitlines()) if match]
    return [user for user in dict.fromkeys(users) if user[0] not in "%+#"]


def includes_directory(policy: str, directory: str) -> bool:
    """Return whether the main policy reads the drop-ins of ``directory``."""
    return any(
        match["directory"].strip('"') == directory
        for match in map(_INCLUDEDIR.match, policy.splitlines())
        if match
    )


def policy_with_candidate(
    policy: str, directory: str, drop_ins: Sequence[str], target: str, candidate: str
) -> str:
    """Return the whole policy as it would be with ``candidate`` in the place of ``target``.

    policy: text of the main sudoers file. directory: where drop-ins live. drop_ins: names of the
    drop-ins there now. target: the drop-in's name. candidate: path of the new text.
    sudo reads drop-ins in sorted order and passes over names that end in ~ or contain a dot.
    """
    names = sorted({*drop_ins, target})
    active = [name for name in names if not name.endswith("~") and "." not in name]
    includes = "\n".join(
        "#include "
        + (candidate if name == target else directory + "/" + re.sub(r"([ \\])", r"\\\1", name))
        for name in active
    )
    lines = []
    for line in policy.splitlines():
        match = _INCLUDEDIR.match(line)
        lines.append(includes if match and match["directory"].strip('"') == directory else line)
    return "\n".join(lines) + "\n"
