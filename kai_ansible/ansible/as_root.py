"""Run a playbook that only reads: as root where that is possible, else without root."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from kai_ansible.ansible.playbooks import Report
from kai_ansible.ansible.request import Run
from kai_ansible.ansible.runner import Outcome, run_playbook
from kai_ansible.operator import may_become_root


def run_as_root_if_possible(run: Run[Report]) -> Outcome[Report]:
    """Return the outcome on every host; on one without root access, that of a run without root.

    With a password for sudo no host is without it. Raises KeyboardInterrupt if a run was
    interrupted.
    """
    known = run.reading.hosts
    own = [host for host in run.hosts if host in known and known[host].has_become_password]
    plain = [] if run.become_password is not None else _without_root(run, own)
    rooted = [host for host in run.hosts if host not in plain]
    outcomes = [_ended(run, rooted, become=True)] if rooted else []
    # sudo wants a password, does not serve this account, or is not installed; a wrong password of
    # the inventory is a fault to report
    refused = [
        failure.host
        for outcome in outcomes
        for failure in outcome.failures
        if "sudo" in failure.message
        and not failure.module_ran
        and failure.host in {*rooted} - {*own}
        and run.become_password is None
    ]
    if plain or refused:
        without = replace(run, become_passwords={})
        outcomes.append(_ended(without, [*plain, *refused], become=False))
    failures = [
        failure
        for outcome in outcomes
        for failure in outcome.failures
        # the second run replaces the first
        if failure.host not in refused or outcome is outcomes[-1]
    ]
    reports = {host: report for outcome in outcomes for host, report in outcome.reports.items()}
    return replace(outcomes[-1], succeeded=not failures, reports=reports, failures=failures)


def _without_root(run: Run[Report], own: Collection[str]) -> Sequence[str]:
    """Return the hosts that are this machine, if this account cannot become root on it.

    Only another host itself knows whether its sudo asks for a password. own: the hosts whose
    password the inventory has.
    """
    known = run.reading.hosts
    others = [host for host in run.hosts if host not in {*own, *run.become_passwords}]
    local = [host for host in others if known[host].local]
    return [] if local and may_become_root() else local


def _ended(run: Run[Report], hosts: Sequence[str], *, become: bool) -> Outcome[Report]:
    variables = {**run.variables, "kai_become": become}
    outcome = run_playbook(replace(run, hosts=hosts, variables=variables), lambda event: None)
    if outcome.interrupted:
        raise KeyboardInterrupt
    return outcome
