# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Pythons of a host, and the uv with which releases are built."""

from __future__ import annotations

import glob
import os
import re
from typing import TYPE_CHECKING

from ...rules.program_trust import in_words
from ..built_release import find_uv, python_of
from ..root_places import program_problem
from ..system import run_program
from ..trusted_paths import changers_of

if TYPE_CHECKING:
    from ...rules.probe import Changer, Interpreter, LivePython, ReleaseSeen
    from .host import Host

_SECONDS = 20
_PLACES = ("/usr/local/bin", "/usr/bin", "/opt/homebrew/bin")
_QUESTION = """
import sys
print(".".join(str(part) for part in sys.version_info[:3]))
import venv, ensurepip
print(getattr(sys, "_base_executable", sys.executable))
"""


def probe_interpreters(host: Host) -> list[Interpreter]:
    """Return each Python 3 in the usual places and the one asked for, newest first.

    Adds a fault for a uv that other accounts can change, as a build runs it as root.
    """
    uv = find_uv()
    problem = program_problem(uv, host.known) if uv and host.privileged else None
    host.faults += [problem] if problem else []
    found: dict[str, Interpreter] = {}
    for directory in _PLACES:
        # names with a version first: python3 may be another Python after a system upgrade
        for path in sorted(glob.glob(f"{directory}/python3*"), reverse=True):
            if re.fullmatch(r"python3(\.\d+)?", os.path.basename(path)):
                found.setdefault(os.path.realpath(path), probe_interpreter(host, path))
    checked = list(found.values())
    asked = host.parameters["python"]
    if asked and asked not in [entry["path"] for entry in checked]:
        checked.append(probe_interpreter(host, asked))
    return sorted(
        checked,
        key=lambda entry: [int(part) for part in entry["version"].split(".") if part],
        reverse=True,
    )


def probe_interpreter(host: Host, path: str) -> Interpreter:
    """Return path, version and fault of a Python, found by running it.

    A Python that another account can change is not run, as root would run it.
    """
    me = host.known.name_of(os.geteuid())
    found = [
        entry
        for entry in changers_of(path, host.search_path, host.known)
        if not _is_changed_by_only(entry, me)
    ]
    if found:
        fault = f"is not for {me} to run, as it can be changed by {in_words(*found)}"
        return {"path": path, "version": "", "fault": fault}
    try:
        ended = run_program([path, "-I", "-c", _QUESTION], timeout=_SECONDS, cwd="/")
    except OSError as error:
        return {"path": path, "version": "", "fault": f"does not run ({error})"}
    lines = ended.stdout.splitlines()
    if ended.returncode != 0 or len(lines) < 2:
        last = (ended.stderr.strip() or "no output").splitlines()[-1]
        version = lines[0] if lines else ""
        return {"path": path, "version": version, "fault": f"cannot be used ({last})"}
    if os.path.realpath(lines[1]) == os.path.realpath(path):
        reason = host.fault_of(path, [host.parameters["service_user"]])
    else:
        reason = f"is a script that starts {lines[1]} today"
    return {"path": path, "version": lines[0], "fault": reason}


def probe_live_python(host: Host, release: ReleaseSeen) -> LivePython | None:
    """Return path and changers of the live release's Python, None where ``installed`` is not asked.

    release: the result of ``probe_release``.
    """
    if host.parameters["installed"] is None or release["live"] is None:
        return None
    path = python_of(host.installs.release_path(release["live"]))
    found = changers_of(path, accounts=host.known)
    return {"path": path, "changers": [e for e in found if host.privileged or "unseen" not in e]}


def _is_changed_by_only(entry: Changer, name: str) -> bool:
    return not (entry["everybody"] or entry.get("unseen")) and entry["accounts"] == [name]
