# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The result of kai_probe as types. Its documentation says what each part means.

Modules on a host name these types in annotations alone, and never import them when they run.
"""

from __future__ import annotations

from typing import Literal, TypedDict

from .problems import ProblemData


class Account(TypedDict):
    """An account that exists. home_kind: directory, absent, unseen or another kind of its home."""

    uid: int
    gid: int
    home: str
    home_kind: str


class _Changer(TypedDict):
    path: str
    accounts: list[str]
    everybody: bool


class Changer(_Changer, total=False):
    """An account besides root that can change a program. unseen: why it is unknown who can."""

    unseen: str


class Interpreter(TypedDict):
    """A Python. fault: why no release can be built with it."""

    path: str
    version: str
    fault: str | None


class AgentStart(TypedDict):
    """How the program of an agent started as an account.

    path: its PATH. command: what was run. version: empty where it printed none. fault: why it does
    not start, empty when it does. late: whether it did not end in time, so that nothing is known.
    """

    account: str
    path: str
    command: str
    version: str
    fault: str
    late: bool


class _Candidate(TypedDict):
    path: str
    source: str
    fault: str | None


class Candidate(_Candidate, total=False):
    """Where the program of an agent may be.

    changers: only without a fault. version: only where it was asked for one, None where nothing is
    known of it. starts: only where it was started.
    """

    changers: list[Changer] | None
    version: str | None
    starts: list[AgentStart]


class LoginSeen(TypedDict):
    """Whether an account is logged in to a backend, None where that cannot be seen."""

    account: str
    backend: str
    logged_in: bool | None


class AccessRequest(TypedDict):
    """A directory that an account has to enter, and perhaps to write in."""

    path: str
    account: str
    write: bool


class Access(AccessRequest):
    """Whether it can."""

    fault: str | None
    place: str | None


class Size(TypedDict):
    """An amount of disk."""

    MB: int
    inodes: int


class Free(TypedDict):
    """What is free. inodes: None where the file system counts none."""

    MB: int
    inodes: int | None


class Target(TypedDict):
    """A place where files will be written."""

    nearest: str
    directory: bool
    device: int
    free: Free
    writable: bool


class ReleaseSeen(TypedDict):
    """The releases of a host. size: of the live one, where another one is missing."""

    live: str | None
    complete: list[str]
    missing: bool
    size: Size | None
    has_models: bool


class HomeFile(TypedDict):
    """A file of a home. kind: absent, file, unseen, or in words what else is there."""

    kind: str
    sha256: str


class IdentitySeen(TypedDict):
    """Files of a home by name, and the digest of the template of the live release, if any."""

    files: dict[str, HomeFile]
    template: str | None


class FormerInstall(TypedDict):
    """What Kai's own installer left. rules: each statement with its line."""

    paths: list[str]
    drop_ins: list[str]
    rules: list[tuple[int, str]]


class Sudo(TypedDict):
    """sudo, and how long it takes to begin."""

    version: str
    flags: list[str]
    host: str
    seconds: int


class Lock(TypedDict):
    """The lock of the host. held_by: the fields of the run that holds it instead of this one."""

    path: str
    by: str
    taken: bool
    held_by: dict[str, str | int] | None
    problems: list[ProblemData]


class Service(TypedDict):
    """The unit. turns: how many users it is answering, None where that is unknown."""

    active: bool
    enabled: bool
    pid: int
    turns: int | None


class DamagedRecord(TypedDict):
    """A record of an install that cannot be read."""

    number: int | None
    needed: bool
    problem: ProblemData


class LivePython(TypedDict):
    """The Python of the live release."""

    path: str
    changers: list[Changer]


class SystemFacts(TypedDict):
    """What the host runs."""

    name: str
    kernel: str
    python: str


class Unfinished(TypedDict):
    """An install that was neither verified nor reverted."""

    release: str
    opened: str


class ReleaseState(TypedDict):
    """A release on the host; ``release_states`` explains the states."""

    id: str
    state: str
    live: bool


class VerifiedRelease(TypedDict):
    """A release that an install has verified."""

    number: int
    release: str


class InstallRecord(VerifiedRelease):
    """An install that was verified.

    rolled_back_to: the install that it repeats. line: its release line.
    """

    time: str
    by: str | None
    snapshot: bool
    rolled_back_to: int | None
    line: str


