# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host must look like, as types: the result of ``desired_state``."""

from __future__ import annotations

from typing import Any, TypedDict

from .module_arguments import DirectoryData, SeedData
from .probe import Changer
from .problems import ProblemData
from .proof_arguments import AgentProof, Command, PrivateDirectory


class ChosenBinary(TypedDict):
    """The program of a backend, and where its path comes from."""

    path: str
    source: str
    changers: list[Changer] | None


class LoginData(TypedDict):
    """A login that an account needs for a backend.

    command: to be run by the account itself. shared: whether the account is the service user's,
    which has no login shell. logged_in: None if it is unknown. line: the command that logs in on
    the host, ready to paste.
    """

    account: str
    backend: str
    command: list[str]
    shared: bool
    logged_in: bool | None
    line: str


class KeyNeeded(TypedDict):
    """A key that an account needs instead of a login."""

    account: str
    backend: str
    key: str
    is_there: bool | None


class SudoAgent(TypedDict):
    """A program that the bot may start as an account."""

    account: str
    command: str
    backend: str


class SudoCall(TypedDict):
    """A call in which variables pass sudo."""

    command: str
    arguments: str
    env_keep: list[str]


class SudoEnvironment(SudoCall):
    """The same with the name of its alias."""

    alias: str


class HelperProgram(TypedDict):
    """A program that root runs for the bot.

    literals: the values of its template, as Python writes them. given: whether it is wanted.
    names_users: whether users are among the values, once the workshop is known.
    """

    path: str
    mode: str
    template: str
    literals: dict[str, str]
    given: bool
    names_users: bool


class SudoRules(TypedDict):
    """What the drop-in allows."""

    path: str
    mode: str
    secure_path: list[str]
    env_keep: list[str]
    environments: list[SudoEnvironment]
    reads: list[str]
    writes: list[str]
    helpers: list[str]
    agents: list[SudoAgent]
    kill_accounts: list[str]
    kill_arguments: list[str]
    tools: dict[str, str]
    enters: bool


class UnitPlace(TypedDict):
    """The definition of the service."""

    name: str
    path: str


class UnitData(UnitPlace):
    """The same with what it is to be."""

    mode: str
    environment: dict[str, str]


class Unsupported(TypedDict):
    """All that is known of a host with another operating system, and of any other host as well."""

    problems: list[ProblemData]
    notes: list[str]


class Desired(Unsupported, total=False):
    """Everything that the role brings about; on an unsupported system only what that one has.

    without_profile: problems of single users, which keep nothing from being installed.
    """

    without_profile: list[ProblemData]
    binaries: dict[str, ChosenBinary]
    env: dict[str, str]
    users: list[dict[str, Any]]
    documents: dict[str, str]
    helpers: list[HelperProgram]
    missing_accounts: list[str]
    sudo: SudoRules
    unit: UnitData
    awaits_workshop: bool
    directories: list[DirectoryData]
    seeds: list[SeedData]
    proofs: list[Command]
    agent_proofs: list[AgentProof]
    private_directories: list[PrivateDirectory]
    logins: list[LoginData]
    login_notice: list[str]
    logins_by_key: list[KeyNeeded]
