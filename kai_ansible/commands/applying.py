"""Apply host_vars to hosts, as ``install`` and ``upgrade`` do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from kai_ansible.ansible.batches import batches_of, read_sizes
from kai_ansible.ansible.playbooks import INSTALL
from kai_ansible.ansible.runner import Outcome
from kai_ansible.commands.confirmation import confirm
from kai_ansible.commands.options import ChangeOptions
from kai_ansible.commands.role_run import (
    end,
    problems_of,
    raise_for_preflight,
    raise_unless_succeeded,
    run_role,
)
from kai_ansible.commands.target import Target, checked_target
from kai_ansible.inventory.host_vars import host_vars_texts
from kai_ansible.inventory.inventory import write_host_vars
from kai_ansible.operator import at_terminal
from kai_ansible.rules.problems import listed
from kai_ansible.rules.reports import InstallReport
from kai_ansible.terminal.outcome_view import report_next_steps, report_outcome, report_plan
from kai_ansible.terminal.screen import Screen


def apply_host_vars(options: ChangeOptions, screen: Screen, assignments: Sequence[str]) -> None:
    """Apply the role, report the outcome, and keep the given values if it succeeds.

    assignments: the KEY=VALUE words of ``--set``.
    At a terminal, show the changes first and ask for confirmation. With several hosts, check all
    of them before changing the first; a host that cannot be installed stops no other host.
    Raises CommandError for an invalid configuration, and if the run fails on any host.
    """
    sizes = read_sizes(options.batches)
    target = checked_target(options, assignments)
    asks = at_terminal() and not (options.check or options.yes or screen.as_json)
    agreed = None
    if options.check or not (asks or len(target.hosts) > 1):
        outcome = run_role(target, INSTALL, options, screen, sizes=sizes)
    else:
        checked = _checked(target, options, screen, asks=asks)
        agreed = checked if asks else None
        plans = {host: report["plan"] for host, report in checked.reports.items()}
        ready = [host for host in target.hosts if host in plans]
        outcome = run_role(
            replace(target, hosts=ready),
            INSTALL,
            options,
            screen,
            {"kai_agreed_plans": plans},
            sizes=sizes,
            again=asks,
            refuses=False,
        )
        outcome = replace(
            outcome,
            succeeded=outcome.succeeded and checked.succeeded,
            failures=[*checked.failures, *outcome.failures],
            preflight_problems={**checked.preflight_problems, **outcome.preflight_problems},
        )
        raise_for_preflight(target, outcome)
    report_outcome(
        screen,
        outcome,
        check=options.check,
        agreed=agreed,
        full=options.diff,
        ssh=target.inventory.ssh_commands,
    )
    if not options.check:
        report_next_steps(screen, outcome, options.words)
    if outcome.succeeded and not options.check:
        for path in _keep_overrides(target):
            screen.good(f"Kept in: {path}")
    end(options, outcome, screen)


def _checked(
    target: Target, options: ChangeOptions, screen: Screen, *, asks: bool
) -> Outcome[InstallReport]:
    """Run check mode and return its outcome, with a report of each host that can be installed.

    asks: show the changes and ask for confirmation if there are any.
    Raises CommandError if the answer is no, and if no host can be installed.
    """
    outcome = run_role(target, INSTALL, replace(options, check=True), screen)
    if outcome.interrupted or not outcome.reports:
        raise_unless_succeeded(outcome, screen)
    for problem in problems_of(outcome):
        screen.bad(f"Left out: {problem}")
    ready = [host for host in target.hosts if host in outcome.reports]
    if len(ready) > 1:
        order = "; then ".join(map(listed, batches_of(ready, read_sizes(options.batches))))
        screen.say(f"Order of the hosts: {order}. If a host fails, later batches stay unchanged.")
    if not asks:
        return outcome
    # a task whose result is hidden has no changes to show, so the plan decides as well
    if any(outcome.changes.values()) or any(one["changes"] for one in outcome.reports.values()):
        report_plan(screen, outcome, full=options.diff)
        confirm("Apply?", plain=options.plain)
    else:
        for report in outcome.reports.values():
            screen.notes(report["notes"])
        screen.good("Nothing to change. Verifying the running bot.")
    return outcome


def _keep_overrides(target: Target) -> list[Path]:
    written: list[Path] = []
    for host in target.hosts if target.overrides else ():
        files = target.inventory.host_vars(host)
        texts, _ = host_vars_texts(target.contract, files, target.overrides, target.password)
        written += write_host_vars(target.inventory, texts)
    return written
