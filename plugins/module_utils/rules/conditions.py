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
    """The facts that conditions read.

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


def in_words(condition: Any, circumstances: Circumstances | None = None) -> str:
    """Return a condition as the end of a sentence that begins with 'needed when' or the like.

    circumstances: in which the condition holds; of alternatives only those that hold are named.
    """
    if condition == "always":
        return "always"
    if "any" in condition:
        parts = [
            part for part in condition["any"] if circumstances is None or holds(part, circumstances)
        ]
        return " or ".join(in_words(part, circumstances) for part in parts)
    if "all" in condition:
        return " and ".join(in_words(part, circumstances) for part in condition["all"])
    if "not" in condition and "setting" in condition["not"]:
        return _setting_in_words(condition["not"], "is not")
    if "not" in condition:
        return f"not ({in_words(condition['not'])})"
    if "setting" in condition:
        return _setting_in_words(condition, "is")
    if "global_backend" in condition:
        return f"the global backend is {condition['global_backend']}"
    provider = condition.get("provider")
    on = f" on {provider}" if provider else ""
    return f"a user with backend {condition['backend']}{on} exists"


def _setting_in_words(condition: Mapping[str, Any], verb: str) -> str:
    value = condition["equals"]
    text = str(value).lower() if isinstance(value, bool) else value
    return f"{condition['setting']} {verb} {text}"
