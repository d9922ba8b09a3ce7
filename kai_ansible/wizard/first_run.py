"""Proposals of a first run: a name, an account to create, an agent to install."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kai_ansible.rules.probe import Probe

ADMIN = "admin"


def name_of(user: Mapping[str, Any]) -> str:
    """Return the name of a first user who has none yet."""
    account = str(user.get("os_user") or "")
    return account[:1].upper() + account[1:] or ADMIN


def is_missing(account: str, seen: Probe | None) -> bool:
    """Return whether a host is known to lack an account; an account that was not probed is not."""
    accounts = seen["accounts"] if seen else {}
    return account in accounts and accounts[account] is None


def advice_to_install(backend: str, command: str | None, host: str) -> list[str]:
    """Return how to install an agent that a host lacks, by its ``install_command``."""
    return [f"{backend} is not on {host} yet. Install it there, before you install the bot:"] + (
        [f"  {command}"] if command else []
    )
