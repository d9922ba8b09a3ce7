"""What a shell offers for a word that is being typed. Nothing is asked, and no host is reached."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer  # its annotations are evaluated

from kai_ansible.errors import CommandError


def hosts(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the hosts of the inventory, and the word for all of them."""
    from kai_ansible.inventory.inventory import Inventory

    try:
        names = Inventory(_inventory(ctx)).hosts("all")
    except CommandError:
        return []
    return _beginning([*names, "all"], incomplete)


def assignments(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the keys that may be given with --set; a secret may not."""
    from kai_ansible.ansible.collection import contract

    settings = contract()["settings"].items()
    return _beginning([f"{key}=" for key, spec in settings if not spec.get("secret")], incomplete)


def fields(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the fields of a person."""
    from kai_ansible.ansible.collection import contract

    return _beginning([f"{name}=" for name in contract()["user_fields"]], incomplete)


def sections(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the sections of the wizard."""
    from kai_ansible.ansible.collection import contract

    return _beginning(contract()["sections"], incomplete)


def people(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the names of the people of every host, as far as kai.yml says them."""
    from kai_ansible.inventory.inventory import Inventory, content_of, read_text
    from kai_ansible.rules.configuration import variable

    try:
        inventory = Inventory(_inventory(ctx))
        files = [inventory.host_vars(host).settings for host in inventory.hosts("all")]
        users = [content_of(read_text(path), path).get(variable("users")) for path in files]
    except CommandError:
        return []
    known = [user for of_host in users if isinstance(of_host, list) for user in of_host]
    names = [str(user["name"]) for user in known if isinstance(user, dict) and "name" in user]
    return _beginning(dict.fromkeys(names), incomplete)


def _inventory(ctx: typer.Context) -> Path:
    return Path(ctx.params.get("inventory") or "inventory")


def _beginning(words: Any, incomplete: str) -> list[str]:
    return [word for word in words if word.startswith(incomplete)]
