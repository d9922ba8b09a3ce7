# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The arguments and the result of kai_checkup as types; its documentation explains them."""

from __future__ import annotations

from typing import TypedDict

from .proof_arguments import Command, PrivateDirectory


class Check(Command):
    """A command that must succeed, and the stage of the diagnosis that it belongs to."""

    stage: str


class CheckupRequest(TypedDict):
    """The arguments of kai_checkup. service_user: None where it does not exist."""

    service_user: str | None
    unit: str
    env_file: str
    secret_keys: list[str]
    environment: dict[str, str]
    commands: list[Check]
    private_directories: list[PrivateDirectory]
    visudo: str | None


class FailedCheck(TypedDict):
    """A command that failed, and its output."""

    stage: str
    what: str
    argv: list[str]
    said: str


class Checkup(TypedDict):
    """The results."""

    faults: list[FailedCheck]
    trespasses: list[str]
    policy: str
    log: list[str]
