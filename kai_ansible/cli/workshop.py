"""The commands below ``workshop`` and their options."""

from typing import TYPE_CHECKING

import typer

from kai_ansible.cli.help import Group
from kai_ansible.cli.options import verb
from kai_ansible.cli.users import WhoArgument
from kai_ansible.commands.options import ChangeOptions

if TYPE_CHECKING:
    from kai_ansible.terminal.screen import Screen

workshop_app = typer.Typer(
    name="workshop",
    cls=Group,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Let users into the Workshop, the page of Kai 2 in a browser.",
    epilog="Example: kai-ansible workshop enrol Alice",
)


@verb(workshop_app, "workshop enrol Alice", without=["diff", "batches", "forks"])
def enrol(changes: ChangeOptions, screen: "Screen", who: WhoArgument) -> None:
    """Stop the bot, issue an enrolment for a user, start the bot, and print the token once."""
    from kai_ansible.commands.workshop import enrol_user

    enrol_user(changes, who, screen)


@workshop_app.callback()
def workshop() -> None:
    """Let users into the Workshop, the page of Kai 2 in a browser."""
