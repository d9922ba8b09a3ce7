# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The arguments of modules as types. The documentation of each module says what they mean.

A module names these types in annotations alone, and never imports them when it runs. Ansible sends
it the files of annotations nevertheless, with all that they import, so this imports only types.
"""

from __future__ import annotations

from typing import Any, TypedDict, TypeVar

from .probe import AccessRequest
from .proof_arguments import AgentProof, Command, PrivateDirectory


class _Directory(TypedDict):
    path: str
    owner: str
    group_of: str
    mode: str | None
    reader: str | None


class DirectoryData(_Directory, total=False):
    """A directory that must be there. mode: None where only the owner matters.

    listed: whether an access list names the reader even where a group would do.
    former: the directory of which it is a copy at first. renames: what gets another place in it.
    """

    listed: bool
    former: str
    renames: dict[str, str]


class SeedData(TypedDict):
    """A file that is made once. narrow: whether its mode is narrowed where it is there."""

    path: str
    owner: str
    group_of: str
    mode: str
    source: str | None
    fallback: str | None
    narrow: bool


Place = TypeVar("Place", DirectoryData, SeedData)


class BinaryRequest(TypedDict):
    """The program of a backend that a probe looks for."""

    backend: str
    name: str
    env_key: str
    wanted: str
    usual_places: dict[str, list[str]]
    accounts: list[str]
    resolvers: list[str]
    login_files: list[str]
    login_check: list[str]


class LoginRequest(TypedDict):
    """The program of a backend that the deployed rules may name, and the files of its login."""

    backend: str
    name: str
    login_files: list[str]


class FileRequest(TypedDict):
    """A deployed file. content: how much a probe returns of it: env, shown or sealed."""

    path: str
    content: str


class InstalledRequest(TypedDict):
    """The option ``installed`` of kai_probe."""

    unit: str
    host: str
    health_path: str
    port_key: str
    default_port: int
    data_dir: str | None
    patience: int
    settings: dict[str, bool]
    files: list[FileRequest]
    directories: list[DirectoryData]
    seeds: list[SeedData]
    free_space: list[str]


class WorkshopRequest(TypedDict):
    """The option ``workshop`` of kai_probe: the database, and what is asked of it."""

    database: str
    workshop: str
    assigned: str
    owners: str
    archived: str


class IdentityRequest(TypedDict):
    """Files of a home, and the file of the live release that the first one was made from."""

    home: str
    files: list[str]
    template: str


class ProbeRequest(TypedDict, total=False):
    """The arguments of kai_probe."""

    service_user: str
    os_users: list[str]
    install_dir: str
    data_dir: str | None
    wheelhouse: str | None
    index: str | None
    python: str
    trust_user_binaries: bool
    versions: bool
    directories: list[str]
    access: list[AccessRequest]
    targets: list[str]
    files: list[str]
    texts: list[str]
    workshop: WorkshopRequest | None
    turns: str | None
    port: int | None
    addresses: list[str]
    programs: list[str]
    models: list[str]
    identities: list[IdentityRequest]
    env_file: str
    sudoers_file: str
    platforms: dict[str, Any]
    binaries: list[BinaryRequest]
    deployed_logins: list[LoginRequest]
    installed: InstalledRequest | None


class _File(TypedDict):
    path: str
    mode: str


class FileData(_File, total=False):
    """A file of an install. Without content it has secrets.

    given: whether it is deployed, or else stays as it is. absent: whether it is removed.
    """

    content: str
    given: bool
    absent: bool


class NewAccount(TypedDict):
    """An account that an install makes."""

    name: str
    comment: str


class ProofPlan(TypedDict):
    """What proves an install, and every rollback to it."""

    service_user: str
    timeout: int
    environment: dict[str, str]
    secret_keys: list[str]
    commands: list[Command]
    agents: list[AgentProof]
    private_directories: list[PrivateDirectory]
    search_path: list[str]
    readiness: list[str]


class CodeSigns(TypedDict):
    """A release line, and the files that each tree of it has and has not."""

    line: str
    has: list[str]
    lacks: list[str]


class ProbeArguments(ProbeRequest, total=False):
    """The arguments of kai_probe, with what the role and the action plugin add."""

    ask_logins: bool
    release: str
    run: dict[str, str | int] | None
    ended_run: dict[str, str | int] | None
    controller: list[str]


class SwitchArguments(TypedDict, total=False):
    """The arguments of kai_switch."""

    state: str
    install_dir: str
    unit: str
    unit_file: str
    release: str
    line: str | None
    code_signs: list[CodeSigns]
    files: list[FileData]
    secret_contents: dict[str, str]
    record: int | None
    sudoers_files: list[str]
    unread_files: list[str]
    secret_files: list[str]
    shown_variables: list[str]
    opaque_files: list[str]
    visudo: list[str]
    service_user: str
    database: str
    with_database: int | None
    data_dir: str
    turns: str | None
    with_data: bool
    restart: bool


class WaitArguments(TypedDict, total=False):
    """What kai_proof and kai_workshop need to wait for the bot.

    final_lines: patterns of its log after which it never answers.
    """

    unit: str
    host: str
    health_path: str
    port_key: str
    default_port: int
    env_file: str
    readiness: list[str]
    final_lines: list[str]
    timeout: int
    accounts: list[str]


class ProofArguments(WaitArguments, total=False):
    """The arguments of kai_proof."""

    service_user: str
    data_dir: str | None
    stopped_at: float | None
    environment: dict[str, str]
    secret_keys: list[str]
    commands: list[Command]
    agents: list[AgentProof]
    known: str | None
    anew: bool
    lenient: bool
    search_path: list[str]
    private_directories: list[PrivateDirectory]


class BuildArguments(TypedDict, total=False):
    """The arguments of kai_release."""

    path: str
    archive: str
    python: str
    wheel: str
    extras: list[str]
    constraints: str
    index_url: str | None
    wheelhouse: str | None
    environment: list[str]
    module: str
    modules: list[str]
    service_user: str


class SourceArguments(TypedDict, total=False):
    """The arguments of kai_source."""

    source: str
    version: str | None
    checksum: str | None
    files: list[str]
    environment: list[str]
    constraints: str | None
    constraints_path: str
    cache: str
    lines: str | None
    line: str | None


class TreeArguments(TypedDict):
    """The arguments of kai_user_tree."""

    directories: list[DirectoryData]
    seeds: list[SeedData]
    private_directories: list[PrivateDirectory]
    release: str | None
    journal: str | None
    accounts: list[NewAccount]


class BackupArguments(TypedDict):
    """The arguments of kai_backup that reach the host."""

    install_dir: str
    data_dir: str
    service_user: str
    database: str
    config_files: list[str]
    host: str
    host_vars: dict[str, str]
    complete: bool
    offset: int
    length: int


class MetaData(TypedDict):
    """The fields of a Meta by name. host_vars: the names of the files alone."""

    host: str
    created: str
    release: str | None
    data_dir: str
    host_vars: list[str]
    format: int


class SummaryData(TypedDict):
    """The fields of a Summary by name, as JSON has them."""

    meta: MetaData
    owners: list[str]
    groups: list[str]
    numbers: list[int]
    members: int
    size: int
    disk_bytes: int


class CheckedSummary(SummaryData):
    """The same with the digest and the bytes of the backup in plain text."""

    sha256: str
    bytes: int


class RestoreArguments(TypedDict):
    """The arguments of kai_restore that reach the host."""

    offset: int
    install_dir: str
    data_dir: str
    accounts: list[str]
    config_files: dict[str, str]
    directories: list[DirectoryData]
    seeds: list[SeedData]
    release: str | None
    summary: CheckedSummary
    content: str


class RecordArguments(TypedDict):
    """The arguments of kai_installs."""

    install_dir: str
    keep_releases: int
    flat_parts: list[str]
    release: str | None
    proof: ProofPlan
    by: str
