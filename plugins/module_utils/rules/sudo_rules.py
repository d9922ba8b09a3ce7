# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of sudo that the bot needs, from which the drop-in is rendered."""

from __future__ import annotations

import hashlib
import itertools
import json
import posixpath
from typing import TYPE_CHECKING

from .binaries import runners
from .logins import login_of
from .sudoers import sudo_version

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .configuration import Configuration
    from .contract import Contract, KillArguments
    from .desired import SudoAgent, SudoCall, SudoEnvironment, SudoRules
    from .probe import Probe

# how many digits numbers have: Linux has no process above 4194304, and group 1 is everybody's
_DIGITS = {"signal": (1, 2), "process": (1, 7), "group": (2, 7)}


def sudo_rules(
    configuration: Configuration,
    probe: Probe,
    paths: Mapping[str, str],
    kept: Sequence[tuple[str, str]],
    helpers: list[str],
) -> SudoRules:
    """Return what sudo must let the bot do.

    paths: the binary of each backend. kept: account and backend of the users whom only the host
    knows. helpers: the paths of the programs that the bot runs as root.
    """
    contract = configuration.contract
    service_user = configuration.host["service_user"]
    protected = contract.protected_files.values()
    agents: list[SudoAgent] = [
        {"account": account, "command": path, "backend": backend}
        for backend, path in paths.items()
        for account in runners(configuration, backend)
        if account != service_user
    ]
    agents += [
        {"account": account, "command": paths[backend], "backend": backend}
        for account, backend in dict.fromkeys(kept)
        if backend in paths and account not in runners(configuration, backend)
    ]
    behind_sudo = {agent["backend"]: agent["command"] for agent in agents}
    # sudo gives this PATH to the agents too, so nothing of the service user's own belongs there
    usual = [
        place for place in contract.platforms[probe["platform"]].search_path if place[0] == "/"
    ]
    return {
        "path": contract.sudoers.path,
        "mode": contract.sudoers.mode,
        "secure_path": list(dict.fromkeys([*started_by_name(contract, behind_sudo), *usual])),
        "env_keep": list(
            dict.fromkeys(
                key for backend in behind_sudo for key in _preserved(configuration, backend)
            )
        ),
        "environments": _environments(configuration, behind_sudo),
        "reads": [entry.path for entry in protected],
        "writes": [entry.path for entry in protected if "write" in entry.access],
        "helpers": helpers,
        "agents": agents,
        "kill_accounts": list(dict.fromkeys(agent["account"] for agent in agents)),
        "kill_arguments": kill_arguments(contract.sudoers.kill_arguments, probe["sudo"]["version"]),
        "tools": probe["tools"],
        "enters": contract.sudoers.enters,
    }


def started_by_name(contract: Contract, paths: Mapping[str, str]) -> list[str]:
    """Return where the backends are that the bot starts by bare name: they must be found first."""
    return [
        posixpath.dirname(path)
        for backend, path in paths.items()
        if contract.backends[backend].binary.started_by == "name"
    ]


def _preserved(configuration: Configuration, backend: str) -> list[str]:
    chat = configuration.contract.backends[backend].spawn["chat"]
    providers = [user.provider for user in configuration.users if user.backend == backend]
    more = [key for one in providers for key in chat.provider_env.get(one or "", ())]
    return [*chat.preserve_env, *more]


def _environments(configuration: Configuration, paths: Mapping[str, str]) -> list[SudoEnvironment]:
    """Return which variables pass sudo only in certain calls: alias, command, arguments, env_keep.

    arguments: how those of such a call begin, empty when every call is meant.
    """
    found: list[SudoEnvironment] = []
    for backend, path in paths.items():
        entry = configuration.contract.backends[backend]
        login, chat = login_of(configuration, backend), entry.spawn["chat"]
        calls: dict[str, tuple[list[str], list[str]]] = {
            "login": ([], list(login.env_keep) if login else []),
            "chat": ([], list(chat.env_keep)),
        }
        for purpose, spawn in entry.spawn.items():
            if purpose != "chat":
                fixed = itertools.takewhile(lambda word: "{" not in word, spawn.arguments)
                # what a conversation is given passes in every call
                more = [key for key in spawn.preserve_env if key not in chat.preserve_env]
                calls[purpose] = (list(fixed), more)
        for purpose, (arguments, keys) in calls.items():
            if keys:
                words = " ".join(arguments)
                call: SudoCall = {"command": path, "arguments": words, "env_keep": keys}
                # during a switch sudo has the rules of two installs, and no alias may repeat
                digest = hashlib.sha256(json.dumps(call).encode()).hexdigest()[:8]
                found.append({**call, "alias": f"KAI_{backend}_{purpose}_{digest}".upper()})
    return found


def kill_arguments(known: KillArguments, said: str) -> list[str]:
    """Return the arguments of kill that rules allow: each form of the bot's, and nothing else.

    known: ``sudoers.kill_arguments`` of the contract. said: what ``sudo -V`` says. Before 1.9.10
    sudo has only patterns, and a * lets in more words: each number of digits is a rule there.
    """
    since = tuple(int(part) for part in known.regular_expressions_since.split("."))
    if (sudo_version(said) or (0, 0, 0)) >= since:
        words = {
            name: "[1-9]" + "[0-9]" * (least - 1) + ("[0-9]?" if most - least == 1 else "[0-9]*")
            for name, (least, most) in _DIGITS.items()
        }
        return [f"^{form.format(**words)}$" for form in known.forms]
    patterns = {
        name: ["[1-9]" + "[0-9]" * more for more in range(least - 1, most)]
        for name, (least, most) in _DIGITS.items()
    }
    return [
        form.format(**dict(zip(patterns, words)))
        for form in known.forms
        for words in itertools.product(
            *(found if f"{{{name}}}" in form else [""] for name, found in patterns.items())
        )
    ]
