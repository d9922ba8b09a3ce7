# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stops the start of Kai although each value is valid alone; only some lines have it."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any, Mapping

from .models import surface_of
from .problems import Problem, listed, nearest, shortened
from .user_isolation import Assigned, isolation_problems
from .variable_names import variable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from .configuration import Configuration
    from .contract import Surface


def start_problems(configuration: Configuration) -> list[Problem]:
    """Return every reason in the configuration as a whole for which Kai does not start."""
    return [
        *_shared_accounts(configuration),
        *_models_of_tasks(configuration),
        *_equal_secrets(configuration),
        *_default_backend(configuration),
    ]


def _shared_accounts(configuration: Configuration) -> Iterator[Problem]:
    spec = configuration.contract.user_fields["os_user"]
    if not (spec.required and spec.unique):
        return
    service = str(configuration.host.get("service_user", ""))
    assigned = [
        Assigned(place, user.name, user.os_user)
        for place, _entry, user in configuration.placed_users
        # one without, and the bot's own, are refused as values
        if user.os_user and user.os_user != service
    ]
    yield from isolation_problems(assigned, service)


def _models_of_tasks(configuration: Configuration) -> Iterator[Problem]:
    contract = configuration.contract
    roles = list(contract.role_tiers)
    for key, spec in contract.settings.items():
        if spec.role_models and key in configuration.chosen:
            fault = fault_of_default_models(str(configuration.chosen[key]), roles)
            if fault:
                expected = f"JSON that maps tasks ({listed(roles)}) to models"
                yield Problem(variable(key), f"a value of which {fault}", expected, "correct it")
    fields = [name for name, spec in contract.user_fields.items() if spec.role_models]
    for place, entry, user in configuration.placed_users:
        surface = surface_of(contract, user.backend, user.provider)
        for name in fields if surface else ():
            value: Any = entry.get(name)
            if value is not None and surface:
                pair = (user.backend, user.provider)
                yield from role_problems(f"{place}.{name}", value, roles, surface, pair)


def _equal_secrets(configuration: Configuration) -> Iterator[Problem]:
    contract = configuration.contract
    values = {name: configuration.chosen.get(name) for name in contract.distinct_secrets}
    for one, other in equal_secrets(values, contract.distinct_secrets):
        yield Problem(
            variable(other),
            f"the secret of {variable(one)}",
            "another secret for each caller, without which Kai does not start",
            f"set another one in vault.yml: {variable(other)}",
        )


def _default_backend(configuration: Configuration) -> Iterator[Problem]:
    contract = configuration.contract
    backend, setting = configuration.global_backend, contract.agent_choice.backend.setting
    used = sorted({user.backend for user in configuration.users})
    if contract.registry and setting in configuration.chosen and used and backend not in used:
        yield Problem(
            variable(setting),
            f"{backend}, which no user has",
            f"a backend that is in use ({listed(used)}), because Kai starts only with an installed "
            "one",
            f"set {variable(setting)} to one of them",
        )


def equal_secrets(
    settings: Mapping[str, str | None], names: Sequence[str]
) -> list[tuple[str, str]]:
    """Return the pairs of settings with the same secret, with which Kai does not start.

    names: ``distinct_secrets`` of the contract. Kai does not look at the one of Telegram where
    Telegram does not call; this does.
    """
    given = [(name, (settings.get(name) or "").strip()) for name in names]
    return [
        (one, other)
        for (one, value), (other, same) in itertools.combinations(given, 2)
        if value and value == same
    ]


def fault_of_default_models(text: str, roles: Collection[str]) -> str | None:
    """Return why Kai does not start with a value of DEFAULT_MODELS_JSON, None when it does.

    Kai does not judge the models in it before it uses them.
    """
    try:
        data = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError):
        return "it is not JSON"
    if not isinstance(data, dict):
        return "it is not a mapping of roles to models"
    for key, value in data.items():
        role = str(key).strip().lower()
        if role not in roles:
            return f"{shortened(repr(role))} is none of {listed(roles)}"
        if not str(value).strip():
            return f"{role} has no model"
    return None


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
