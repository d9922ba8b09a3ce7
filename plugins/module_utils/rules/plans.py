# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What kai_plan returns for each purpose, as types: everything that the tasks of the role read."""

from __future__ import annotations

from typing import Any, TypedDict

from .checkup import CheckupRequest
from .desired import ChosenBinary, KeyNeeded, LoginData, UnitPlace
from .enrolment import EnrolmentPlan
from .module_arguments import (
    DirectoryData,
    FileData,
    NewAccount,
    ProbeRequest,
    ProofPlan,
    SeedData,
    WaitArguments,
)
from .problems import ProblemData
from .proof_arguments import PrivateDirectory
from .status_report import StatusReport


class WorkshopPlan(TypedDict):
    """How users are let into the Workshop. problem: why nobody can be. plan: None then."""

    problem: ProblemData | None
    plan: EnrolmentPlan | None


class HostPlan(TypedDict):
    """What is known before the host is probed. host: the settings of the installation.

    probes_others: whether a probe found users whom only the host knows, for whom ``probe`` asks.
    """

    probe: ProbeRequest
    probes_others: bool
    host: dict[str, Any]
    module: str
    unit: UnitPlace
    wait: WaitArguments
    env_file: str
    opaque_files: list[str]
    config_files: dict[str, str]
    sudoers_file: str
    unread_files: list[str]
    backup_files: list[str]
    bot_files: list[str]
    shown_variables: list[str]
    database: str
    turns: str
    records: str
    visudo: list[str]
    proofs_file: str
    constraints_path: str
    own_installer_parts: list[str]
    build_environment: list[str]
    line: str
    workshop: WorkshopPlan
    extra_features: dict[str, str | None]


class SourceFacts(TypedDict):
    """What decides on the desired state of a source: its features, and the variable of its mode."""

    features: list[str]
    mode_variable: str | None


class Source(SourceFacts):
    """What is read of the result of kai_source."""

    release: str
    requires_python: str
    constrained: bool
    extras: list[str]


class Agreed(TypedDict):
    """The identity of a plan."""

    release: str
    files: str


class ReleasePlan(TypedDict):
    """The release of an install, and how it is built where it is not."""

    name: str
    line: str
    is_built: bool
    path: str
    archive: str
    python: str
    directories: list[DirectoryData]


class PolicyPlan(TypedDict):
    """The rules of sudo, which are checked before anything is changed."""

    files: list[FileData]
    is_new: bool


class NewAccounts(TypedDict):
    """The accounts that an install makes."""

    service: list[str]
    agents: list[str]
    comments: dict[str, str]
    recorded: list[NewAccount]


class ReportPlan(TypedDict):
    """What the report of an install has of its plan.

    changes: whether anything changes. enrol: users whom the Workshop can let in.
    """

    release: str
    plan: Agreed | None
    changes: bool
    notes: list[str]
    binaries: dict[str, ChosenBinary]
    logins: list[LoginData]
    login_notice: list[str]
    enrol: list[str]
    turns: str
    source: str


class Refusal(TypedDict):
    """What keeps a run from changing the host."""

    problems: list[ProblemData]


class InstallPlan(Refusal, total=False):
    """What an install brings about; problems alone where the system is not supported."""

    changes: bool
    modules: list[str]
    files: list[FileData]
    files_of_users: list[FileData]
    secret_contents: dict[str, str]
    restart: bool
    release: ReleasePlan
    policy: PolicyPlan
    new_accounts: NewAccounts
    awaits_workshop: bool
    directories: list[DirectoryData]
    seeds: list[SeedData]
    private_directories: list[PrivateDirectory]
    proof: ProofPlan
    report: ReportPlan


class LoginsReport(TypedDict):
    """Who has to log in, or needs a key."""

    logins: list[LoginData]
    logins_by_key: list[KeyNeeded]
    login_notice: list[str]


class LoginsPlan(Refusal, total=False):
    """The plan of a list of logins; problems alone where the system is not supported."""

    logins_report: LoginsReport


class StatusPlan(TypedDict):
    """The status of a host, as data and in lines."""

    status: StatusReport
    lines: list[str]


class CheckupPlan(Refusal, total=False):
    """The plan of a checkup; problems alone where the system is not supported."""

    checkup: CheckupRequest


class FindingsPlan(TypedDict):
    """What keeps the bot from its work, as data and in lines. findings: the fields of each."""

    findings: list[dict[str, str]]
    lines: list[str]


class _RollbackTarget(TypedDict):
    number: int | None


class RollbackTarget(_RollbackTarget, total=False):
    """The install whose files come back, and the one whose database does.

    database: as ``with_database`` of kai_switch; missing when the database stays.
    """

    database: int


class RollbackPlan(Refusal, total=False):
    """What a rollback goes back to; problems alone where the installs are not known."""

    rollback: RollbackTarget
