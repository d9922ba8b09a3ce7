# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge what a configuration asks of a source that not every source of its line has.

Kai 2.1 is known from single files of September 2026: config.py, main.py and install.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .bootstrap_plan import decode
from .configuration import applies
from .models import surface_of
from .problems import Problem
from .users import effective_user
from .variable_names import variable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from .configuration import Configuration
    from .probe import WorkshopSeen
    from .users import User

_NEWER = "name a newer source in kai_install_source"


def feature_problems(configuration: Configuration, features: Collection[str]) -> list[Problem]:
    """Return the settings, fields of users and models that a source does not know.

    features: what the source has, as lines.yml names it.
    """
    contract = configuration.contract
    found = [
        _unread(variable(key), "setting")
        for key, spec in contract.settings.items()
        if spec.feature not in (None, *features)
        and key in configuration.chosen
        and applies(spec, configuration)
    ]
    for place, entry, _user in configuration.placed_users:
        found += [
            _unread(f"{place}.{name}", "field")
            for name, spec in contract.user_fields.items()
            if spec.feature not in (None, *features) and name in entry
        ]
    for place, user, model in _models(configuration):
        surface = surface_of(contract, user.backend, user.provider)
        with_features = surface.only_with.items() if surface else ()
        if any(model in names and one not in features for one, names in with_features):
            expected = f"a model that this source of Kai knows for {user.backend}"
            fix = f"set {place} to another model, or {_NEWER}"
            found.append(
                Problem(place, f"{model!r}, which this source of Kai does not know", expected, fix)
            )
    return found


def first_user_setting(configuration: Configuration) -> str | None:
    """Return the setting with the plan of the first user, None where the clients need none.

    With it Kai makes that user, and none of users.yaml. So does Kai 2.1 without Telegram.
    """
    contract = configuration.contract
    name = contract.workshop.first_user_setting if contract.workshop else None
    return name if name and applies(contract.settings[name], configuration) else None


def unmade_users(
    configuration: Configuration,
    features: Collection[str],
    profiles: Sequence[str],
    seen: WorkshopSeen | None,
) -> list[Problem]:
    """Return the users whom Kai does not make, so that it would not start with their profiles.

    profiles: of the users of host_vars, in their order. seen: what the database says.
    """
    unknown = seen is not None and seen["assigned"] is None
    setting = first_user_setting(configuration)
    if (
        unknown
        or setting is None
        or configuration.contract.settings[setting].feature not in features
    ):
        return []
    plan = decode(configuration.chosen[setting]) if setting in configuration.chosen else None
    workshop = seen["id"] if seen else None
    if plan and workshop not in (None, plan.workshop_id):
        found = f"the workshop {plan.workshop_id}, and the database has {workshop}"
        fix = f"remove {variable(setting)}: a bot that has its users needs none"
        return [Problem(variable(setting), found, "the workshop of the database", fix)]
    made = {
        *((seen["assigned"] or ()) if seen else ()),
        *([plan.runtime_profile_id] if plan else ()),
    }
    placed = configuration.placed_users
    fix = (
        "enable Telegram: kai-ansible config --section clients; or remove the user"
        if made
        else f"remove telegram_id from {placed[0][0]} and run kai-ansible config, which makes that "
        "the first user of the Workshop"
    )
    return [
        Problem(
            place,
            f"{user.name}, a user that Kai 2.1 without Telegram does not create",
            "the first user of the Workshop, or a user in the bot's database",
            fix,
        )
        for (place, _entry, user), profile in zip(placed, profiles)
        if profile not in made
    ]


def _unread(place: str, kind: str) -> Problem:
    found = f"a {kind} that this source of Kai does not read"
    return Problem(
        place, found, f"a source of Kai that reads this {kind}", f"{_NEWER}, or remove {place}"
    )


def _models(configuration: Configuration) -> Iterator[tuple[str, User, str]]:
    """Yield each model that an operator named: its place, for whom it is, and its name."""
    settings = configuration.settings
    if "DEFAULT_MODEL" in configuration.chosen:
        everyone = effective_user(configuration.contract, settings, {})
        yield variable("DEFAULT_MODEL"), everyone, str(settings["DEFAULT_MODEL"])
    fields = [name for name, spec in configuration.contract.user_fields.items() if spec.role_models]
    for place, entry, user in configuration.placed_users:
        if user.model_from == "own":
            yield f"{place}.model", user, str(user.model)
        for field in fields:
            roles: Mapping[str, str] = entry.get(field) or {}
            for role, model in roles.items():
                yield f"{place}.{field}.{role}", user, str(model).strip()
