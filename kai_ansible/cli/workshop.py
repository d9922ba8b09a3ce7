"""The commands below ``workshop`` and their options."""

from typing import TYPE_CHECKING

from kai_ansible.cli.help import group
from kai_ansible.cli.options import verb
from kai_ansible.cli.users import WhoArgument
from kai_ansible.commands.options import ChangeOptions

if TYPE_CHECKING:
    from kai_ansible.terminal.screen import Screen

ABOUT = "Let users into the Workshop, the page of Kai 2 in a browser."
workshop_app = group("workshop", ABOUT, "workshop enrol Alice")


@verb(workshop_app, "workshop enrol Alice", without=["diff", "batches", "forks"])
def enrol(changes: ChangeOptions, screen: "Screen", who: WhoArgument) -> None:
    """Stop the bot, issue an enrolment for a user, start the bot, and print the token once."""
    from kai_ansible.commands.workshop import enrol_user

    enrol_user(changes, who, screen)


@workshop_app.callback(help=ABOUT)
def workshop() -> None:
    """Make Typer take the only command for one of a group."""
