# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which models are valid for a backend and a provider, and which one is offered first.

Source of the rules: Kai runtime contract, sections 1.1 to 1.4. An unknown backend or provider
offers no model at all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Mapping

from .problems import listed

if TYPE_CHECKING:
    from .contract import Contract
    from .model_policy import Models


@dataclass(frozen=True)
class Surface:
    """The models of a backend on a provider.

    models: the names Kai knows; empty where other names do. default: the model without a choice,
    None if a choice is required. takes: every name that Kai takes. only_with: the feature without
    which a source does not know a model.
    """

    name: str
    models: tuple[str, ...]
    default: str | None
    open_ended: bool
    takes: Models
    only_with: Mapping[str, str] = field(default_factory=dict)

    def accepts(self, model: str, provider: str | None = None) -> bool:
        """Return whether Kai starts with ``model`` here."""
        return self.takes.accept(self.takes.canonical(model), provider)

    @property
    def in_words(self) -> str:
        """The models that Kai takes, for the expectation of a problem."""
        if self.open_ended:
            return f"any model of {self.name}"
        if self.takes.form:
            return f"provider/model, like {self.default}"
        others = "".join(f", or one that begins with {one}" for one in self.takes.prefixes)
        return f"one of {listed(self.models)}{others}"


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
    return named_surface(contract, name) if name else None


def named_surface(contract: Contract, name: str) -> Surface:
    """Return a surface by its name in the contract."""
    entry = contract.surfaces[name]
    features = {one: feature for feature, names in entry.only_with.items() for one in names}
    return Surface(name, entry.names, entry.default, entry.open_ended, entry.takes, features)


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
