# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands by which a bot starts and ends an agent as another account."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .proof_arguments import AgentProof


def commands_of_rules(agent: AgentProof) -> dict[str, list[str]]:
    """Return the commands by which the bot learns whether sudo lets it start and end an agent.

    agent: one that runs as another account. sudo reports by its exit code (sudo(8), --list).
    """
    argv = agent["argv"]
    ask = ["sudo", "-n", "-l", "-u", argv[argv.index("-u") + 1], "--"]
    return {
        "start": [*ask, *command_of_agent(agent)],
        "end": [*ask, agent["kill"][-1], "-15", "1"],
    }


def command_of_agent(agent: AgentProof) -> list[str]:
    """Return what an agent is started with, without the sudo before it."""
    argv = agent["argv"]
    return list(argv[argv.index("--") + 1 :])
