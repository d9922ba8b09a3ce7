# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets of what may call Kai 2 from outside, which all have to be different."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Mapping

if TYPE_CHECKING:
    from collections.abc import Sequence


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
