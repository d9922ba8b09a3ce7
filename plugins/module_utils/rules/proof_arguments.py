# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The arguments of kai_proof that an install keeps on record, and that verify a rollback.

A record is judged by what the module accepts, before anything is switched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

from .option_specs import entries

if TYPE_CHECKING:
    from collections.abc import Mapping


class _Command(TypedDict):
    what: str
    argv: list[str]


class Command(_Command, total=False):
    """A command of the bot that must succeed."""

    only_if_exists: str
    account: str
    program: str


class AgentProof(_Command):
    """How the bot starts a conversation with an agent, and ends it."""

    directory: str
    sets: dict[str, str]
    copies: dict[str, str]
    kill: list[str]
    say: str
    hear: dict[str, Any]
    account: str
    program: str


class PrivateDirectory(TypedDict):
    """A directory, and the account that it is kept for, None for the service user alone."""

    path: str
    account: str | None
    only_reads: bool


COMMANDS = entries(
    what={"type": "str", "required": True},
    argv={"type": "list", "elements": "str", "required": True},
    only_if_exists={"type": "str"},
    account={"type": "str", "default": ""},
    program={"type": "str", "default": ""},
)
AGENTS = entries(
    what={"type": "str", "required": True},
    argv={"type": "list", "elements": "str", "required": True},
    directory={"type": "path", "required": True},
    sets={"type": "dict", "default": {}},
    copies={"type": "dict", "default": {}},
    kill={"type": "list", "elements": "str", "default": []},
    say={"type": "str", "default": ""},
    hear={"type": "dict", "default": {}},
    account={"type": "str", "default": ""},
    program={"type": "str", "default": ""},
)
PRIVATE_DIRECTORIES = entries(
    path={"type": "path", "required": True},
    account={"type": "str"},
    only_reads={"type": "bool", "default": False},
)
_SIMPLE = {"str": str, "path": str, "int": int, "bool": bool}


def _form(option: Mapping[str, Any]) -> Any:
    """Return the form, as module_utils/rules/documents.py has it, of an option of a module."""
    kind = option["type"]
    if kind == "list":
        return [_form({**option, "type": option["elements"]})]
    if kind != "dict":
        return _SIMPLE[kind]
    if "options" not in option:
        return {str: object}
    options = option["options"].items()
    return {
        **{name: _form(inner) for name, inner in options if inner.get("required")},
        **{
            f"{name}?": (_form(inner), None) for name, inner in options if not inner.get("required")
        },
    }


PROOF = {
    "service_user": str,
    "timeout": int,
    "environment": {str: str},
    "secret_keys": [str],
    "commands": _form(COMMANDS),
    "agents": _form(AGENTS),
    "private_directories": _form(PRIVATE_DIRECTORIES),
    "search_path?": [str],
    "readiness?": ([str], []),
}


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
