"""Probe the status of hosts, as root where sudo needs no password."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from kai_ansible.ansible.playbooks import STATUS
from kai_ansible.ansible.request import Run
from kai_ansible.ansible.runner import Outcome, run_playbook
from kai_ansible.operator import may_become_root
from kai_ansible.terminal.status_view import StatusProbe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kai_ansible.commands.target import Target
    from kai_ansible.rules.status_report import StatusReport


def probe_status(target: Target) -> StatusProbe:
    """Return the status of every host; a host without root access is probed without it.

    Raises KeyboardInterrupt if a run was interrupted.
    """
    password = target.become_password
    plain = [] if password is not None or may_become_root() else _local(target)
    rooted = [host for host in target.hosts if host not in plain]
    outcomes = [_run(target, rooted, password, become=True)] if rooted else []
    # sudo wants a password, does not serve this account, or is not installed
    refused = [
        failure.host
        for outcome in outcomes
        for failure in outcome.failures
        if "sudo" in failure.message and password is None
        # a wrong one of the inventory is a fault to report
        if not target.inventory.known(failure.host).has_become_password
    ]
    if plain or refused:
        outcomes.append(_run(target, [*plain, *refused], None, become=False))
    if any(outcome.interrupted for outcome in outcomes):
        raise KeyboardInterrupt
    reports = {
        host: outcome.reports[host]
        for host in target.hosts
        for outcome in outcomes
        if host in outcome.reports
    }
    return StatusProbe(
        datetime.now(UTC),
        reports,
        [
            failure
            for outcome in outcomes
            for failure in outcome.failures
            # the second run replaces the first
            if failure.host not in refused or outcome is outcomes[-1]
        ],
    )


def _local(target: Target) -> list[str]:
    local = [host for host in target.hosts if target.inventory.known(host).local]
    return [
        host
        for host in local
        if host not in target.become_passwords
        and not target.inventory.known(host).has_become_password
    ]


def _run(
    target: Target, hosts: Sequence[str], password: str | None, *, become: bool
) -> Outcome[StatusReport]:
    return run_playbook(
        Run(
            STATUS,
            target.inventory.path,
            hosts,
            variables={"kai_become": become},
            vault_password=None if target.password.made else target.password,
            session=target.inventory.session,
            ssh_commands=target.inventory.ssh_commands,
            unread=target.inventory.unread,
            become_password=password,
            become_passwords=target.become_passwords if become else {},
            known_secrets=target.secrets,
        ),
        lambda event: None,
    )
