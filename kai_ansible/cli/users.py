"""The commands below ``users`` and their options."""

from __future__ import annotations

from typing import Annotated

import typer

from kai_ansible.cli import completion
from kai_ansible.cli.options import (
    HostArgument,
    InventoryOption,
    JsonOption,
    PlainOption,
    VaultIdsOption,
    VaultOption,
)
from kai_ansible.inventory import DEFAULT_INVENTORY

users_app = typer.Typer(
    no_args_is_help=True,
    help="List, add, remove or edit the bot's people.",
    epilog="Example: kai-ansible users list",
)

WhoArgument = Annotated[
    str,
    typer.Argument(
        metavar="WHO", autocompletion=completion.people, help="Name or Telegram ID of a person."
    ),
]
FieldsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="FIELD=VALUE",
        autocompletion=completion.fields,
        help="Give a field; docs/settings.md lists them.",
    ),
]
NoInputOption = Annotated[bool, typer.Option("--no-input", help="Ask nothing.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Also when nobody is left as admin.")]


@users_app.command("list", epilog="Example: kai-ansible users list --json")
def list_(
    host: HostArgument = None,
    inventory: InventoryOption = DEFAULT_INVENTORY,
    vault_password_file: VaultOption = None,
    vault_id: VaultIdsOption = None,
    as_json: JsonOption = False,
    plain: PlainOption = False,
) -> None:
    """Show everybody with what they effectively get."""
    from kai_ansible.commands.users import UsersOptions, list_users
    from kai_ansible.terminal.screen import Screen

    screen = Screen(as_json=as_json, plain=plain)
    options = UsersOptions(inventory, host, vault_password_file, tuple(vault_id or ()))
    with screen.telling_errors():
        list_users(options, screen)


@users_app.command(
    epilog="Example: kai-ansible users add --telegram-id 42 --name Bob --os-user bob"
)
def add(
    host: HostArgument = None,
    inventory: InventoryOption = DEFAULT_INVENTORY,
    telegram_id: Annotated[
        str | None, typer.Option(metavar="ID", help="The person's Telegram ID.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="How the person is called.")
    ] = None,
    os_user: Annotated[
        str | None,
        typer.Option(metavar="ACCOUNT", help="The account that the person's agents run as."),
    ] = None,
    role: Annotated[str | None, typer.Option(metavar="ROLE", help="admin or user.")] = None,
    fields: FieldsOption = None,
    no_input: NoInputOption = False,
    vault_password_file: VaultOption = None,
    vault_id: VaultIdsOption = None,
    as_json: JsonOption = False,
    plain: PlainOption = False,
) -> None:
    """Add a person; at a terminal, ask for what is needed and was not given."""
    from kai_ansible.commands.users import UsersOptions, add_user
    from kai_ansible.terminal.screen import Screen

    screen = Screen(as_json=as_json, plain=plain)
    options = UsersOptions(
        inventory, host, vault_password_file, tuple(vault_id or ()), no_input=no_input, plain=plain
    )
    given = {"telegram_id": telegram_id, "name": name, "os_user": os_user, "role": role}
    with screen.telling_errors():
        add_user(
            options, {key: value for key, value in given.items() if value}, fields or [], screen
        )


@users_app.command(epilog="Example: kai-ansible users edit Bob --set model=opus --set github=")
def edit(
    who: WhoArgument,
    host: HostArgument = None,
    inventory: InventoryOption = DEFAULT_INVENTORY,
    fields: FieldsOption = None,
    yes: YesOption = False,
    no_input: NoInputOption = False,
    vault_password_file: VaultOption = None,
    vault_id: VaultIdsOption = None,
    as_json: JsonOption = False,
    plain: PlainOption = False,
) -> None:
    """Give fields of a person another value, or clear them with an empty one."""
    from kai_ansible.commands.users import UsersOptions, edit_user
    from kai_ansible.terminal.screen import Screen

    screen = Screen(as_json=as_json, plain=plain)
    options = UsersOptions(
        inventory,
        host,
        vault_password_file,
        tuple(vault_id or ()),
        no_input=no_input,
        yes=yes,
        plain=plain,
    )
    with screen.telling_errors():
        edit_user(options, who, fields or [], screen)


@users_app.command(epilog="Example: kai-ansible users remove Bob")
def remove(
    who: WhoArgument,
    host: HostArgument = None,
    inventory: InventoryOption = DEFAULT_INVENTORY,
    yes: YesOption = False,
    no_input: NoInputOption = False,
    vault_password_file: VaultOption = None,
    vault_id: VaultIdsOption = None,
    as_json: JsonOption = False,
    plain: PlainOption = False,
) -> None:
    """Remove a person; what is theirs on the host stays."""
    from kai_ansible.commands.users import UsersOptions, remove_user
    from kai_ansible.terminal.screen import Screen

    screen = Screen(as_json=as_json, plain=plain)
    options = UsersOptions(
        inventory,
        host,
        vault_password_file,
        tuple(vault_id or ()),
        no_input=no_input,
        yes=yes,
        plain=plain,
    )
    with screen.telling_errors():
        remove_user(options, who, screen)
