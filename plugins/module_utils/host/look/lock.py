# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock of the host, which a run that changes the host takes before anything else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..flock import Busy, only_worker
from ..run_lock import BrokenRecord, problem_of_holder, problem_of_lock, run_of, take

if TYPE_CHECKING:
    from ...rules.probe import Lock
    from .host import Host


def probe_lock(host: Host) -> Lock:
    """Take the lock if the request names a run; return the lock and the holder that blocks it.

    Waits for a module that a killed run left at work.
    """
    path = host.facts.get("lock", "")
    run, ended = host.parameters["run"], host.parameters["ended_run"]
    by = str(run["by"]) if run else ""
    found: Lock = {"path": path, "by": by, "taken": False, "held_by": None, "problems": []}
    if not run or not path:
        return found
    try:
        held_by = take(path, run_of(run), run_of(ended) if ended else None)
        found["taken"] = held_by is None
        if held_by is None:
            with only_worker():
                return found
        found["held_by"] = held_by.as_dict()
        problem = problem_of_holder(path, held_by)
    except Busy as error:
        problem = error.problem
    except (BrokenRecord, OSError) as error:
        problem = problem_of_lock(path, error)
    return {**found, "problems": [problem.as_dict()]}
