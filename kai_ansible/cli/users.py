"""The commands below ``users`` and their options."""

from typing import TYPE_CHECKING, Annotated

import typer

from kai_ansible.cli import completion
from kai_ansible.cli.help import group
from kai_ansible.cli.options import NoInputOption, verb
from kai_ansible.commands.options import HostOptions, UsersOptions

if TYPE_CHECKING:
    from kai_ansible.terminal.screen import Screen

users_app = group("users", "List, add, edit and remove the users of the bot.", "users list")
WhoArgument = Annotated[
    str,
    typer.Argument(
        metavar="WHO", autocompletion=completion.users, help="Name or Telegram ID of a user."
    ),
]
FieldsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="FIELD=VALUE",
        autocompletion=completion.fields,
        help="Set a field; docs/settings.md lists them. Repeatable.",
    ),
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Go on although no admin is left.")]
NO_SUDO = ["ask_become_pass"]


@verb(users_app, "users list --json", NO_SUDO)
def list_(hosts: HostOptions, screen: "Screen") -> None:
    """List the users with their effective settings."""
    from kai_ansible.commands.users import list_users

    list_users(UsersOptions(**vars(hosts)), screen)


@verb(users_app, "users add --telegram-id 42 --name Bob --os-user bob", NO_SUDO)
def add(
    hosts: HostOptions,
    screen: "Screen",
    telegram_id: Annotated[
        str | None, typer.Option(metavar="ID", help="Telegram ID of the user.")
    ] = None,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Name of the user.")] = None,
    os_user: Annotated[
        str | None, typer.Option(metavar="ACCOUNT", help="OS user that runs the user's agents.")
    ] = None,
    role: Annotated[str | None, typer.Option(metavar="ROLE", help="admin or user.")] = None,
    fields: FieldsOption = None,
    no_input: NoInputOption = False,
) -> None:
    """Add a user; at a terminal, ask for the required fields that are missing."""
    from kai_ansible.commands.users import add_user

    options = UsersOptions(**vars(hosts), no_input=no_input)
    given = {"telegram_id": telegram_id, "name": name, "os_user": os_user, "role": role}
    add_user(options, {key: value for key, value in given.items() if value}, fields or [], screen)


@verb(users_app, "users edit Bob --set model=opus --set github=", NO_SUDO)
def edit(
    hosts: HostOptions,
    screen: "Screen",
    who: WhoArgument,
    fields: FieldsOption = None,
    yes: YesOption = False,
    no_input: NoInputOption = False,
) -> None:
    """Change fields of a user; an empty value clears a field."""
    from kai_ansible.commands.users import edit_user

    options = UsersOptions(**vars(hosts), no_input=no_input, yes=yes)
    edit_user(options, who, fields or [], screen)


@verb(users_app, "users remove Bob", NO_SUDO)
def remove(
    hosts: HostOptions,
    screen: "Screen",
    who: WhoArgument,
    yes: YesOption = False,
    no_input: NoInputOption = False,
) -> None:
    """Remove a user; the user's files and account on the host stay."""
    from kai_ansible.commands.users import remove_user

    options = UsersOptions(**vars(hosts), no_input=no_input, yes=yes)
    remove_user(options, who, screen)
