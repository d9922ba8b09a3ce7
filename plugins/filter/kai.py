# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter that turns problems into the text of a message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..module_utils.rules.plain import plain
from ..module_utils.rules.problems import Problem


def problems_text(problems: Sequence[Any]) -> str:
    """Return problems as numbered lines."""
    entries = [Problem(**plain(problem)) for problem in problems]
    count = "1 problem" if len(entries) == 1 else f"{len(entries)} problems"
    lines = [f"{number}. {problem}" for number, problem in enumerate(entries, start=1)]
    return "\n".join([f"{count}; nothing was changed.", *lines])


class FilterModule:
    """The filters of the collection."""

    def filters(self) -> dict[str, Any]:
        """Return every filter by name."""
        return {"problems_text": problems_text}
