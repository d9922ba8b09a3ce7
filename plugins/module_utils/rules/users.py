# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The users of the bot, with the effective backend, provider, model and account of each."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from .models import effective_provider, names_provider, surface_of
from .principal_ids import is_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .contract import Contract
    from .user_places import UserKey


# the role that Kai lets manage the bot
ADMIN = "admin"


def has_admin(users: Iterable[Mapping[str, Any]]) -> bool:
    """Return whether one of the entries of users.yaml may manage the bot."""
    return any(user.get("role") == ADMIN for user in users)


def profile_id_of(user: Mapping[str, Any]) -> str | None:
    """Return the runtime profile of an entry of users.yaml, None where it has no valid one."""
    given = user.get("runtime_profile_id")
    return given if is_id("rtp", given) else None


@dataclass(frozen=True)
class User:
    """One entry of users.yaml with everything inherited filled in.

    telegram_id: 0 for a user without Telegram. os_user: the account that the agents run as; None
    means the service user itself. model_from: own, global or default, the last where the inherited
    model does not fit the backend. profile_id: the runtime profile of a user whom the Workshop
    knows besides.
    """

    telegram_id: int
    name: str
    os_user: str | None
    backend: str
    provider: str | None
    model: str | None
    model_from: str
    profile_id: str | None = None

    @property
    def key(self) -> UserKey:
        """How the user is known in host_vars."""
        return self.profile_id or self.telegram_id

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name."""
        return asdict(self)


def effective_user(
    contract: Contract, settings: Mapping[str, Any], user: Mapping[str, Any]
) -> User:
    """Return the user of a users.yaml entry under the global settings.

    The entry's own value wins over the global one. The global provider is meant for everybody who
    names none; Kai itself lets nobody inherit it whose backend is another one, so desired_state.py
    gives it to the entry. The global model is only for the global backend on the global provider.
    """
    chosen = contract.agent_choice
    backend = user.get(chosen.backend.field) or global_backend(contract, settings)
    named = user.get(chosen.provider.field) or settings.get(chosen.provider.setting)
    provider = effective_provider(contract, backend, named)
    model, model_from = _model(contract, settings, user, (backend, provider))
    return User(
        telegram_id=user.get("telegram_id", 0),
        # Kai strips it
        name=str(user.get("name", "")).strip(),
        os_user=user.get("os_user") or None,
        backend=backend,
        provider=provider,
        model=model,
        model_from=model_from,
        profile_id=profile_id_of(user),
    )


def global_backend(contract: Contract, settings: Mapping[str, Any]) -> str:
    """Return the backend of users without one of their own.

    Where it must be chosen and is not, it is the one that the wizard suggests: that keeps other
    problems in sight.
    """
    setting = contract.agent_choice.backend.setting
    return str(settings.get(setting) or contract.settings[setting].suggestion)


def inherits_provider(
    contract: Contract,
    settings: Mapping[str, Any],
    entry: Mapping[str, Any],
    user: User,
) -> bool:
    """Return whether a user should have the global provider and Kai would not give it.

    It forgets the provider where the global backend names none.
    """
    return bool(
        names_provider(contract, user.backend)
        and not names_provider(contract, global_backend(contract, settings))
        and not entry.get(contract.agent_choice.provider.field)
        and user.provider
    )


def _model(
    contract: Contract,
    settings: Mapping[str, Any],
    user: Mapping[str, Any],
    pair: tuple[str, str | None],
) -> tuple[str | None, str]:
    if user.get("model"):
        # Kai compares and uses it like this for every name
        return user["model"].strip().lower(), "own"
    backend = global_backend(contract, settings)
    named = settings.get(contract.agent_choice.provider.setting)
    if pair == (backend, effective_provider(contract, backend, named)):
        return settings.get("DEFAULT_MODEL"), "global"
    surface = surface_of(contract, *pair)
    return (surface.default if surface else None), "default"


def pairs_in_use(users: Iterable[User]) -> frozenset[tuple[str, str | None]]:
    """Return every (backend, provider) in effective use."""
    return frozenset((user.backend, user.provider) for user in users)


def os_users(users: Iterable[User]) -> list[str]:
    """Return each distinct account that runs agents, in the order of the users."""
    return list(dict.fromkeys(user.os_user for user in users if user.os_user))


def names_of(users: Sequence[User], backend: str) -> str:
    """Return the users of a backend, for a sentence."""
    return ", ".join(user.name for user in users if user.backend == backend) or "nobody"
