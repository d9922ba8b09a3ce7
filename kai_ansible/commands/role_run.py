"""Run a playbook of the collection on the hosts of a command, and report how it ended."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from kai_ansible.ansible.batches import batches_of
from kai_ansible.ansible.playbooks import Playbook, Report
from kai_ansible.ansible.runner import Outcome, run_playbook
from kai_ansible.calling import given_at
from kai_ansible.commands.options import RunOptions
from kai_ansible.commands.target import Target
from kai_ansible.errors import CommandError, ExitCode
from kai_ansible.inventory.host_vars import variable_is_secret
from kai_ansible.rules.problems import Problem, listed
from kai_ansible.rules.variable_names import variable
from kai_ansible.terminal.progress import Progress
from kai_ansible.terminal.screen import Screen


def run_role(
    target: Target,
    playbook: Playbook[Report],
    options: RunOptions,
    screen: Screen,
    variables: Mapping[str, Any] | None = None,
    *,
    sizes: Sequence[str] = ("100%",),
    again: bool = False,
    refuses: bool = True,
) -> Outcome[Report]:
    """Run a playbook of the collection on the hosts and show its progress.

    variables: extra variables of this run alone.
    sizes: batch sizes, as ``batches_of`` takes them. again: whether a check was shown before.
    refuses: raise CommandError as ``raise_for_preflight`` does.
    """
    batches = [target.hosts] if options.check else batches_of(target.hosts, sizes)
    order = {"kai_hosts": list(target.hosts), "kai_batches": [len(batch) for batch in batches]}
    run = replace(
        target.run(playbook),
        check=options.check,
        variables={**target.overrides, **order, **(variables or {})},
        forks=options.forks,
    )
    with Progress(screen, batches, target.limits, check=options.check, again=again) as progress:
        outcome = run_playbook(run, progress)
        if outcome.interrupted:
            progress.interrupt()
    failed = {failure.host for failure in outcome.failures}
    # a failure without a host means that Ansible reached none
    tried = {*outcome.reports, *(failed if failed != {""} else target.hosts)}
    not_tried = [] if outcome.interrupted else [h for h in target.hosts if h not in tried]
    reports = {host: outcome.reports[host] for host in target.hosts if host in outcome.reports}
    outcome = replace(outcome, reports=reports, not_tried=not_tried)
    if refuses:
        raise_for_preflight(target, outcome)
    return outcome


def end(options: RunOptions, outcome: Outcome[Any], screen: Screen) -> None:
    """Print the JSON document of a run and "Done". Raises CommandError for a run that failed."""
    screen.document(
        {
            "succeeded": outcome.succeeded,
            "check": options.check,
            "hosts": {host: _reported(host, outcome) for host in outcome.reports},
            "not_tried": list(outcome.not_tried),
            **ended(outcome),
        }
    )
    raise_unless_succeeded(outcome, screen)
    if not options.check:
        screen.good("Done.")


def _reported(host: str, outcome: Outcome[Any]) -> dict[str, Any]:
    report = {name: value for name, value in outcome.reports[host].items() if name != "plan"}
    return {**report, "changes": [asdict(change) for change in outcome.changes.get(host, ())]}


def raise_for_preflight(target: Target, outcome: Outcome[Any]) -> None:
    """Raise CommandError if preflight found problems on every host."""
    if not set(target.hosts) <= set(outcome.preflight_problems):
        return
    if len(target.hosts) > 1:
        raise CommandError("Nothing was changed.", problems=problems_of(outcome))
    [host] = target.hosts
    problems = [Problem(**problem) for problem in outcome.preflight_problems[host]]
    files = target.inventory.host_vars(host, to_write=False)
    # the file that a variable belongs to if nothing sets it yet
    places = {
        name: files.vault if variable_is_secret(target.contract, name) else files.settings
        for name in (re.split(r"[\[.:]", problem.where)[0] for problem in problems)
        if name.startswith(variable(""))
    }
    places |= target.inventory.places(host) | {name: given_at(name) for name in target.overrides}
    raise CommandError("Nothing was changed.", problems=problems, places=places)


def problems_of(outcome: Outcome[Any]) -> list[Problem]:
    """Return the problems of a run that failed, with the host in each place."""
    refused = outcome.preflight_problems
    problems = [failure.problem for failure in outcome.failures if failure.host not in refused]
    for host, problems_of_host in refused.items():
        found = [Problem(**problem) for problem in problems_of_host]
        problems += [replace(problem, where=f"{host}: {problem.where}") for problem in found]
    return problems


def ended(outcome: Outcome[Any]) -> dict[str, Any]:
    """Return how a run ended, for a JSON document."""
    return {
        "failures": [failure.as_dict() for failure in outcome.failures],
        "log": str(outcome.log) if outcome.log else None,
    }


def raise_unless_succeeded(outcome: Outcome[Any], screen: Screen) -> None:
    """Raise CommandError for a run that was interrupted or failed."""
    if outcome.succeeded and not outcome.interrupted:
        return
    screen.document(ended(outcome))
    log = f"\nLog of this run: {outcome.log}" if outcome.log else ""
    if outcome.interrupted:
        raise CommandError(
            f"Interrupted. Run the same command again to finish or fix what it began.{log}",
            code=ExitCode.INTERRUPTED,
        )
    message = _by_host(outcome) if outcome.reports or outcome.not_tried else "Failed."
    raise CommandError(f"{message}{log}", problems=problems_of(outcome), code=ExitCode.FAILED)


def _by_host(outcome: Outcome[Any]) -> str:
    failed = dict.fromkeys(failure.host for failure in outcome.failures)
    return "\n".join(
        f"{what}: {listed(hosts)}"
        for what, hosts in (
            ("Done", [host for host in outcome.reports if host not in failed]),
            ("Failed", list(failed)),
            ("Not tried, because an earlier batch failed", outcome.not_tried),
        )
        if hosts
    )
