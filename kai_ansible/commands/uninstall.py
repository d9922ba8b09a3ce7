"""The command ``uninstall``: what installs made is shown, asked for by name, and removed."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kai_ansible.commands.new_backup import (
    finished,
    new_backups,
    variables_of,
    with_lasting_password,
)
from kai_ansible.commands.target import (
    RunOptions,
    Target,
    checked_target,
    raise_for_obstacles,
    raise_unless_succeeded,
    run_role,
)
from kai_ansible.errors import CommandError, ExitCode, refusal
from kai_ansible.files import write_private
from kai_ansible.operator import at_terminal
from kai_ansible.terminal.prompts import prompter

if TYPE_CHECKING:
    from kai_ansible.ansible.runner import Outcome
    from kai_ansible.terminal.screen import Screen

PLAYBOOK = "uninstall"


@dataclass(frozen=True)
class UninstallOptions(RunOptions):
    """What was asked of ``uninstall``.

    purge: the data as well. backup: after a last backup. yes: ask nothing.
    """

    purge: bool = False
    backup: bool = True
    yes: bool = False
    plain: bool = False


def uninstall_kai(options: UninstallOptions, screen: Screen) -> None:
    """Remove what installs made on each host; what host_vars say is not changed.

    Before data goes, a last backup of it is made, without which nothing is removed.

    Unless ``yes`` is given, what would go and what would stay is shown first, and the name of each
    host has to be typed.
    Raises CommandError when somebody else is at work on a host, and for a run that failed.
    """
    asks = not (options.check or options.yes)
    if asks and (screen.as_json or not at_terminal()):
        raise refusal(
            "uninstall",
            "nobody to ask whether this is meant",
            "a word that it is",
            "say so with --yes, or look what would be removed with --check",
        )
    target = checked_target(options, valid=False)
    if asks or options.check:
        plan = _run(target, replace(options, check=True), screen)
        if options.check or not any(report["changes"] for report in plan.reports.values()):
            _end(plan, options, screen)
            return
        _confirm(target.hosts, options)
    if not (options.purge and options.backup):
        _end(_run(target, options, screen), options, screen)
        return
    target = with_lasting_password(target, screen)
    with (
        new_backups(target, None) as backups,
        tempfile.TemporaryDirectory(prefix="kai-ansible-") as directory,
    ):
        # what goes is read back first
        identities = {host: Path(directory, str(n)) for n, host in enumerate(backups)}
        write_private({identities[host]: backup.identity for host, backup in backups.items()})
        variables = {
            **variables_of(target, backups),
            "kai_backup_identity_files": {host: str(path) for host, path in identities.items()},
        }
        try:
            outcome = _run(target, options, screen, variables)
        finally:
            # also when what came after it failed
            made = finished(backups, screen)
    _end(outcome, options, screen, made)


def _run(
    target: Target,
    options: UninstallOptions,
    screen: Screen,
    backup: Mapping[str, Any] | None = None,
) -> Outcome:
    """Run the playbook, and tell what went or, in check mode, would go."""
    variables = {"kai_install_purge": options.purge, **(backup or {})}
    outcome = run_role(target, PLAYBOOK, options, screen, variables)
    raise_for_obstacles(target, outcome)
    for host, report in outcome.reports.items():
        _tell(screen, host, report)
    raise_unless_succeeded(outcome)
    return outcome


def _tell(screen: Screen, host: str, report: Mapping[str, Any]) -> None:
    title = f"{host}: would be removed" if report["check"] else f"{host}: removed"
    screen.lines(title, report["changes"] or ["nothing"])
    screen.lines(f"{host}: stays", report["left"])
    screen.lines(f"{host}: not in the backup", report.get("backup_left", []))


def _confirm(hosts: Sequence[str], options: UninstallOptions) -> None:
    what, how = ("Kai and its data", " for good") if options.purge else ("Kai", "")
    for host in hosts:
        typed = prompter(plain=options.plain).text(
            f"Type {host} to remove {what} from it{how}",
            "",
            functools.partial(_fault_of_name, host),
            "Nothing is removed unless the name of each host is typed.",
        )
        if typed != host:
            raise CommandError("Nothing was changed.", code=ExitCode.DONE)


def _fault_of_name(host: str, typed: str) -> str | None:
    return None if typed in ("", host) else f"Type {host}, or nothing to leave it as it is."


def _end(
    outcome: Outcome,
    options: UninstallOptions,
    screen: Screen,
    backups: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    screen.document(
        {
            "succeeded": outcome.succeeded,
            "check": options.check,
            "hosts": {
                host: {**report, "backup": (backups or {}).get(host)}
                for host, report in outcome.reports.items()
            },
            "failures": [failure.as_dict() for failure in outcome.failures],
            "log": str(outcome.log) if outcome.log else None,
        }
    )
    if not options.check:
        screen.good("Done.")
