"""The commands below ``vault`` and their options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kai_ansible.cli.options import (
    InventoryOption,
    JsonOption,
    PlainOption,
    VaultOption,
)
from kai_ansible.inventory import DEFAULT_INVENTORY

vault_app = typer.Typer(
    no_args_is_help=True,
    help="Change the vault password, or its place.",
    epilog="Example: kai-ansible vault password",
)


@vault_app.command(epilog="Example: kai-ansible vault rekey")
def rekey(
    inventory: InventoryOption = DEFAULT_INVENTORY,
    new_vault_password_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="File or script that gives the new password; else it is random."
        ),
    ] = None,
    to_keyring: Annotated[
        bool, typer.Option("--keyring", help="Keep the new password in the keyring.")
    ] = False,
    vault_password_file: VaultOption = None,
    as_json: JsonOption = False,
    plain: PlainOption = False,
) -> None:
    """Lock every vault of the inventory with a new password."""
    from kai_ansible.commands.vault import rekey_vaults
    from kai_ansible.terminal.screen import Screen

    screen = Screen(as_json=as_json, plain=plain)
    with screen.telling_errors():
        rekey_vaults(
            inventory,
            vault_password_file,
            screen,
            new_file=new_vault_password_file,
            to_keyring=to_keyring,
        )


@vault_app.command(epilog="Example: kai-ansible vault password --to-keyring")
def password(
    inventory: InventoryOption = DEFAULT_INVENTORY,
    to_keyring: Annotated[
        bool, typer.Option("--to-keyring", help="Move the password from our own file there.")
    ] = False,
    vault_password_file: VaultOption = None,
    as_json: JsonOption = False,
    plain: PlainOption = False,
) -> None:
    """Say where the vault password is, or move it into the keyring."""
    from kai_ansible.commands.vault import move_password_to_keyring, tell_password_place
    from kai_ansible.terminal.screen import Screen

    screen = Screen(as_json=as_json, plain=plain)
    with screen.telling_errors():
        if to_keyring:
            move_password_to_keyring(inventory, screen)
        else:
            tell_password_place(inventory, vault_password_file, screen)
