# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the contracts of Kai 2 say that the one of Kai 1 does not, as types.

Each class is the one of contract.py with more in it, so whatever reads that reads this as well.
unproven: what a fact is known from that no whole tree of Kai could be asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Mapping

from .contract import (
    Backend,
    Contract,
    Directory,
    FileField,
    ProtectedFile,
    Seed,
    Service,
    Setting,
    Spawn,
    Sudoers,
    Surface,
    UserField,
)
from .model_policy import Models
from .typed_data import named, needed, text

_ENV_KEY = "[A-Z][A-Z0-9_]*"
_NAME = "[a-z][a-z0-9_]*"
_ABSOLUTE = "/.*"
Feature = Literal["helpers", "bootstrap", "deployment_mode", "telegram_extra", None]
Tier = Literal["agent", "balanced", "cheap"]
Content = Literal[
    "settings",
    "users",
    "services_file",
    "workspaces_file",
    "memory_projects_file",
    "registry",
    "profiles",
    "bot",
]


@dataclass(frozen=True)
class Setting2(Setting):
    """A key of /etc/kai/env. feature: what a source has to have for it."""

    feature: Feature = None
    unproven: str | None = None
    role_models: bool = False


@dataclass(frozen=True)
class UserField2(UserField):
    """A field of an entry of users.yaml. role_models: it is a mapping of roles to models."""

    old_names: tuple[str, ...] = text(_NAME, default=())
    role_models: bool = False
    feature: Feature = None
    unproven: str | None = None


@dataclass(frozen=True)
class Surface2(Surface):
    """The models that a backend takes of a provider, as model_policy says."""

    prefixes: tuple[str, ...] = ()
    aliases: Mapping[str, str] = text(".+", keys=".+", default={})
    form: Literal["path", "own path", None] = None

    def __post_init__(self) -> None:
        if sum((self.open_ended, bool(self.models), self.form is not None)) != 1:
            raise ValueError("neither a list of models, nor a form, nor an open end alone")
        if self.default is None or not self.takes.accept(self.default, self._provider):
            raise ValueError(f"the default {self.default}, which is none of its models")

    @property
    def _provider(self) -> str | None:
        return self.default.split("/")[0] if self.form and self.default else None

    @property
    def takes(self) -> Models:
        """What Kai takes as a model here."""
        return Models(self.models, self.prefixes, self.open_ended, self.form, self.aliases)


@dataclass(frozen=True)
class Spawn2(Spawn):
    """How the bot starts an agent. enters: sudo enters the directory, with -D.

    provider_env: what is preserved besides, by provider. provider_names: what the agent calls those
    that it calls otherwise than Kai.
    """

    enters: bool = False
    provider_env: Mapping[str, tuple[str, ...]] = text(_ENV_KEY, keys=".+", default={})
    provider_names: Mapping[str, str] = text(".+", keys=".+", default={})


@dataclass(frozen=True)
class Backend2(Backend):
    """A kind of agent. role_tiers: its models for single tasks, by provider and by tier."""

    spawn: Mapping[str, Spawn2]
    role_tiers: Mapping[str, Mapping[Tier, str]] = needed()


@dataclass(frozen=True)
class ProtectedFile2(ProtectedFile):
    """A file of root that the bot reads. direct: itself, without sudo."""

    from_: Content = named("from")  # type: ignore[assignment]
    direct: bool = False


@dataclass(frozen=True)
class Helper:
    """A program of Kai in its configuration directory that root runs for the bot.

    rule: whether a user's agents run as another account, or there is a profile, for it.
    """

    path: str = text(_ABSOLUTE)
    mode: str = text("[0-7]{4}")
    arguments: str = needed()
    rule: Literal["agents", "storage"] = needed()
    unproven: str = needed()


@dataclass(frozen=True)
class Directory2(Directory):
    """A directory. grants: who else may enter or read it by an access list, and in what is new."""

    grants: Literal["agent", "service", None] = None
    feature: Feature = None


@dataclass(frozen=True)
class Seed2(Seed):
    """A file that is made once. backend: only for a user of it."""

    backend: str | None = None


@dataclass(frozen=True)
class Sudoers2(Sudoers):
    """The rules of sudo. enters: agents are started with -D."""

    enters: bool = False


@dataclass(frozen=True)
class Readiness:
    """What the health page says of a bot that is ready: that what stands at each place is true.

    A * stands for every entry of a mapping.
    """

    places: tuple[str, ...] = text(".+")
    adapter_places: Mapping[str, str] = text(".+", keys=_NAME)


@dataclass(frozen=True)
class Service2(Service):
    """How the bot is started and asked. readiness: None where it says that it is alive alone."""

    readiness: Readiness | None = None


@dataclass(frozen=True)
class DeploymentMode:
    """In which variable of the service definition Kai looks for how it is deployed."""

    value: str
    constant: str
    file: str
    feature: Feature
    unproven: str


@dataclass(frozen=True)
class Workshop:
    """What is known of the database, which is read while the bot runs and never written then.

    enrolment: the command that lets a user in, with the bot stopped.
    """

    database: str
    workshop: str
    assigned_profiles: str
    enrolment: tuple[str, ...]
    enrolment_minutes: int
    page: str


@dataclass(frozen=True)
class Migration:
    """What the way from the former line changes besides names. splits: one secret into several.

    silent: keys that Kai neither reads nor warns of. to_users: the field of a user that takes the
    place of a setting of everybody. services_to: the field that lists the services of a user.
    outside: what a new value of a setting needs elsewhere.
    """

    from_: str = named("from")
    silent: tuple[str, ...] = text(_ENV_KEY)
    splits: Mapping[str, tuple[str, ...]] = text(_ENV_KEY, keys=_ENV_KEY)
    to_users: Mapping[str, str] = text(_NAME, keys=_ENV_KEY)
    services_to: str = text(_NAME)
    outside: Mapping[str, str] = text(".+", keys=_ENV_KEY)


@dataclass(frozen=True)
class Contract2(Contract):
    """Everything that is known about one release line of Kai 2."""

    release: str = text("[0-9]+([.][0-9]+)?")
    settings: Mapping[str, Setting2] = text("", keys=_ENV_KEY)
    surfaces: Mapping[str, Surface2] = needed()
    backends: Mapping[str, Backend2] = text("", keys=_NAME)
    user_fields: Mapping[str, UserField2] = text("", keys=_NAME)
    protected_files: Mapping[str, ProtectedFile2] = text("", keys=_NAME)
    sudoers: Sudoers2 = needed()
    user_directories: tuple[Directory2, ...] = needed()
    user_seeds: tuple[Seed2, ...] = needed()
    service: Service2 = needed()
    role_tiers: Mapping[str, Tier] = text("", keys=_NAME)
    memory_project_fields: Mapping[str, FileField] = text("", keys=_NAME)
    registry: str | None = text(_NAME)
    profiles: str | None = text(_NAME)
    distinct_secrets: tuple[str, ...] = text(_ENV_KEY)
    helpers: tuple[Helper, ...] = ()
    deployment_mode: DeploymentMode | None = None
    workshop: Workshop | None = None
    migration: Migration = needed()
    extra_features: Mapping[str, Feature] = needed()
