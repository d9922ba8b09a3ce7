# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let a user into the Workshop: whom, by which command, and what that command answers.

``workshop`` of the contract has the command. It writes to the database, so the bot may not run.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypedDict

from .problems import Problem, Refused, listed, nearest
from .variable_names import variable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .configuration import Configuration
    from .contract_kinds import Workshop
    from .module_arguments import WorkshopRequest
    from .probe import WorkshopSeen
    from .reports import InstallReport
    from .user_places import UserKey

SETTING = "kai_install_workshop_user"
_LINE = re.compile(r"^(?P<name>[A-Z][a-z]+): *(?P<value>\S+) *$", re.MULTILINE)
_TOKEN = re.compile(r"kai_ws_enroll_v[0-9]+\.[A-Za-z0-9_.-]+")


class KnownUser(TypedDict):
    """A user who may be let in. key: how host_vars know the user."""

    name: str
    key: UserKey


class EnrolmentPlan(TypedDict):
    """How a user is let in. argv: the command. argv_of: how it goes on, by what knows the user.

    database: what is asked of the database, for the ids of users without Telegram. minutes: how
    long the token is good for. pages: where it is entered.
    """

    argv: list[str]
    argv_of: dict[str, list[str]]
    database: WorkshopRequest | None
    environment: dict[str, str]
    users: list[KnownUser]
    minutes: int
    pages: list[str]


@dataclass(frozen=True)
class Enrolment:
    """What the command answered. token: a secret, which no message of this class has."""

    token: str = field(repr=False)
    expires: str


def workshop_request(configuration: Configuration) -> WorkshopRequest | None:
    """Return the option ``workshop`` of kai_probe, None where a line has none."""
    contract = configuration.contract
    if contract.workshop is None or "data_dir" not in configuration.host:
        return None
    return {
        "database": contract.service.database.format(data_dir=configuration.host["data_dir"]),
        "workshop": contract.workshop.workshop,
        "assigned": contract.workshop.assigned_profiles,
        "owners": contract.workshop.owners,
        "archived": contract.workshop.archived_channels,
    }


def enrolment_plan(configuration: Configuration) -> EnrolmentPlan | None:
    """Return how users of this configuration are let in, None for a line without a Workshop."""
    contract = configuration.contract
    workshop = contract.workshop
    if workshop is None:
        return None
    host = configuration.host
    places = {name: host[name] for name in ("install_dir", "data_dir")}
    # the homes of the service user in it are of no use to the command
    search = [one for one in contract.platforms["linux"].search_path if one.startswith("/")]
    places["search_path"] = ":".join(search)
    return {
        "argv": [word.format(**places) for word in workshop.enrolment],
        "argv_of": {name: list(words) for name, words in workshop.enrolment_of.items()},
        "database": workshop_request(configuration),
        "environment": {
            key: value.format(**places) for key, value in contract.process_environment.items()
        },
        "users": [
            {"name": one.name, "key": one.key}
            for one in configuration.users
            if isinstance(one.telegram_id, int)
        ],
        "minutes": workshop.enrolment_minutes,
        "pages": pages(configuration),
    }


def lan_addresses(configuration: Configuration) -> list[str]:
    """Return the addresses on which the Workshop answers besides the one of the health page."""
    workshop = _workshop_in_use(configuration)
    return [*filter(None, [workshop and configuration.settings.get(workshop.lan_setting)])]


def pages(configuration: Configuration) -> list[str]:
    """Return the URLs of the Workshop, none for a line without one or with it off."""
    workshop = _workshop_in_use(configuration)
    if workshop is None:
        return []
    service = configuration.contract.service
    port = configuration.settings.get(service.port_setting)
    hosts = [service.health_host, *lan_addresses(configuration)]
    return [f"http://{host}:{port}{workshop.page}" for host in hosts]


