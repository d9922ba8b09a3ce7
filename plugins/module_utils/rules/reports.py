# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reports that playbooks publish, as types; those of plans have theirs in plans.py."""

from __future__ import annotations

from typing import TypedDict

from .desired import ChosenBinary, LoginData
from .module_arguments import CheckedSummary
from .plans import Agreed


class Proof(TypedDict):
    """What a proof of the bot leaves to report. seconds_without: the downtime."""

    verified: list[str]
    seconds_without: float | None
    removed_releases: list[str]


class ProofReport(Proof):
    """What every report has that ends with a proof. changes: whether the plan changes anything."""

    changes: bool
    notes: list[str]
    login_notice: list[str]


class InstallReport(ProofReport):
    """The report of an install. install: its number, None where nothing changed."""

    release: str
    plan: Agreed | None
    install: int | None
    binaries: dict[str, ChosenBinary]
    logins: list[LoginData]
    enrol: list[str]


class RestoreReport(InstallReport):
    """The report of a restore."""

    backup: CheckedSummary


class RollbackReport(ProofReport):
    """The report of a rollback. rolled_back_to: None where an unfinished install was reverted."""

    rolled_back_to: int | None
    release: str | None
    database: str


class RestartReport(TypedDict):
    """The report of a restart. turns: how many it cut off, None if unknown."""

    turns: int | None
    seconds_without: float | None


class UninstallReport(TypedDict):
    """The report of an uninstall."""

    changes: list[str]
    left: list[str]
    backup_left: list[str]


class LogReport(TypedDict):
    """The report of ``logs``."""

    lines: list[str]


class DoctorReport(TypedDict):
    """The report of ``doctor``. findings: the fields of each."""

    findings: list[dict[str, str]]


class EnrolmentReport(TypedDict):
    """The report of ``enrol``. minutes: how long the token is valid. pages: where to enter it."""

    user: str
    expires: str
    restarted: bool
    minutes: int
    pages: list[str]


class FetchReport(TypedDict):
    """The report of ``fetch``. absent, readable: paths; any other could not be read."""

    absent: list[str]
    readable: list[str]
