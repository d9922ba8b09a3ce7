# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conditions of the contract: when a setting is needed, or reaches the bot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Circumstances:
    """What conditions look at.

    settings: effective values, defaults included. pairs: every (backend, provider) in use.
    """

    settings: Mapping[str, Any]
    pairs: frozenset[tuple[str, str | None]]


def holds(condition: Any, circumstances: Circumstances) -> bool:
    """Return whether a condition of the contract is true.

    Raises ValueError for a condition that the vocabulary does not have.
    """
    if condition == "always":
        return True
    if isinstance(condition, dict):
        if "any" in condition:
            return any(holds(part, circumstances) for part in condition["any"])
        if "all" in condition:
            return all(holds(part, circumstances) for part in condition["all"])
        if "not" in condition:
            return not holds(condition["not"], circumstances)
        if "setting" in condition:
            return bool(circumstances.settings.get(condition["setting"]) == condition["equals"])
        if "global_backend" in condition:
            return bool(circumstances.settings["AGENT_BACKEND"] == condition["global_backend"])
        if "backend" in condition:
            provider = condition.get("provider")
            return any(
                backend == condition["backend"] and provider in (None, used)
                for backend, used in circumstances.pairs
            )
    raise ValueError(f"unknown condition: {condition!r}")


def in_words(condition: Any) -> str:
    """Return a condition as the end of a sentence that begins with 'needed when' or the like."""
    if condition == "always":
        return "always"
    if "any" in condition:
        return " or ".join(in_words(part) for part in condition["any"])
    if "all" in condition:
        return " and ".join(in_words(part) for part in condition["all"])
    if "not" in condition:
        return f"not ({in_words(condition['not'])})"
    if "setting" in condition:
        value = condition["equals"]
        text = str(value).lower() if isinstance(value, bool) else value
        return f"{condition['setting']} is {text}"
    if "global_backend" in condition:
        return f"the global backend is {condition['global_backend']}"
    provider = condition.get("provider")
    return f"somebody uses {condition['backend']}" + (f" on {provider}" if provider else "")
