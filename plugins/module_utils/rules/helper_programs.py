# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs that root runs for the bot of Kai 2.1: it cannot enter the directories of agents.

Their names, arguments and answers are those of Kai's own installer and of the modules that ask
them: install.py, principal_documents.py and principal_policies.py of September 2026.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from .binaries import agent_account
from .user_places import marks, placed

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from .configuration import Configuration
    from .contract import Contract
    from .desired import HelperProgram
    from .proof_arguments import Command

FEATURE = "helpers"
# root runs no Python that another account may have installed, and none reads an environment
_SHEBANG = "#!/usr/bin/python3 -I"


def helper_programs(
    contract: Contract,
    configuration: Configuration,
    places: Mapping[str, str],
    homes: Mapping[int, str | None],
    workshop: str | None,
    features: Collection[str],
) -> list[HelperProgram]:
    """Return every program of the line, with the values that its template writes into it.

    places: the directories of the host by name. homes: where the agents of a user start, by
    Telegram ID, None where that is not known yet. features: what the source has. A program that no
    source or user asks for is not given.
    """
    service_user = configuration.host["service_user"]
    accounts = [agent_account(contract, configuration, one) for one in configuration.people]
    asked = {"storage": bool(accounts), "agents": bool(set(accounts) - {service_user})}
    found: list[HelperProgram] = []
    for helper in contract.helpers:
        documents = {}
        for person, account in zip(configuration.people, accounts):
            words = {**places, **marks(person.telegram_id), "home": homes[person.telegram_id]}
            principal = placed(words["principal"] or "", workshop)
            if principal is None or not helper.documents:
                continue
            documents[principal] = {
                "os_user": account,
                **{
                    kind: placed(path.format(**words), workshop) or ""
                    for kind, path in helper.documents.items()
                },
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
                    "directory": ascii((helper.directory or "").format(**places)),
                },
                "given": FEATURE in features and asked[helper.rule],
                "principals": sorted(documents),
                "answers": list(helper.documents) if not command else [],
            }
        )
    return found


def helper_proofs(programs: Sequence[HelperProgram]) -> list[Command]:
    """Return how the bot is proven to get at the programs, and through them at documents.

    A program that answers for a principal is asked for its first document; of the others sudo is
    asked alone, as they change something.
    """
    proofs: list[Command] = []
    for program in programs:
        if not program["given"]:
            continue
        path = program["path"]
        proofs.append(
            {"what": f"the bot may run {path}", "argv": ["sudo", "-n", "-l", "--", path, "x"]}
        )
        proofs += [
            {
                "what": f"{path} knows the user {principal}",
                "argv": ["sudo", "-n", "--", path, principal, kind],
            }
            for principal in program["principals"]
            for kind in program["answers"]
        ]
    return proofs
