# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Models for single tasks of Kai 2, of one user or of everybody: a mapping of roles to models."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Mapping

from .problems import Problem, listed, nearest, shortened

if TYPE_CHECKING:
    from collections.abc import Collection

    from .contract import Surface


class BadRoles(ValueError):
    """A mapping with which Kai does not start; the message says why."""


def read_default_models(text: str, roles: Collection[str]) -> dict[str, str]:
    """Return what DEFAULT_MODELS_JSON holds. Raises BadRoles.

    Kai does not judge the models in it before it uses them.
    """
    try:
        data = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError) as error:
        raise BadRoles("it is not JSON") from error
    if not isinstance(data, dict):
        raise BadRoles("it is not a mapping of roles to models")
    found: dict[str, str] = {}
    for key, value in data.items():
        role = str(key).strip().lower()
        if role not in roles:
            raise BadRoles(f"{shortened(repr(role))} is none of {listed(roles)}")
        if not str(value).strip():
            raise BadRoles(f"{role} has no model")
        found[role] = str(value).strip()
    return found


def role_problems(
    where: str,
    value: Any,
    roles: Collection[str],
    models: Surface,
    pair: tuple[str, str | None],
) -> list[Problem]:
    """Return why Kai does not start with the models of one user.

    models: what Kai takes of the pair, the user's backend and provider.
    """
    if not isinstance(value, Mapping):
        found = shortened(repr(value))
        return [Problem(where, found, "a mapping of roles to models", "write role: model")]
    problems = []
    backend, provider = pair
    for key, named in value.items():
        role, place = str(key).strip().lower(), f"{where}.{key}"
        model = models.canonical(str(named).strip())
        if role not in roles:
            hint = nearest(role, roles)
            expected = f"one of {listed(roles)}"
            problems.append(Problem(place, f"an unknown role{hint}", expected, "correct its name"))
        elif not model:
            problems.append(Problem(place, "no model", "a model", "name one, or remove the role"))
        elif not models.accepts(model, provider):
            expected = f"a model of {backend}" + (f" and {provider}" if provider else "")
            problems.append(Problem(place, repr(model), expected, "name another model"))
    return problems
