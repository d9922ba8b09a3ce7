# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of a contract that only some release lines have, as types.

unproven: the source of a fact that no whole tree of Kai has confirmed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Mapping

from .typed_data import named, needed, text

_ENV_KEY = "[A-Z][A-Z0-9_]*"
_NAME = "[a-z][a-z0-9_]*"
_ABSOLUTE = "/.*"
Feature = Literal[
    "helpers", "bootstrap", "claude_models", "deployment_mode", "telegram_extra", None
]
Tier = Literal["agent", "balanced", "cheap"]


@dataclass(frozen=True)
class Helper:
    """A program in the configuration directory that root runs for the bot.

    rule: whether the agents of a user run as another account, or there is a user, for it.
    template: what it is made from. command: what it starts, before its own arguments. directory:
    the one in which it reads. documents: the files of a user that it reaches, by kind.
    """

    path: str = text(_ABSOLUTE)
    mode: str = text("[0-7]{4}")
    rule: Literal["agents", "storage"] = needed()
    template: str = text(r"[a-z-]+\.py\.j2")
    command: tuple[str, ...] = ()
    directory: str | None = None
    documents: Mapping[str, str] = text(".+", keys=_NAME, default={})
    unproven: str = needed()


@dataclass(frozen=True)
class Readiness:
    """What the health page says of a bot that is ready: that what stands at each place is true.

    A * stands for every entry of a mapping. adapters_setting: it names the adapters, each of which
    has its place.
    """

    places: tuple[str, ...] = text(".+")
    adapters_setting: str = text(_ENV_KEY)
    adapter_places: Mapping[str, str] = text(".+", keys=_NAME)


@dataclass(frozen=True)
class DeploymentMode:
    """In which variable of the service definition Kai looks for how it is deployed."""

    value: str
    feature: Feature
    unproven: str


@dataclass(frozen=True)
class Workshop:
    """What is known of the database, which is read while the bot runs and never written then.

    adapters_setting: it names the adapters, of which ``adapter`` is this one. lan_setting: an
    address besides the host's own. first_user_setting: the plan of the first user without Telegram.
    enrolment: the command that lets a user in, with the bot stopped. enrolment_of: how it names the
    user, by what knows the user.
    """

    adapters_setting: str = text(_ENV_KEY)
    adapter: str = text(_NAME)
    lan_setting: str = text(_ENV_KEY)
    first_user_setting: str = text(_ENV_KEY)
    workshop: str = needed()
    assigned_profiles: str = needed()
    owners: str = needed()
    archived_channels: str = needed()
    enrolment: tuple[str, ...] = needed()
    enrolment_of: Mapping[Literal["telegram", "workshop"], tuple[str, ...]] = needed()
    enrolment_minutes: int = needed()
    page: str = needed()


@dataclass(frozen=True)
class Migration:
    """What the way from the former line changes besides names. splits: one secret into several.

    to_users: the field of a user that takes the place of a setting of everybody. services_to: the
    field that lists the services of a user. outside: what a new value of a setting needs elsewhere.
    """

    from_: str = named("from")
    splits: Mapping[str, tuple[str, ...]] = text(_ENV_KEY, keys=_ENV_KEY)
    to_users: Mapping[str, str] = text(_NAME, keys=_ENV_KEY)
    services_to: str = text(_NAME)
    outside: Mapping[str, str] = text(".+", keys=_ENV_KEY)
