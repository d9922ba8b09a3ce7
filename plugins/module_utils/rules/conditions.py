# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conditions of the contract: when a setting is needed, or reaches the bot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .contract import Condition, When


@dataclass(frozen=True)
class Circumstances:
    """The facts that conditions read.

    settings: effective values, defaults included. pairs: every (backend, provider) in use.
    global_backend: that of users without one of their own.
    """

    settings: Mapping[str, Any]
    pairs: frozenset[tuple[str, str | None]]
    global_backend: str | None = None


def holds(condition: When, circumstances: Circumstances) -> bool:
    """Return whether a condition of the contract is true."""
    if condition == "always":
        return True
    if condition.any:
        return any(holds(part, circumstances) for part in condition.any)
    if condition.all:
        return all(holds(part, circumstances) for part in condition.all)
    if condition.not_:
        return not holds(condition.not_, circumstances)
    if condition.setting:
        return bool(circumstances.settings.get(condition.setting) == condition.equals)
    if condition.global_backend:
        return circumstances.global_backend == condition.global_backend
    return any(
        backend == condition.backend and condition.provider in (None, used)
        for backend, used in circumstances.pairs
    )


def in_words(condition: When, circumstances: Circumstances | None = None) -> str:
    """Return a condition as the end of a sentence that begins with 'needed when' or the like.

    circumstances: in which the condition holds; of alternatives only those that hold are named.
    """
    if condition == "always":
        return "always"
    if condition.any:
        parts = [
            part for part in condition.any if circumstances is None or holds(part, circumstances)
        ]
        return " or ".join(in_words(part, circumstances) for part in parts)
    if condition.all:
        return " and ".join(in_words(part, circumstances) for part in condition.all)
    if condition.not_:
        if condition.not_ != "always" and condition.not_.setting:
            return _setting_in_words(condition.not_, "is not")
        return f"not ({in_words(condition.not_)})"
    if condition.setting:
        return _setting_in_words(condition, "is")
    if condition.global_backend:
        return f"the global backend is {condition.global_backend}"
    provider = condition.provider
    on = f" on {provider}" if provider else ""
    return f"a user with backend {condition.backend}{on} exists"


def _setting_in_words(condition: Condition, verb: str) -> str:
    value = condition.equals
    text = str(value).lower() if isinstance(value, bool) else value
    return f"{condition.setting} {verb} {text}"