def _workshop_in_use(configuration: Configuration) -> Workshop | None:
    workshop = configuration.contract.workshop
    if workshop is None:
        return None
    adapters = str(configuration.settings.get(workshop.adapters_setting)).split(",")
    return workshop if workshop.adapter in adapters else None


def who_may_enrol(configuration: Configuration) -> list[str]:
    """Return what ``workshop enrol`` calls each user, nobody where the Workshop is off."""
    plan = enrolment_plan(configuration)
    if plan is None or not plan["pages"]:
        return []
    names = [one["name"] for one in plan["users"]]
    return [
        one["name"] if names.count(one["name"]) == 1 else str(one["key"]) for one in plan["users"]
    ]


def enrol_hint(report: InstallReport) -> str | None:
    """Return what the report of an install says of the Workshop, None where nothing was installed.

    The command for the first user follows it: ``kai-ansible workshop enrol USER``.
    """
    users = report["enrol"]
    if not users or not report["install"]:
        return None
    others = f" (repeat this for {listed(users[1:])})" if users[1:] else ""
    return f"let {users[0]} into the Workshop, which stops the bot for a moment{others}"


def enrol_lines(report: InstallReport) -> list[str]:
    """Return the hint of a report with its command, for a playbook; nothing without a hint."""
    hint = enrol_hint(report)
    who = shlex.quote(report["enrol"][0]) if hint else ""
    return [f"To {hint}: kai-ansible workshop enrol {who}"] if hint else []


def chosen_user(users: Sequence[KnownUser], who: str) -> KnownUser | Problem:
    """Return the user with a name, a Telegram ID or a profile, or why there is not one."""
    found = [one for one in users if who in (one["name"], str(one["key"]))]
    names = [one["name"] for one in users]
    if len(found) == 1:
        return found[0]
    fix = "kai-ansible users list shows the users"
    if found:
        ids = listed(str(one["key"]) for one in found)
        return Problem(SETTING, f"{who!r}, the name of several users", f"one of {ids}", fix)
    return Problem(SETTING, f"{who!r}{nearest(who, names)}", f"one of {listed(names)}", fix)


def no_workshop(configuration: Configuration) -> Problem | None:
    """Return why no user can enter the Workshop of this configuration, None if they can."""
    if configuration.contract.workshop is None:
        found = f"{configuration.contract.title}, which has no Workshop"
        return Problem(
            variable("release"),
            found,
            "a release line of Kai with the Workshop",
            "install a source of Kai 2",
        )
    if not pages(configuration):
        name = variable(configuration.contract.workshop.adapters_setting)
        fix = "kai-ansible config --section clients, then kai-ansible install"
        return Problem(name, "a bot without the Workshop", "the Workshop enabled", fix)
    return None


def read_enrolment(output: str) -> Enrolment | None:
    """Return the token in the output of the command, None without one."""
    found = {one["name"]: one["value"] for one in _LINE.finditer(output)}
    token = found.get("Token", "")
    if _TOKEN.fullmatch(token) is None:
        return None
    return Enrolment(token, found.get("Expires", ""))


def without_token(output: str) -> str:
    """Return text for a message, with no token in it."""
    return _TOKEN.sub("<token>", output)


def argv_for(
    argv: Sequence[str],
    argv_of: Mapping[str, Sequence[str]],
    user: KnownUser,
    seen: WorkshopSeen | None,
) -> list[str]:
    """Return the command that lets one user in. argv, argv_of: as EnrolmentPlan has them.

    seen: what the database says. Raises Refused for a user whom it does not know.
    """
    key = user["key"]
    if str(key).isdigit():
        return [*argv, *(word.format(telegram_id=key) for word in argv_of["telegram"])]
    owner = seen["owners"].get(str(key)) if seen else None
    if owner is None:
        why = seen["fault"] if seen else None
        raise Refused(
            f"the database of the bot does not know {user['name']} by the profile {key}"
            f"{f': {why}' if why else ''}. Fix: kai-ansible doctor"
        )
    return [*argv, *(word.format(**owner) for word in argv_of["workshop"])]
