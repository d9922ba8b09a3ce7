# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which models are valid for a backend and a provider, and which one is offered first.

Source of the rules: Kai runtime contract, sections 1.1 to 1.4. An unknown backend or provider
offers no model at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .contract import Contract, Surface


def providers_of(contract: Contract, backend: str) -> tuple[str, ...]:
    """Return the providers of a backend, none for an unknown backend."""
    entry = contract.backends.get(backend)
    return tuple(entry.surfaces) if entry else ()


def names_provider(contract: Contract, backend: str) -> bool:
    """Return whether a choice of the provider is required for the backend."""
    entry = contract.backends.get(backend)
    return bool(entry and entry.names_provider)


def effective_provider(contract: Contract, backend: str, named: str | None) -> str | None:
    """Return the provider in effect: the named one, or the only one of a backend that has one."""
    if names_provider(contract, backend):
        return named or None
    return next(iter(providers_of(contract, backend)), None)


def surface_of(contract: Contract, backend: str, provider: str | None) -> Surface | None:
    """Return the surface of (backend, provider), or None when Kai has no such pair."""
    entry = contract.backends.get(backend)
    name = entry.surfaces.get(provider or "") if entry else None
    return contract.surfaces[name] if name else None


def normalised_model(contract: Contract, model: str) -> str:
    """Return the model as Kai compares it: known names in lower case, any other as typed."""
    text = model.strip()
    known = {name for entry in contract.surfaces.values() for name in entry.names}
    return text.lower() if text.lower() in known else text


def belongs_elsewhere(contract: Contract, surface: Surface, model: str) -> bool:
    """Return whether an open-ended surface was given a name that Kai knows from another surface.

    Kai accepts it there, and the provider then has no such model (Kai 1.x installer, section 2.5).
    """
    return surface.open_ended and any(model in entry.names for entry in contract.surfaces.values())
