# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the bot will do as other accounts, as arguments of kai_proof. Nothing here is a secret."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from .binaries import agent_account

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .configuration import Configuration
    from .contract import Contract
    from .proof_arguments import AgentProof, Command
    from .user_places import UserKey
    from .users import User

# no process of Linux has so high a number
NO_GROUP = "-4194305"


def file_proofs(contract: Contract) -> list[Command]:
    """Return the commands by which the bot reads its protected files."""
    # -n keeps sudo from asking for a password where the bot, without a terminal, would fail as well
    return [
        {
            "what": f"the bot reads {entry.path}",
            "argv": [*([] if entry.direct else ["sudo", "-n"]), "cat", entry.path],
            "only_if_exists": entry.path,
        }
        for entry in contract.protected_files.values()
    ]


def kill_proofs(accounts: Sequence[str], kill: str) -> list[Command]:
    """Return how sudo is asked whether the bot may end a late one-shot of each account.

    kill: what the rule for ending agents names. A conversation is started and ended itself, by
    ``agent_proofs``.
    """
    return [
        {
            "what": f"the bot may end all processes of a one-shot as {account}",
            "argv": ["sudo", "-n", "-l", "-u", account, "--", kill, "-KILL", NO_GROUP],
            "account": account,
            "program": kill,
        }
        for account in accounts
    ]


def agent_proofs(
    configuration: Configuration,
    paths: Mapping[str, str],
    homes: Mapping[UserKey, str | None],
    places: Mapping[str, str],
    kill: str,
) -> list[AgentProof]:
    """Return how the bot starts a conversation with each agent as each account, and ends it.

    One for each account and backend, as the first user with both has it. paths: the binary
    of each backend. homes: where the agents of a user start, by the key of the user, None where
    that is not known yet. kill: what the rule for ending agents names. Kai runtime contract,
    section 4.1.
    """
    contract = configuration.contract
    service_user = configuration.host["service_user"]
    found: dict[tuple[str, str], AgentProof] = {}
    for entry, user in zip(configuration.entries, configuration.users):
        account = agent_account(configuration, user)
        pair = (user.backend, account)
        home = homes.get(user.key)
        if user.backend not in paths or pair in found or home is None:
            continue
        chat = contract.backends[user.backend].spawn["chat"]
        wrapped = account != service_user
        words = _words(configuration, entry, user)
        words.update(places, **({"os_user": account} if wrapped else {}))
        words["provider"] = chat.provider_names.get(user.provider or "", user.provider)
        keys = [*chat.preserve_env, *chat.provider_env.get(user.provider or "", ())]
        preserved = "--preserve-env=" + ",".join(dict.fromkeys(keys))
        # sudo asks for no directory that the bot has to enter itself
        enters = ["-D", home] if chat.enters and wrapped else []
        wrap = ["sudo", "-H", *enters, "-u", account, preserved, "--"] if wrapped else []
        names = chat.model_names.get(user.provider or "", {})
        model = names.get(user.model or "", user.model)
        found[pair] = {
            "what": f"the bot starts {user.backend} as {account}, and ends it",
            "argv": [*wrap, *_command(contract, user.backend, paths[user.backend], words)],
            "directory": "/" if enters else home,
            "sets": {
                name: _filled(value, {**words, "model": model})
                for name, value in chat.sets.items()
                if wrapped or "{os_user}" not in value
            },
            # for a default the bot sets nothing
            "copies": {
                name: key
                for name, key in chat.copies.items()
                if contract.settings[key].default is None
                or configuration.settings.get(key) != contract.settings[key].default
            },
            "kill": ["sudo", "-n", "-u", account, kill] if wrapped else [],
            "say": json.dumps(chat.greeting.say) if chat.greeting else "",
            "hear": dict(chat.greeting.hear) if chat.greeting else {},
            "account": account,
            "program": paths[user.backend],
        }
    return list(found.values())


def _words(configuration: Configuration, entry: Mapping[str, Any], user: User) -> dict[str, Any]:
    settings = configuration.settings
    effort = configuration.contract.backends[user.backend].effort_setting
    return {
        "model": user.model,
        "provider": user.provider,
        "effort": settings.get(effort or ""),
        "context_window": entry.get("context_window", settings.get("CLAUDE_MAX_CONTEXT_WINDOW")),
    }


def _command(contract: Contract, backend: str, path: str, words: Mapping[str, Any]) -> list[str]:
    entry = contract.backends[backend]
    binary, chat = entry.binary, entry.spawn["chat"]
    arguments = list(chat.arguments)
    if words["context_window"]:
        arguments += chat.context_arguments
    program = path if binary.started_by == "setting" else binary.name
    return [program, *(_filled(argument, words) for argument in arguments)]


def _filled(template: str, words: Mapping[str, Any]) -> str:
    # an argument may be JSON, whose braces are literal
    return re.sub(r"\{([a-z_]+)\}", lambda word: str(words[word[1]]), template)
