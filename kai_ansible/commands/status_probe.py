"""Probe the status of hosts, as root where sudo needs no password."""

from __future__ import annotations

from datetime import UTC, datetime

from kai_ansible.ansible.as_root import run_as_root_if_possible
from kai_ansible.ansible.playbooks import STATUS
from kai_ansible.commands.target import Target
from kai_ansible.terminal.status_view import StatusProbe


def probe_status(target: Target) -> StatusProbe:
    """Return the status of every host; a host without root access is probed without it.

    Raises KeyboardInterrupt if a run was interrupted.
    """
    outcome = run_as_root_if_possible(target.run(STATUS))
    reports = {host: outcome.reports[host] for host in target.hosts if host in outcome.reports}
    return StatusProbe(datetime.now(UTC), reports, outcome.failures)
