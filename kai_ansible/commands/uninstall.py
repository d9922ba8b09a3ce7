"""The command ``uninstall``: show what installs created, confirm by host name, remove it."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kai_ansible.ansible.playbooks import UNINSTALL
from kai_ansible.ansible.runner import Outcome
from kai_ansible.commands.confirmation import require_terminal
from kai_ansible.commands.new_backup import (
    FinishedBackup,
    backup_variables,
    finish_backups,
    name_restores,
    new_backups,
    with_lasting_password,
)
from kai_ansible.commands.options import ChangeOptions
from kai_ansible.commands.role_run import ended, raise_unless_succeeded, run_role
from kai_ansible.commands.target import Target, checked_target
from kai_ansible.errors import CommandError, ExitCode
from kai_ansible.files import private_directory, write_files
from kai_ansible.rules.installs import HOLDS_DATA, OWNS_DATA
from kai_ansible.rules.reports import UninstallReport
from kai_ansible.terminal.prompts import prompter
from kai_ansible.terminal.screen import Screen

# /var/lib/kai, after the empty part before the first slash
_DEPTH = 4
_MOST_OF_A_PLACE = 3


@dataclass(frozen=True)
class UninstallOptions(ChangeOptions):
    """Options of ``uninstall``. purge: also remove the data. backup: make a last backup before."""

    purge: bool = False
    backup: bool = True


def uninstall_kai(options: UninstallOptions, screen: Screen) -> None:
    """Remove what installs created on each host; keep host_vars.

    With ``purge`` and ``backup``, back up the data first; if that fails, remove nothing.
    Without ``yes``, show first what goes and what stays, and have the operator type the name of
    each host.
    Raises CommandError if another run holds the lock of a host, and if the run fails.
    """
    asks = not (options.check or options.yes)
    if asks:
        require_terminal("uninstall", screen)
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
        private_directory() as directory,
    ):
        # the host reads the backup back before it removes the data
        identities = {host: directory / str(n) for n, host in enumerate(backups)}
        write_files({identities[host]: backup.identity for host, backup in backups.items()})
        variables = {
            **backup_variables(backups),
            "kai_backup_identity_files": {host: str(path) for host, path in identities.items()},
        }
        try:
            outcome = _run(target, options, screen, variables)
        finally:
            # the backup may be whole although a later step failed
            made = finish_backups(backups, screen)
    _end(outcome, options, screen, made)


def _run(
    target: Target,
    options: UninstallOptions,
    screen: Screen,
    backup: Mapping[str, Any] | None = None,
) -> Outcome[UninstallReport]:
    """Run the playbook and report what it removed or, in check mode, would remove."""
    variables = {"kai_install_purge": options.purge, **(backup or {})}
    outcome = run_role(target, UNINSTALL, options, screen, variables)
    for host, report in outcome.reports.items():
        _report(screen, host, report, check=options.check)
    raise_unless_succeeded(outcome, screen)
    return outcome


def _report(screen: Screen, host: str, report: UninstallReport, *, check: bool) -> None:
    title = f"{host}: would change" if check else f"{host}: changed"
    changes = report["changes"]
    shown = changes if screen.verbose else in_short(changes)
    screen.lines(title, shown or ["nothing"])
    if len(shown) < len(changes):
        screen.say("  Add -v to list every file and directory.")
    screen.lines(f"{host}: kept", report["left"])
    screen.lines(f"{host}: not in the backup", report["backup_left"])


def in_short(changes: Sequence[str]) -> list[str]:
    """Return the changes of a removal, with what is removed from one place counted."""
    places = Counter(map(_place, changes))
    lines = [
        change
        if places[place] <= _MOST_OF_A_PLACE
        else f"{place}: removed {places[place]} files and directories that installs made"
        for change in changes
        for place in [_place(change)]
    ]
    return list(dict.fromkeys(lines))


def _place(change: str) -> str:
    """Return the directory of Kai that a removed path is below, the change itself for any other."""
    path = change.removesuffix(": removed")
    return change if path == change else "/".join(path.split("/")[:_DEPTH])


def _confirm(hosts: Sequence[str], options: UninstallOptions) -> None:
    what = "Kai and its data" if options.purge else "Kai"
    for host in hosts:
        typed = prompter(plain=options.plain).text(
            f"Type {host} to remove {what} from it",
            "",
            functools.partial(_fault_of_name, host),
            "Type the name of each host to remove anything.",
        )
        if typed != host:
            raise CommandError("Nothing was changed.", code=ExitCode.DONE)


def _fault_of_name(host: str, typed: str) -> str | None:
    return None if typed in ("", host) else f"Type {host}, or press Enter to cancel."


def _end(
    outcome: Outcome[UninstallReport],
    options: UninstallOptions,
    screen: Screen,
    backups: Mapping[str, FinishedBackup] | None = None,
) -> None:
    screen.document(
        {
            "succeeded": outcome.succeeded,
            "check": options.check,
            "hosts": {
                host: {**report, "backup": (backups or {}).get(host)}
                for host, report in outcome.reports.items()
            },
            **ended(outcome),
        }
    )
    if options.check:
        return
    for host, report in outcome.reports.items():
        holds_data = any(line.endswith((HOLDS_DATA, OWNS_DATA)) for line in report["left"])
        if holds_data and not options.purge:
            command = ("kai-ansible", "uninstall", *options.words(host), "--purge")
            screen.command(f"{host}: remove the data as well, after a backup, with", *command)
    name_restores(backups or {}, options.words, screen)
    screen.good("Done.")
