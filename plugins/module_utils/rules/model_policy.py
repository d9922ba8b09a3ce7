# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which models Kai 2 takes of a backend and a provider, and which an installed backend allows.

Some are names that Kai knows, others have a form alone: the agent knows what there is.
"""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Mapping

if TYPE_CHECKING:
    from collections.abc import Collection

# what Kai 1 wrote down as the ceiling of claude; Kai 2 reads it as if claude-* stood there as well
_FORMER_CEILING = frozenset({"haiku", "opus", "sonnet"})


@dataclass(frozen=True)
class Models:
    """What Kai takes as a model.

    names: those that it knows. prefixes: what any other name may begin with. open_ended: any name.
    form: "path" for provider/model, "own path" for the same with the effective provider, or one
    name alone. aliases: names that Kai reads as another one.
    """

    names: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    open_ended: bool = False
    form: str | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)

    def canonical(self, model: str) -> str:
        """Return the name that Kai uses for a model."""
        return self.aliases.get(model, model)

    def accept(self, model: str, provider: str | None) -> bool:
        """Return whether Kai takes a model, by its canonical name."""
        if not model.strip():
            return False
        parts = model.split("/")
        if self.form == "path":
            return len(parts) > 1 and all(parts)
        if self.form == "own path":
            return len(parts) == 1 or (all(parts) and parts[0] == provider)
        return self.open_ended or model in self.names or model.startswith(self.prefixes)


def is_allowed(backend: str, model: str, ceiling: Collection[str]) -> bool:
    """Return whether an installed backend allows a model; an empty ceiling allows every one."""
    if not ceiling or any(fnmatch.fnmatchcase(model, pattern) for pattern in ceiling):
        return True
    is_whole_name = backend == "claude" and model.startswith("claude-")
    return is_whole_name and frozenset(ceiling) == _FORMER_CEILING
