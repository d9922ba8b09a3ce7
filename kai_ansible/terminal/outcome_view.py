"""Print the outcome of a run on each host: changes, notes, logins, and the way back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from kai_ansible.ansible.changes import Change
from kai_ansible.ansible.runner import Outcome
from kai_ansible.rules.enrolment import enrol_hint
from kai_ansible.rules.reports import InstallReport, ProofReport
from kai_ansible.terminal.change_view import (
    COLUMNS,
    NOTHING,
    full_rows,
    summary_rows,
)
from kai_ansible.terminal.login_view import login_lines
from kai_ansible.terminal.screen import Screen

# the role says that it changes the host, and no result of a task says what
_HIDDEN = ", but the results of the tasks are hidden, so the changes cannot be shown"


def report_plan(screen: Screen, outcome: Outcome[ProofReport], *, full: bool = False) -> None:
    """Print the changes and notes of a check mode run. full: every file, key by key."""
    for host, report in outcome.reports.items():
        changes = outcome.changes.get(host, ())
        if changes:
            report_changes(screen, f"{host}: would change", changes, full=full)
        elif report["changes"]:
            screen.say(f"{host}: would change{_HIDDEN}")
        else:
            screen.say(f"{host}: nothing to change")
        screen.notes(report["notes"])


def report_outcome(
    screen: Screen,
    outcome: Outcome[ProofReport],
    *,
    check: bool,
    agreed: Outcome[ProofReport] | None = None,
    full: bool = False,
    ssh: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Print the outcome of a run on each host: changes, notes and logins.

    agreed: the check mode run that was printed before; a host with the same changes is summarized.
    full: print every changed file, key by key. ssh: the commands that log in, by host.
    """
    if check:
        report_plan(screen, outcome, full=full)
        return
    for host, report in outcome.reports.items():
        changes = outcome.changes.get(host, [])
        as_shown = agreed is not None and changes == agreed.changes.get(host, [])
        if not changes and report["changes"]:
            screen.say(f"{host}: changed{_HIDDEN}")
        elif not changes:
            screen.say(f"{host}: unchanged")
        elif as_shown:
            screen.say(f"{host}: changed as shown")
        else:
            report_changes(screen, f"{host}: changed", changes, full=full)
        if not as_shown:
            screen.notes(report["notes"])
        screen.lines(f"{host}: verified", report["verified"])
        if report["seconds_without"] is not None:
            screen.say(f"{host}: downtime {report['seconds_without']} s")
        for line in login_lines(report["login_notice"], (ssh or {}).get(host)):
            screen.say(line)


def report_next_steps(
    screen: Screen,
    outcome: Outcome[InstallReport],
    words: Callable[[str], Sequence[str]],
    *,
    rollback: bool = True,
) -> None:
    """Print the commands that may follow an install on each host.

    words: what names a host in a command. rollback: whether a rollback undoes the run.
    """
    for host, report in outcome.reports.items():
        hint = enrol_hint(report)
        if hint:
            command = ("kai-ansible", "workshop", "enrol", report["enrol"][0], *words(host))
            screen.command(f"{host}: {hint}", *command)
        if rollback and (report["install"] or 0) > 1:
            command = ("kai-ansible", "rollback", *words(host))
            screen.command(f"{host}: undo this install with", *command)


def report_changes(
    screen: Screen, title: str, changes: Sequence[Change], *, full: bool = False
) -> None:
    """Print changes with the value before and after each.

    full: every file, key by key; otherwise what is new of each kind is counted.
    """
    full = full or screen.verbose
    if screen.plain and full:
        screen.say(f"{title}:")
        for change in changes:
            what = f"{change.path}: {change.key}" if change.key else change.path
            screen.say(f"  {what}: {change.before or NOTHING} -> {change.after or NOTHING}")
        return
    rows = full_rows(changes) if full else summary_rows(changes)
    screen.table(title, COLUMNS, rows)
    if not full and len(changes) > len(rows):
        screen.say("  Add --diff to see every changed file, key by key.")
