"""The command ``rollback``: restore an earlier install."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kai_ansible.ansible.batches import read_sizes
from kai_ansible.commands.confirmation import confirm, require_terminal
from kai_ansible.commands.options import ChangeOptions
from kai_ansible.commands.role_run import end, raise_for_preflight, run_role
from kai_ansible.commands.target import checked_target
from kai_ansible.terminal.screen import report_outcome

if TYPE_CHECKING:
    from kai_ansible.terminal.screen import Screen


@dataclass(frozen=True)
class RollbackOptions(ChangeOptions):
    """Options of ``rollback``.

    to: number of an install, or a release; None for the previous install.
    """

    to: str | None = None
    with_database: bool = False


def roll_back(options: RollbackOptions, screen: Screen) -> None:
    """Restore an earlier install and report the outcome.

    Host_vars may be anything, also invalid.
    Raises CommandError if there is no such install, and if the run fails.
    """
    sizes = read_sizes(options.batches)
    target = checked_target(options, valid=False)
    if not (options.check or options.yes):
        require_terminal("rollback", screen)
        wanted = options.to or "the previous install"
        data = ", with its database" if options.with_database else ""
        confirm(f"Roll {', '.join(target.hosts)} back to {wanted}{data}?", plain=options.plain)
    variables: dict[str, Any] = {"kai_install_rollback_database": options.with_database}
    if options.to:
        variables["kai_install_rollback_to"] = options.to
    outcome = run_role(target, "rollback", options, screen, variables, sizes=sizes)
    raise_for_preflight(target, outcome)
    report_outcome(screen, outcome, check=options.check)
    end(options, outcome, screen)
