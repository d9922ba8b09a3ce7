"""The playbooks of the collection that commands run, each with the type of its report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from kai_ansible.rules.plans import LoginsReport
from kai_ansible.rules.probe import AnyProbe
from kai_ansible.rules.reports import (
    DoctorReport,
    EnrolmentReport,
    FetchReport,
    InstallReport,
    LogReport,
    RestartReport,
    RestoreReport,
    RollbackReport,
    UninstallReport,
)
from kai_ansible.rules.run_results import BackedUp
from kai_ansible.rules.status_report import StatusReport

Report = TypeVar("Report", covariant=True)


@dataclass(frozen=True)
class Playbook(Generic[Report]):
    """A playbook. name: of its file. report: the type of what it publishes about each host."""

    name: str
    report: type[Report]


BACKUP = Playbook("backup", BackedUp)
DOCTOR = Playbook("doctor", DoctorReport)
ENROL = Playbook("enrol", EnrolmentReport)
FETCH = Playbook("fetch", FetchReport)
INSTALL = Playbook("install", InstallReport)
LOGINS = Playbook("logins", LoginsReport)
LOGS = Playbook("logs", LogReport)
PROBE = Playbook("probe", AnyProbe)
RESTART = Playbook("restart", RestartReport)
RESTORE = Playbook("restore", RestoreReport)
ROLLBACK = Playbook("rollback", RollbackReport)
STATUS = Playbook("status", StatusReport)
UNINSTALL = Playbook("uninstall", UninstallReport)
