"""The command ``backup``: write each host's bot, its data included, to one file."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from kai_ansible.ansible.playbooks import BACKUP
from kai_ansible.commands.new_backup import (
    backup_variables,
    finish_backups,
    name_restores,
    new_backups,
    with_lasting_password,
)
from kai_ansible.commands.options import RunOptions
from kai_ansible.commands.role_run import ended, raise_unless_succeeded, run_role
from kai_ansible.commands.target import checked_target
from kai_ansible.errors import ExitCode, usage_error
from kai_ansible.terminal.screen import Screen

REPORTED = ("left", "complete", "release", "members")


def back_up(options: RunOptions, screen: Screen, output: Path | None) -> None:
    """Back up each host while the bots run. Raises CommandError if a backup fails.

    output: the file for the only host, None for one file per host.
    """
    target = with_lasting_password(checked_target(options, valid=False), screen)
    with new_backups(target, output) as backups:
        outcome = run_role(target, BACKUP, options, screen, backup_variables(backups))
        made = finish_backups(backups, screen)
    for host, report in outcome.reports.items():
        screen.lines(f"{host}: not in the backup", report.get("left", []))
    reported = {
        host: {name: report.get(name) for name in REPORTED}
        for host, report in outcome.reports.items()
    }
    screen.document(
        {
            "succeeded": outcome.succeeded,
            "hosts": {host: {**report, **made.get(host, {})} for host, report in reported.items()},
            **ended(outcome),
        }
    )
    name_restores(made, options.words, screen)
    raise_unless_succeeded(outcome, screen)
    _raise_for_missing(target.hosts, made)


def _raise_for_missing(hosts: Sequence[str], made: Collection[str]) -> None:
    missing = [host for host in hosts if host not in made]
    if missing:
        raise usage_error(
            ", ".join(missing),
            "no data directory",
            "an installed bot",
            "check the install with kai-ansible status",
            message="These hosts have no backup.",
            code=ExitCode.FAILED,
        )
