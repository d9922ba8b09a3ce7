"""The commands below ``vault`` and their options."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kai_ansible.cli.help import group
from kai_ansible.cli.options import verb
from kai_ansible.commands.options import HostOptions

if TYPE_CHECKING:
    from kai_ansible.terminal.screen import Screen

vault_app = group(
    "vault", "Change the vault password, or move it to the keyring.", "vault password"
)
# a vault password belongs to an inventory, not to a host
NO_HOST = ["host", "ask_become_pass", "vault_ids"]


@verb(vault_app, "vault rekey", NO_HOST)
def rekey(
    hosts: HostOptions,
    screen: "Screen",
    new_vault_password_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="File or script with the new password. Default: a random one."
        ),
    ] = None,
    to_keyring: Annotated[
        bool, typer.Option("--keyring", help="Store the new password in the keyring.")
    ] = False,
) -> None:
    """Encrypt every vault of the inventory with a new password."""
    from kai_ansible.commands.vault import rekey_vaults

    rekey_vaults(
        hosts.inventory,
        hosts.vault_password_file,
        screen,
        new_file=new_vault_password_file,
        to_keyring=to_keyring,
    )


@verb(vault_app, "vault password --to-keyring", NO_HOST)
def password(
    hosts: HostOptions,
    screen: "Screen",
    to_keyring: Annotated[
        bool, typer.Option("--to-keyring", help="Move the password file to the keyring.")
    ] = False,
) -> None:
    """Show where the vault password is stored, or move it to the keyring."""
    from kai_ansible.commands.vault import move_password_to_keyring, report_password_place

    if to_keyring:
        move_password_to_keyring(hosts.inventory, screen)
    else:
        report_password_place(hosts.inventory, hosts.vault_password_file, screen)
