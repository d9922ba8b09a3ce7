"""The command ``backup``: what a bot is, and knows, goes into one file for each host."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kai_ansible.commands.new_backup import (
    finished,
    new_backups,
    raise_without,
    told,
    variables_of,
    with_lasting_password,
)
from kai_ansible.commands.target import (
    RunOptions,
    checked_target,
    raise_for_obstacles,
    raise_unless_succeeded,
    run_role,
)

if TYPE_CHECKING:
    from kai_ansible.terminal.screen import Screen

PLAYBOOK = "backup"
DIRECTORY = Path("backups")


@dataclass(frozen=True)
class BackupOptions(RunOptions):
    """What was asked of ``backup``; output: the file for the only host."""

    output: Path | None = None


def back_up(options: BackupOptions, screen: Screen) -> None:
    """Make a backup of each host, while the bots run. Raises CommandError for one that failed."""
    target = with_lasting_password(checked_target(options, valid=False), screen)
    with new_backups(target, options.output) as backups:
        outcome = run_role(target, PLAYBOOK, options, screen, variables_of(target, backups))
        made = finished(backups, screen)
    raise_for_obstacles(target, outcome)
    for host, report in outcome.reports.items():
        screen.lines(f"{host}: not in it", report.get("left", []))
    screen.document(
        {
            "succeeded": outcome.succeeded,
            "hosts": {host: {**report, **made.get(host, {})} for host, report in told(outcome)},
            "failures": [failure.as_dict() for failure in outcome.failures],
            "log": str(outcome.log) if outcome.log else None,
        }
    )
    raise_unless_succeeded(outcome)
    raise_without(target.hosts, made)