class KnownInstalls(TypedDict):
    """The releases and records of a host, None where only root sees them.

    is_recorded: whether the last record is of the live release with all its files.
    """

    live: str | None
    damaged: list[DamagedRecord]
    unfinished: Unfinished | None
    releases: list[ReleaseState] | None
    installs: list[InstallRecord] | None
    is_recorded: bool


class InstallsSeen(KnownInstalls):
    """What is known of the installs. fault: why nothing of them is."""

    fault: ProblemData | None


class InstalledService(TypedDict):
    """The unit of the bot. release: that its process was started from."""

    unit: str
    active: bool
    enabled: bool
    state: str
    since: str | None
    pid: int | None
    restarts: int
    release: str | None


class ServiceSeen(TypedDict):
    """How the bot runs. health: the HTTP status of its answer. strangers: on its port."""

    hangs: bool
    service: InstalledService
    health: int | None
    strangers: list[str] | None


class _FileSeen(TypedDict):
    kind: str


class FileSeen(_FileSeen, total=False):
    """A deployed file. kind: file, absent, unseen, or what is there instead, with its fix.

    values: of an environment file, each a keyed digest. open: those that are no secrets, in words.
    """

    fix: str
    mode: int
    uid: int
    gid: int
    seal: str
    values: dict[str, str]
    open: dict[str, str]
    text: str | None
    fault: ProblemData | None


class LayoutChange(TypedDict):
    """What an install would change about a path. before: empty where nothing is there."""

    path: str
    before: str
    after: str


class LayoutSeen(TypedDict):
    """What an install would change about directories and first files."""

    changes: list[LayoutChange]
    unseen: list[str]
    refused: list[ProblemData]


class FreeSpace(TypedDict):
    """The free space of a file system; one with no files counts none."""

    path: str
    size_mb: int
    free_mb: int
    files: int
    free_files: int


class Override(TypedDict):
    """What changes the service besides its own file.

    file: a drop-in, a file of variables, or what else gives a variable. name: the directive. key:
    of a variable, else empty. value: None where it may be a secret. effective: whether the running
    bot has it.
    """

    file: str
    name: str
    key: str
    value: str | None
    effective: bool


class Installed(InstallsSeen, ServiceSeen):
    """The installation, how it runs, and what an install would change."""

    overrides: list[Override]
    overrides_unseen: list[ProblemData]
    interrupted: bool | None
    going: list[str]
    key: str
    files: dict[str, FileSeen]
    layout: LayoutSeen
    free_space: list[FreeSpace]


class Owner(TypedDict):
    """The ids of the user whom a runtime profile belongs to, and of the user's direct channel.

    channels: every direct channel with the profile, one for each agent of the user.
    """

    principal: str
    channel: str
    channels: list[str]


class WorkshopSeen(TypedDict):
    """The workshop of the bot. id: None before the first start, and where it is unknown.

    assigned: the profiles that the database assigns, None where it could not be read. owners: the
    user of each of them who has exactly one. fault: why nothing is known.
    """

    id: str | None
    assigned: list[str] | None
    owners: dict[str, Owner]
    fault: str | None


Kind = Literal["linux", "darwin", ""]


class About(TypedDict):
    """What is seen of any system, supported or not."""

    system: SystemFacts
    is_controller: bool
    privileged: bool
    accounts: dict[str, Account | None]
    service_home: str


class Probe(About):
    """Everything that a probe of a host finds."""

    platform: Kind
    lock: Lock
    tools: dict[str, str]
    interpreters: list[Interpreter]
    directories: dict[str, str]
    access: list[Access]
    targets: dict[str, Target]
    release: ReleaseSeen
    places: list[ProblemData]
    live_python: LivePython | None
    service: Service
    manager_version: int | None
    port: list[str]
    foreign_addresses: list[str]
    programs: dict[str, str | None]
    models: dict[str, str]
    identities: dict[str, IdentitySeen]
    sudo: Sudo
    env_keys: list[str]
    sudoers_sha256: str
    binaries: dict[str, list[Candidate]]
    logins: list[LoginSeen]
    damaged: list[DamagedRecord]
    former_install: FormerInstall | None
    file_sizes: dict[str, int]
    texts: dict[str, str | None]
    workshop: WorkshopSeen | None
    faults: list[ProblemData]


class InstalledProbe(Probe):
    """A probe that was asked for what is installed."""

    installed: Installed


class AnyProbe(Probe):
    """What the module returns: without the option ``installed`` there is no such part."""

    installed: Installed | None
