# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The results of the modules of a run as types.

A module that did not run has no part of its result; its documentation says what each means. Modules
on a host name these types in annotations alone, and never import them when they run.
"""

from __future__ import annotations

from typing import TypedDict

from .module_arguments import CheckedSummary, ProofPlan
from .probe import InstallRecord
from .problems import ProblemData


class _RecordedInstall(InstallRecord):
    managed: dict[str, bool]
    proof: ProofPlan


class RecordedInstall(_RecordedInstall, total=False):
    """A verified install as its record has it. snapshot_sha256: of the database before it."""

    snapshot_sha256: str


class _AnySwitch(TypedDict, total=False):
    changed: bool
    changed_paths: list[str]
    former_release: str | None
    was_active: bool
    starts: bool
    unfinished: bool
    database: str
    diff: list[dict[str, str]]
    left: list[str]


class Reverted(_AnySwitch, total=False):
    """The result of kai_switch that brings a former state back.

    removed_paths: those of the changed files that the former state does not have.
    """

    release: str | None
    removed_paths: list[str]


class Switched(_AnySwitch, total=False):
    """The result of kai_switch, or of kai_service for a restart. line: of the release."""

    release: str
    snapshot: bool
    line: str
    proof: ProofPlan
    cut_turns: int | None
    stopped_at: float | None
    turns: int | None


class LaidOut(TypedDict, total=False):
    """The result of kai_user_tree, of kai_removal, or of kai_restore that lays out a backup."""

    changed: bool
    changes: list[str]
    unverified: bool
    notes: list[str]
    left: list[str]
    diff: list[dict[str, str]]


class Proved(TypedDict, total=False):
    """The result of kai_proof. msg: why it failed."""

    pid: int | None
    verified: list[str]
    notes: list[str]
    seconds: float
    seconds_without: float | None
    failures: list[str]
    msg: str


class Recorded(TypedDict, total=False):
    """The result of kai_installs."""

    changed: bool
    number: int | None
    removed_releases: list[str]
    removed_installs: list[int]
    left_paths: list[str]
    left_data: list[str]
    diff: list[dict[str, str]]


class SourceMetadata(TypedDict):
    """What kai_source reads of a source. digest: of its files, which its release follows from."""

    requires_python: str
    wheel: str
    constrained: bool
    line: str | None
    features: list[str]
    mode_variable: str | None
    digest: str


class PackedSource(SourceMetadata):
    """The same with the packed release."""

    archive: str
    packed: bool


class Built(TypedDict, total=False):
    """The result of kai_release."""

    changed: bool
    installed: list[str]
    installer: str
    seconds: float


class BackedUp(TypedDict, total=False):
    """The result of kai_backup. content: a piece of the backup, in Base64."""

    changed: bool
    content: str
    size: int
    sha256: str
    members: int
    left: list[str]
    complete: bool
    release: str | None


class Checked(TypedDict, total=False):
    """The result of kai_restore that checks a backup."""

    changed: bool
    summary: CheckedSummary
    problems: list[ProblemData]
    unfinished: bool
