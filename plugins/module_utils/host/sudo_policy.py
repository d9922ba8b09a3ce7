# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checking a sudoers drop-in within the whole policy of the host."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

from ..rules.problems import Problem, Refused
from ..rules.sudoers import MAIN_POLICY, policy_problem, policy_with_candidate
from .system import run_program

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..rules.file_state import FileState


def drop_ins(directory: str) -> list[str]:
    """Return the names of the regular files of a directory; sudo ignores everything else."""
    return [name for name in os.listdir(directory) if os.path.isfile(os.path.join(directory, name))]


def check_policy(places: Sequence[str], state: FileState) -> None:
    """Raise Refused when visudo rejects the whole policy with a drop-in in it.

    places: where visudo may be. state: the drop-in as it is about to be written.
    """
    visudo = next((place for place in places if os.access(place, os.X_OK)), None)
    if visudo is None:
        raise Refused(
            Problem(
                "visudo",
                f"no visudo in {' or '.join(places)}",
                "an executable visudo",
                "install sudo on the host",
            )
        )
    directory, name = os.path.split(state.path)
    with tempfile.TemporaryDirectory(prefix="kai-sudoers-") as scratch:
        candidate = os.path.join(scratch, name)
        combined = os.path.join(scratch, "policy")
        with open(MAIN_POLICY, encoding="utf-8", errors="surrogateescape") as handle:
            policy = policy_with_candidate(
                handle.read(), directory, drop_ins(directory), name, candidate, os.path.realpath
            )
        with open(candidate, "wb") as drop_in:
            drop_in.write(state.content or b"")
        with open(combined, "w", encoding="utf-8", errors="surrogateescape") as handle:
            handle.write(policy)
        verdict = run_program([visudo, "-c", "-f", combined], timeout=60)
        if verdict.returncode != 0:
            said = (verdict.stdout + verdict.stderr).replace(scratch, directory).strip()
            found = f"visudo rejects the policy with the new {state.path}:\n{said}"
            raise Refused(policy_problem(state.path, found))
