"""The command ``rollback``: list the installs of a host, or restore an earlier one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from kai_ansible.ansible.batches import read_sizes
from kai_ansible.ansible.playbooks import ROLLBACK
from kai_ansible.ansible.runner import Outcome
from kai_ansible.commands.confirmation import confirm, require_terminal
from kai_ansible.commands.options import ChangeOptions
from kai_ansible.commands.role_run import end, raise_unless_succeeded, run_role
from kai_ansible.commands.status_probe import probe_status
from kai_ansible.commands.target import Target, checked_target
from kai_ansible.errors import CommandError
from kai_ansible.rules.installs import NONE, RESTORED
from kai_ansible.rules.probe import InstallRecord
from kai_ansible.rules.problems import listed
from kai_ansible.rules.reports import RollbackReport
from kai_ansible.rules.status_report import StatusReport
from kai_ansible.terminal.outcome_view import report_outcome, report_plan
from kai_ansible.terminal.screen import Screen
from kai_ansible.terminal.status_view import StatusProbe

GOOD = "good"
_DATABASE = {
    RESTORED: ", with its database, and set the present one aside",
    NONE: ", without a database, and set the present one aside",
}


def roll_back(
    options: ChangeOptions, screen: Screen, to: str | None, *, with_database: bool, only_list: bool
) -> None:
    """Restore an earlier install and report the outcome.

    to: number of an install, or a release; None for the previous install.
    only_list: list the installs, and change nothing.
    Host_vars may be anything, also invalid. At a terminal, show first which install comes back and
    what that changes, and ask for confirmation.
    Raises CommandError if there is no such install, and if the run fails.
    """
    sizes = read_sizes(options.batches)
    asks = not (options.check or options.yes or only_list)
    if asks:
        require_terminal("rollback", screen)
    target = checked_target(options, valid=False)
    if only_list:
        _list(_probed(target, screen), options, screen)
        return
    variables: dict[str, Any] = {"kai_install_rollback_database": with_database}
    if to:
        variables["kai_install_rollback_to"] = to
    plan = _ask(target, options, variables, screen) if asks else None
    outcome = run_role(target, ROLLBACK, options, screen, variables, sizes=sizes, again=asks)
    report_outcome(screen, outcome, check=options.check, agreed=plan, full=options.diff)
    if not options.check:
        for host in outcome.reports:
            command = ("kai-ansible", "config", *options.words(host))
            screen.command(f"{host}: change host_vars to match before the next install", *command)
    end(options, outcome, screen)


def _ask(
    target: Target, options: ChangeOptions, variables: Mapping[str, Any], screen: Screen
) -> Outcome[RollbackReport]:
    """Show which install comes back on each host, and return the check of it.

    Raises CommandError if the answer is no.
    """
    plan = run_role(target, ROLLBACK, replace(options, check=True), screen, variables)
    raise_unless_succeeded(plan, screen)
    probe = _probed(target, screen)
    aims = {}
    for host, report in plan.reports.items():
        number = report["rolled_back_to"]
        installs = _newest_first(probe.reports[host]) if host in probe.reports else []
        aims[host] = "before the unfinished install" if number is None else f"install {number}"
        screen.say(f"{host}: from {_live(installs)} back to {_described(installs, number)}")
    report_plan(screen, plan, full=options.diff)
    outcomes = {report["database"] for report in plan.reports.values()}
    data = next((words for outcome, words in _DATABASE.items() if outcome in outcomes), "")
    to = listed(dict.fromkeys(aims.values()))
    confirm(f"Roll {', '.join(target.hosts)} back to {to}{data}?", plain=options.plain)
    return plan


def _probed(target: Target, screen: Screen) -> StatusProbe:
    with screen.waiting(f"Reading the installs of {listed(target.hosts)}"):
        return probe_status(target)


def _newest_first(report: StatusReport) -> list[InstallRecord]:
    return sorted(report["installs"] or (), key=lambda one: -one["number"])


def _described(installs: Sequence[InstallRecord], number: int | None) -> str:
    """Return an install by its number, release and date."""
    if number is None:
        return "the state before the unfinished install"
    found = next((one for one in installs if one["number"] == number), None)
    return f"install {number}" + (
        f" (release {found['release']}, {found['time']})" if found else ""
    )


def _live(installs: Sequence[InstallRecord]) -> str:
    return _described(installs, installs[0]["number"]) if installs else "an unfinished install"


def _list(probe: StatusProbe, options: ChangeOptions, screen: Screen) -> None:
    """Print the installs of each host. Raises CommandError for a host that gives no answer."""
    found = {host: _newest_first(report) for host, report in probe.reports.items()}
    for host, installs in found.items():
        releases = probe.reports[host]["releases"] or ()
        states = {release["id"]: release["state"] for release in releases}
        screen.table(
            f"Installs of {host}",
            ("Number", "Time", "Release", "State", "Database kept"),
            [
                (
                    str(one["number"]),
                    one["time"],
                    one["release"],
                    _state(one, states, is_last=position == 0),
                    "yes" if one["snapshot"] else "no",
                )
                for position, one in enumerate(installs)
            ],
        )
        good = [one for one in installs[1:] if states.get(one["release"]) == GOOD]
        if good:
            number = str(good[0]["number"])
            command = ("kai-ansible", "rollback", *options.words(host), "--to", number)
            screen.command(f"Go back to one of them, such as install {number}", *command)
    screen.document(
        {
            "hosts": {host: {"installs": installs} for host, installs in found.items()},
            "failures": [failure.as_dict() for failure in probe.failures],
        }
    )
    if probe.failures:
        problems = [failure.problem for failure in probe.failures]
        raise CommandError("Some hosts could not be probed.", problems=problems, code=probe.code)


def _state(install: InstallRecord, states: Mapping[str, str], *, is_last: bool) -> str:
    again = install["rolled_back_to"]
    origin = "" if again is None else f" (a rollback to {again})"
    if is_last:
        return f"deployed{origin}"
    state = states.get(install["release"], "gone")
    return ("can be restored" if state == GOOD else f"its release is {state}") + origin
