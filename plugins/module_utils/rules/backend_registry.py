# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""backends.yaml of Kai 2: which agents are installed, where, and which models they may use.

The service user reads it directly. Kai takes more spellings than this writes, and what it reads in
them is read here as well.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Mapping

from .paths import fault_of_path
from .problems import BadDocument, listed, shortened

if TYPE_CHECKING:
    from collections.abc import Collection

RUNTIME = "local_process"


class BadRegistry(BadDocument):
    """A registry with which Kai does not start."""


@dataclass(frozen=True)
class Installed:
    """A backend of this host. models: patterns of those that it may use; none allows every one."""

    command: str
    models: tuple[str, ...] = ()


@dataclass(frozen=True)
class Registry:
    """Every installed backend by its id. default: the one of who has none."""

    installed: Mapping[str, Installed] = field(default_factory=dict)
    default: str | None = None


def written_registry(registry: Registry) -> dict[str, Any]:
    """Return a registry as the document that is deployed. Raises BadRegistry."""
    if registry.default is not None and registry.default not in registry.installed:
        raise BadRegistry("default_backend", repr(registry.default), "an installed backend")
    backends: dict[str, Any] = {}
    for name in sorted(registry.installed):
        one = registry.installed[name]
        fault = fault_of_path(one.command)
        if fault:
            raise BadRegistry(f"backends.{name}.command", repr(one.command), f"a path; it {fault}")
        backends[name] = {"driver": name, "runtime": RUNTIME, "command": one.command}
        if one.models:
            backends[name]["allowed_models"] = list(one.models)
    head: dict[str, Any] = {"version": 1}
    if registry.default is not None:
        head["default_backend"] = registry.default
    return {**head, "backends": backends}


def read_registry(data: Any, known: Collection[str]) -> Registry:
    """Return what Kai reads in the data of a backends.yaml. Raises BadRegistry.

    known: the ids of every backend that Kai has.
    """
    # an empty file is one without backends
    document = data or {}
    if not isinstance(document, dict):
        raise BadRegistry("backends.yaml", _shown(data), "a mapping")
    backends = document.get("backends", {})
    if not isinstance(backends, dict):
        raise BadRegistry("backends", _shown(backends), "a mapping")
    installed: dict[str, Installed] = {}
    for key, entry in backends.items():
        name = _word(key)
        if name not in known:
            raise BadRegistry(f"backends.{key}", "a backend that Kai does not have", listed(known))
        installed[name] = _entry(name, entry)
    default = _word(document.get("default_backend") or "")
    if default and default not in installed:
        raise BadRegistry("default_backend", repr(default), listed(installed))
    return Registry(installed, default or None)


def _entry(name: str, entry: Any) -> Installed:
    where = f"backends.{name}"
    if not isinstance(entry, dict):
        raise BadRegistry(where, _shown(entry), "a mapping")
    command = str(entry.get("command") or "").strip()
    if not command:
        raise BadRegistry(f"{where}.command", "none", "an absolute path")
    driver = _word(entry.get("driver") or name) or name
    if driver != name:
        raise BadRegistry(f"{where}.driver", repr(driver), name)
    runtime = _word(entry.get("runtime") or RUNTIME) or RUNTIME
    if runtime != RUNTIME:
        raise BadRegistry(f"{where}.runtime", repr(runtime), RUNTIME)
    models = entry.get("allowed_models", [])
    if models is None:
        return Installed(command)
    if not isinstance(models, list) or not all(isinstance(one, str) for one in models):
        raise BadRegistry(f"{where}.allowed_models", _shown(models), "a list of names")
    return Installed(command, tuple(one.strip() for one in models if one.strip()))


def _word(value: Any) -> str:
    return str(value).strip().lower()


def _shown(value: Any) -> str:
    return shortened(re.sub(r"\s+", " ", repr(value)))
