# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who uses the bot, and which backend, provider, model and account each one effectively gets."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from .models import Surface, effective_provider, normalised_model, surface_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


@dataclass(frozen=True)
class Person:
    """One entry of users.yaml with everything inherited filled in.

    os_user: the account that the agents run as; None means the service user itself.
    model_from: own, global or default, the last where the inherited model does not fit the backend.
    """

    telegram_id: int
    name: str
    os_user: str | None
    backend: str
    provider: str | None
    model: str | None
    model_from: str

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name."""
        return asdict(self)


def effective_person(
    contract: Mapping[str, Any], settings: Mapping[str, Any], user: Mapping[str, Any]
) -> Person:
    """Return the person that a users.yaml entry means under the global settings.

    Kai runtime contract, sections 1.4 and 3: the entry's own value wins over the global one. A
    global model that the person's backend refuses is replaced by that backend's default.
    """
    backend = user.get("agent_backend") or settings["AGENT_BACKEND"]
    provider = effective_provider(
        contract, backend, user.get("llm_provider") or settings.get("LLM_PROVIDER")
    )
    surface = surface_of(contract, backend, provider)
    model, model_from = _model(contract, settings, user, surface)
    os_user = user.get("os_user")
    if not os_user and backend == "claude":
        os_user = settings.get("CLAUDE_USER")
    return Person(
        telegram_id=user.get("telegram_id", 0),
        name=user.get("name", ""),
        os_user=os_user or None,
        backend=backend,
        provider=provider,
        model=model,
        model_from=model_from,
    )


def _model(
    contract: Mapping[str, Any],
    settings: Mapping[str, Any],
    user: Mapping[str, Any],
    surface: Surface | None,
) -> tuple[str | None, str]:
    if user.get("model"):
        return normalised_model(contract, user["model"]), "own"
    inherited = settings.get("DEFAULT_MODEL")
    global_provider = effective_provider(
        contract, settings["AGENT_BACKEND"], settings.get("LLM_PROVIDER")
    )
    if surface == surface_of(contract, settings["AGENT_BACKEND"], global_provider):
        return inherited, "global"
    if surface and not surface.open_ended and inherited and surface.accepts(inherited):
        return inherited, "global"
    return (surface.default if surface else None), "default"


def pairs_in_use(people: Iterable[Person]) -> set[tuple[str, str | None]]:
    """Return every (backend, provider) that somebody effectively uses."""
    return {(person.backend, person.provider) for person in people}


def os_users(people: Iterable[Person]) -> list[str]:
    """Return each distinct account that agents run as, in order of people."""
    return list(dict.fromkeys(person.os_user for person in people if person.os_user))


def names_of(people: Sequence[Person], backend: str) -> str:
    """Return who uses a backend, for a sentence."""
    return ", ".join(person.name for person in people if person.backend == backend) or "nobody"
