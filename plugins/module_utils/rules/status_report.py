# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The status of a host as types; docs/status.schema.json says what each part means."""

from __future__ import annotations

from typing import TypedDict

from .probe import FreeSpace, InstalledService, InstallRecord, ReleaseState, SystemFacts, Unfinished
from .problems import ProblemData


class System(SystemFacts):
    """The system, its sudo and its service manager."""

    sudo: str | None
    manager_version: int | None


class ServiceHealth(InstalledService):
    """The unit, and the HTTP status of its answer."""

    health: int | None


class LastInstall(TypedDict):
    """The last install. outcome: verified, rolled back or unfinished."""

    number: int | None
    release: str
    time: str
    by: str | None
    outcome: str


class BackendStatus(TypedDict):
    """The program of a backend, and what was deployed and no longer works."""

    backend: str
    path: str | None
    source: str | None
    version: str | None
    accounts: list[str]
    changed_by: list[str] | None
    faults: list[str]


class UserStatus(TypedDict):
    """A user and the login of their agent: yes, no, unknown or not needed.

    profile: the deployed one, None also where the line has none. tree: whether the directories of
    the user are as an install makes them: complete, incomplete or unknown.
    """

    name: str
    telegram_id: int
    os_user: str | None
    backend: str
    provider: str | None
    model: str | None
    account: str
    profile: str | None
    tree: str
    logged_in: str


class StatusReport(TypedDict):
    """The status of a host.

    users and backends: those that the host has; where users_from is "host_vars", those of
    host_vars, because nothing is deployed or it could not be read. pending: what the next install
    changes about the users, a line for each of them. limits: the operator's own limits of the
    service, in drop-ins of its unit.
    """

    healthy: bool
    line: str
    as_root: bool
    system: System
    service: ServiceHealth
    live: str | None
    unfinished: Unfinished | None
    releases: list[ReleaseState] | None
    installs: list[InstallRecord] | None
    last_install: LastInstall | None
    drift: list[ProblemData]
    problems: list[ProblemData]
    unknown: list[ProblemData]
    backends: list[BackendStatus]
    users: list[UserStatus]
    users_from: str
    pending: list[str]
    limits: list[str]
    login_notice: list[str]
    free_space: list[FreeSpace]
