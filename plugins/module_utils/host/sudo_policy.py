# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checking a sudoers drop-in within the whole policy of the host."""

from __future__ import annotations

import os
import socket
import tempfile
from typing import TYPE_CHECKING

from ..rules.problems import Problem, Refused
from ..rules.sudoers import PolicyFiles, policy_problem, policy_with_candidate
from .files import look
from .system import run_program

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..rules.file_state import FileState


def drop_ins(directory: str) -> list[str]:
    """Return the names of the regular files of a directory; sudo ignores everything else.

    One that is not there has none. Raises OSError when it cannot be read.
    """
    try:
        names = os.listdir(directory)
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [name for name in names if os.path.isfile(os.path.join(directory, name))]


def short_host_name() -> str:
    """Return the host name that sudo puts in the place of %h in a path."""
    return socket.gethostname().partition(".")[0]


def _text(path: str) -> str | None:
    """Return a file of the policy byte for byte, None where there is none. Raises OSError."""
    content = look(path, links=True).content
    return None if content is None else content.decode(errors="surrogateescape")


def policy_files() -> PolicyFiles:
    """Return how the policy of this host is read."""
    return PolicyFiles(_text, drop_ins, os.path.realpath, short_host_name())


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
    files = policy_files()
    with tempfile.TemporaryDirectory(prefix="kai-sudoers-") as scratch:
        candidate = (state.content or b"").decode(errors="surrogateescape")
        copies = policy_with_candidate(state.path, candidate, files, scratch)
        for copy, (_path, text) in copies.items():
            if text is not None:
                os.makedirs(os.path.dirname(copy), exist_ok=True)
                with open(copy, "wb") as handle:
                    handle.write(text.encode(errors="surrogateescape"))
        verdict = run_program([visudo, "-c", "-f", next(iter(copies))], timeout=60)
        if verdict.returncode != 0:
            said = (verdict.stdout + verdict.stderr).strip()
            # the longest first: one may begin with another
            for copy in sorted(copies, key=len, reverse=True):
                said = said.replace(copy, copies[copy][0])
            found = f"visudo rejects the policy with the new {state.path}:\n{said}"
            raise Refused(policy_problem(state.path, found))
