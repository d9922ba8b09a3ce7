"""Shell completion. It asks nothing and contacts no host."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer  # its annotations are evaluated

from kai_ansible.errors import CommandError
from kai_ansible.inventory.default_inventory import default_inventory

if TYPE_CHECKING:
    from kai_ansible.rules.contract import Contract


def hosts(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the hosts of the inventory, and ``all``."""
    from kai_ansible.inventory.inventory import Inventory

    try:
        names = Inventory(_inventory(ctx)).hosts_named()
    except CommandError:
        return []
    return _beginning([*names, "all"], incomplete)


def assignments(incomplete: str) -> list[str]:
    """Return the keys that --set takes; secrets are left out."""
    settings = _contract().settings.items()
    return _beginning([f"{key}=" for key, spec in settings if not spec.secret], incomplete)


def settings(incomplete: str) -> list[str]:
    """Return the settings of Kai and of the install."""
    return _beginning([*_contract().settings, *_contract().host], incomplete)


def fields(incomplete: str) -> list[str]:
    """Return the fields of a user."""
    return _beginning([f"{name}=" for name in _contract().user_fields], incomplete)


def sections(incomplete: str) -> list[str]:
    """Return the sections of the wizard."""
    return _beginning(_contract().sections, incomplete)


def lines(incomplete: str) -> list[str]:
    """Return the release lines to which host_vars can be migrated."""
    from kai_ansible.ansible.collection import lines as known

    return _beginning([one.line for one in known().lines[:-1]], incomplete)


def users(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the names of the users in the kai.yml of every host."""
    from kai_ansible.inventory.inventory import Inventory
    from kai_ansible.inventory.variable_text import content_of, read_text
    from kai_ansible.rules.variable_names import variable

    try:
        inventory = Inventory(_inventory(ctx))
        every = inventory.hosts_named()
        files = [inventory.host_vars(host, to_write=False).settings for host in every]
        lists = [content_of(read_text(path), path).get(variable("users")) for path in files]
    except CommandError:
        return []
    known = [user for of_host in lists if isinstance(of_host, list) for user in of_host]
    names = [str(user["name"]) for user in known if isinstance(user, dict) and "name" in user]
    return _beginning(dict.fromkeys(names), incomplete)


def _contract() -> Contract:
    from kai_ansible.ansible.collection import contract

    return contract()


def _inventory(ctx: typer.Context) -> Path:
    # a word of the command line, which nothing has converted yet
    given = ctx.params.get("given_inventory")
    return Path(given) if given else default_inventory()


def _beginning(words: Any, incomplete: str) -> list[str]:
    return [word for word in words if word.startswith(incomplete)]
