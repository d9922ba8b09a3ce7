"""``rollback``: bring back an earlier install."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kai_ansible.ansible.batches import read_sizes
from kai_ansible.commands.target import (
    ChangeOptions,
    Target,
    checked_target,
    end,
    raise_for_obstacles,
    run_role,
)
from kai_ansible.errors import CommandError, ExitCode, refusal
from kai_ansible.operator import at_terminal
from kai_ansible.terminal.prompts import prompter
from kai_ansible.terminal.screen import tell_outcome

if TYPE_CHECKING:
    from kai_ansible.terminal.screen import Screen

PROOF = "kai.bot.kai_proof"


@dataclass(frozen=True)
class RollbackOptions(ChangeOptions):
    """What was asked of ``rollback``.

    to: the number of an install or a release, None for the one before.
    """

    to: str | None = None
    with_database: bool = False


def roll_back(options: RollbackOptions, screen: Screen) -> None:
    """Bring back an earlier install and tell how that ended.

    What host_vars say does not matter, nor whether it is valid.
    Raises CommandError when there is nothing to go back to, and for a run that failed.
    """
    sizes = read_sizes(options.batches)
    target = checked_target(options, valid=False)
    if not (options.check or options.yes):
        _confirm(target, options)
    variables: dict[str, Any] = {"kai_install_rollback_database": options.with_database}
    if options.to:
        variables["kai_install_rollback_to"] = options.to
    outcome = run_role(target, "rollback", options, screen, variables, sizes=sizes)
    raise_for_obstacles(target, outcome)
    tell_outcome(screen, outcome, check=options.check)
    end(options, outcome, screen)


def _confirm(target: Target, options: RollbackOptions) -> None:
    if not at_terminal():
        raise refusal(
            "rollback",
            "no terminal to ask at whether this is meant",
            "a word that it is",
            "say so with --yes, or look what would change with --check",
        )
    wanted = options.to or "the install before the live one"
    data = ", the database included" if options.with_database else ""
    question = f"Roll {', '.join(target.hosts)} back to {wanted}{data}"
    if not prompter(plain=options.plain).confirm(question, default=False):
        raise CommandError("Nothing was changed.", code=ExitCode.DONE)
