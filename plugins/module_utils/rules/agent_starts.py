# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the starts of the agents' programs show: faults, and starts of which nothing is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .problems import Problem

if TYPE_CHECKING:
    from .probe import AgentStart, Candidate

STRANGER = "nobody"


def start_faults(candidate: Candidate) -> list[Problem]:
    """Return a problem for each account as which a program does not start."""
    return [
        _problem(candidate["path"], start)
        for start in candidate.get("starts", [])
        if start["fault"] and start["account"] != STRANGER
    ]


def starts_elsewhere(candidate: Candidate) -> bool:
    """Return whether the program starts as some account; failures are then those of the others.

    If a bot is replaced, these are notes, as in kai_proof: one account must not block an upgrade.
    """
    return any(not (start["fault"] or start["late"]) for start in candidate.get("starts", []))


def late_starts(candidate: Candidate) -> list[Problem]:
    """Return a problem for each start that did not end in time: it decides nothing."""
    return [
        Problem(
            candidate["path"],
            f"no result within the time limit when started as {start['account']}, so whether it "
            "works is unknown",
            "a program that starts in time (a busy host may be the cause)",
            f"try it on the host: {_command(start)}",
        )
        for start in candidate.get("starts", [])
        if start["late"]
    ]


def _problem(path: str, start: AgentStart) -> Problem:
    account = start["account"]
    return Problem(
        path,
        f"a program that does not start as {account}: {start['fault']}",
        f"a program that {account} can start with PATH={start['path']}, with its interpreter and "
        "its libraries",
        f"install what it needs where every account finds it, then try it on the host: "
        f"{_command(start)}",
    )


def _command(start: AgentStart) -> str:
    return f"sudo -H -u {start['account']} env PATH={start['path']} {start['command']}"
