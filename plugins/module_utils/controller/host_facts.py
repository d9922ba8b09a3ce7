# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuse variables of this collection that come from a host.

A module may return ``ansible_facts``, and facts outrank host_vars (Ansible, "Variable precedence").
So root on a host could name files of the controller, to be read or written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..rules.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

_OURS = ("kai_", "_kai_")


def problems_of_facts(variables: Mapping[str, Any]) -> list[Problem]:
    """Return a problem for each variable of this collection that is a fact of the host.

    variables: those of a task.
    """
    facts = variables.get("ansible_facts") or {}
    host = variables.get("inventory_hostname")
    return [
        Problem(
            name,
            f"a fact of {host}, which {host} itself or set_fact with cacheable has set",
            "a variable of the inventory, a play or the command line",
            f"leave out cacheable if you set it, and remove {host} from the fact cache; otherwise "
            f"find out who has root on {host}",
        )
        for name in sorted(map(str, facts))
        if name.startswith(_OURS)
    ]


def refusal_of_facts(variables: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the result of a task that must not run with such facts, None if there are none."""
    problems = problems_of_facts(variables or {})
    if not problems:
        return None
    return {
        "failed": True,
        "msg": "\n".join(map(str, problems)),
        "problems": [problem.as_dict() for problem in problems],
    }
