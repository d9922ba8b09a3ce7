"""Proposals of a first run: a name, an account to create, an agent to install."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kai_ansible.rules.probe import Probe

ADMIN = "admin"
# how each vendor says to install its agent for every account of a host
INSTALL_COMMANDS: Mapping[str, str] = {
    "claude": "sudo npm install --global @anthropic-ai/claude-code",
    "codex": "sudo npm install --global @openai/codex",
}


def name_of(user: Mapping[str, Any]) -> str:
    """Return the name of a first user who has none yet."""
    account = str(user.get("os_user") or "")
    return account[:1].upper() + account[1:] or ADMIN


def is_missing(account: str, seen: Probe | None) -> bool:
    """Return whether a host is known to lack an account; an account that was not probed is not."""
    accounts = seen["accounts"] if seen else {}
    return account in accounts and accounts[account] is None


def advice_to_install(backend: str, host: str) -> list[str]:
    """Return how to install an agent that a host lacks, nothing if no command is known."""
    command = INSTALL_COMMANDS.get(backend)
    return [f"{backend} is not on {host} yet. Install it there, before you install the bot:"] + (
        [f"  {command}"] if command else []
    )
