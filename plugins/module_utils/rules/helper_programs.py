# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs that root runs for the bot of Kai 2.1: it cannot enter the directories of agents.

Their names, arguments and answers are those of Kai's own installer and of the modules that ask
them: install.py, principal_documents.py and principal_policies.py of September 2026.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from .binaries import agent_account
from .user_places import marks, placed

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from .configuration import Configuration
    from .desired import HelperProgram
    from .probe import WorkshopSeen
    from .proof_arguments import Command
    from .runtime_profiles import Profile
    from .user_places import UserKey

FEATURE = "helpers"
# root runs no Python that another account may have installed, and none reads an environment
_SHEBANG = "#!/usr/bin/python3 -I"


class User(NamedTuple):
    """A user whose documents a program may reach: the id in the Workshop, the account, the home."""

    principal: str
    account: str
    home: str


def known_users(
    configuration: Configuration,
    places: Mapping[str, str],
    homes: Mapping[UserKey, str | None],
    workshop: WorkshopSeen | None,
    kept: Mapping[str, Profile],
) -> list[User]:
    """Return the users of host_vars and those that only the Workshop has; none without a Workshop.

    homes: where the agents of a user start, by the key of the user, None where that is not known
    yet. kept: the deployed profiles of nobody in host_vars, by their id.
    """
    if workshop is None or workshop["id"] is None:
        return []
    found = {}
    for user in configuration.users:
        principal = placed(marks(user.key)["principal"], workshop)
        if principal is None:
            continue
        account = agent_account(configuration, user)
        found[principal] = User(principal, account, homes[user.key] or "")
    for profile, entry in kept.items():
        principal = placed(marks(profile)["principal"], workshop)
        if principal is None or principal in found:
            continue
        home = configuration.contract.default_home.format(principal=principal, **places)
        found[principal] = User(principal, entry.os_user or "", entry.home_workspace or home)
    return list(found.values())


def helper_programs(
    configuration: Configuration,
    places: Mapping[str, str],
    users: Sequence[User],
    features: Collection[str],
) -> list[HelperProgram]:
    """Return every program of the line, with the values that its template writes into it.

    places: the directories of the host by name. users: those whom programs know. features: what
    the source has. A program that no source or user asks for is not given.
    """
    service_user = configuration.host["service_user"]
    accounts = {agent_account(configuration, one) for one in configuration.users}
    asked = {"storage": bool(accounts), "agents": bool(accounts - {service_user})}
    found: list[HelperProgram] = []
    for helper in configuration.contract.helpers:
        documents = {
            user.principal: {
                "os_user": user.account,
                **{
                    kind: path.format(principal=user.principal, home=user.home, **places)
                    for kind, path in helper.documents.items()
                },
            }
            for user in (users if helper.documents else ())
        }
        text = json.dumps(documents, sort_keys=True)
        command = [word.format(documents=text, **places) for word in helper.command]
        found.append(
            {
                "path": helper.path,
                "mode": helper.mode,
                "template": helper.template,
                # as Python writes them
                "literals": {
                    "shebang": _SHEBANG,
                    "command": ascii(command),
                    "documents": ascii(text),
                    "kinds": ascii(list(helper.documents)),
                    "directory": ascii((helper.directory or "").format(**places)),
                },
                "given": FEATURE in features and asked[helper.rule],
                "names_users": bool(helper.documents),
            }
        )
    return found


def helper_proofs(programs: Sequence[HelperProgram]) -> list[Command]:
    """Return how sudo is asked whether the bot may run the programs.

    They are not run: some change something, and who reads as an agent can be stopped by it.
    """
    return [
        {
            "what": f"the bot may run {program['path']}",
            "argv": ["sudo", "-n", "-l", "--", program["path"], "x"],
        }
        for program in programs
        if program["given"]
    ]
