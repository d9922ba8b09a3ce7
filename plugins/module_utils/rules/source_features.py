# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge what a configuration asks of a source that not every source of its line has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .configuration import applies, variable
from .models import surface_of
from .people import effective_person
from .problems import Problem

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from .configuration import Configuration
    from .contract import Contract
    from .people import Person

_NEWER = "name a newer source in kai_install_source"


def feature_problems(
    contract: Contract, configuration: Configuration, features: Collection[str]
) -> list[Problem]:
    """Return the settings, fields of users and models that a source does not know.

    features: what the source has, as lines.yml names it.
    """
    found = [
        _unread(variable(key), "setting")
        for key, spec in contract.settings.items()
        if spec.feature not in (None, *features)
        and key in configuration.chosen
        and applies(spec, configuration)
    ]
    users = variable("users_file" if configuration.users_file else "users")
    for index, user in enumerate(configuration.users):
        found += [
            _unread(f"{users}[{index}].{name}", "field")
            for name, spec in contract.user_fields.items()
            if spec.feature not in (None, *features) and name in user
        ]
    for place, person, model in _models(contract, configuration, users):
        surface = surface_of(contract, person.backend, person.provider)
        missing = surface.only_with.get(model) if surface else None
        if missing not in (None, *features):
            expected = f"a model that this source of Kai knows for {person.backend}"
            fix = f"set {place} to another model, or {_NEWER}"
            found.append(Problem(place, f"{model!r}, which it does not know", expected, fix))
    return found


def _unread(place: str, kind: str) -> Problem:
    found = f"a {kind} that this source of Kai does not read"
    return Problem(place, found, "a source that does", f"{_NEWER}, or remove {place}")


def _models(
    contract: Contract, configuration: Configuration, users: str
) -> Iterator[tuple[str, Person, str]]:
    """Yield each model that an operator named: its place, for whom it is, and its name."""
    settings = configuration.settings
    if "DEFAULT_MODEL" in configuration.chosen:
        everyone = effective_person(contract, settings, {})
        yield variable("DEFAULT_MODEL"), everyone, str(settings["DEFAULT_MODEL"])
    fields = [name for name, spec in contract.user_fields.items() if spec.role_models]
    for index, (user, person) in enumerate(zip(configuration.users, configuration.people)):
        if person.model_from == "own":
            yield f"{users}[{index}].model", person, str(person.model)
        for field in fields:
            roles: Mapping[str, str] = user.get(field) or {}
            for role, model in roles.items():
                yield f"{users}[{index}].{field}.{role}", person, str(model).strip()
