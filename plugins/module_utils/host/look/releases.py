# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The releases and records of an installation."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

from ...rules.documents import legible
from ...rules.env_file import read_env
from ...rules.installs import UNKNOWN_STATE
from ...rules.problems import Problem, Refused
from ...rules.user_places import known_places
from .. import install_probe, system
from ..beside_data import going
from ..built_release import ENVIRONMENT
from ..service import deployed_port
from ..unit_overrides import overrides_of
from .host import unreadable
from .storage import size_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...rules.module_arguments import Place
    from ...rules.probe import DamagedRecord, Installed, ReleaseSeen, WorkshopSeen
    from ..system import ServiceState
    from .host import Host


def probe_release(host: Host) -> ReleaseSeen:
    """Return the live release, the complete ones, and the size of the live one when needed.

    Adds a fault where they cannot be read.
    """
    installs = host.installs
    live: str | None = None
    complete: list[str] = []
    has_models = True
    try:
        if not host.distrusted:
            live = installs.live()
            has_models = live is None or not installs.lacks_models(live)
            complete = sorted(name for name, whole in installs.built().items() if whole)
    except OSError as error:
        if host.privileged:
            host.faults.append(unreadable(error.filename or installs.install_dir, error))
    except Refused as error:
        host.add_fault(installs.install_dir, str(error), "an install", "move it away on the host")
    wanted = host.parameters["release"]
    missing = bool(wanted) and wanted not in complete
    size = None
    if live and missing:
        # the environment is nearly all of a release; a flat one has more beside it
        size = size_of(os.path.join(installs.release_path(live), ENVIRONMENT))
    return {
        "live": live,
        "complete": complete,
        "missing": missing,
        "size": size,
        "has_models": has_models,
    }


def probe_damaged(host: Host) -> list[DamagedRecord]:
    """Return the damaged records of installs, nothing where only root sees them."""
    if host.distrusted:
        return []
    try:
        return install_probe.damages(host.installs)
    except PermissionError:
        return []


def probe_installed(
    host: Host,
    damaged: Sequence[DamagedRecord],
    state: ServiceState | None,
    workshop: WorkshopSeen | None,
) -> Installed | None:
    """Return the installation and how it runs, None where ``installed`` is not asked.

    damaged: the result of ``probe_damaged``. state: of the service, None where it is unknown.
    workshop: what its database says, without which some paths of users are not known.
    """
    request, installs, home = host.parameters["installed"], host.installs, host.service_home
    if request is None:
        return None

    def located(entries: list[Place]) -> list[Place]:
        known = known_places(entries, workshop)
        return [{**one, "path": one["path"].replace("{service_home}", home)} for one in known]

    known = install_probe.installs_seen(installs, damaged, host.distrusted)
    env = install_probe.deployed_values(host.parameters["env_file"])
    if state and state.pid:
        # the environment of the process wins over the file
        env.update(system.environment_of(state.pid))
    # without privilege the environment file is unseen
    asked_port = host.parameters["port"] or request["default_port"]
    port, settings = deployed_port(env, request["port_key"], asked_port), request["settings"]
    overrides, unseen = (
        overrides_of(request["unit"], host.facts["unit"]["path"], state, settings)
        if state
        else ([], [])
    )
    key = secrets.token_hex(16)
    return {
        **known,
        "overrides": overrides,
        "overrides_unseen": [problem.as_dict() for problem in unseen],
        "interrupted": None if host.distrusted else install_probe.interrupted(installs),
        "going": going(os.path.realpath(request["data_dir"])) if request["data_dir"] else [],
        **install_probe.service_seen(request, installs, port, state),
        "key": key,
        "files": {
            entry["path"]: install_probe.file_seen(entry, key, settings)
            for entry in request["files"]
        },
        "layout": install_probe.layout_seen(
            located(request["directories"]),
            located(request["seeds"]),
            installs.release_path(known["live"]) if known["live"] else None,
        ),
        "free_space": [install_probe.free_space_at(path) for path in request["free_space"]],
    }


def installed_unseen(host: Host, problem: Problem) -> Installed | None:
    """Return ``probe_installed`` of a host on which nothing can be seen, because of a problem."""
    request = host.parameters["installed"]
    if request is None:
        return None
    return {
        "live": None,
        "unfinished": None,
        "releases": None,
        "installs": None,
        "is_recorded": False,
        "interrupted": None,
        "health": None,
        "strangers": None,
        "damaged": [],
        "fault": problem.as_dict(),
        "going": [],
        "overrides": [],
        "overrides_unseen": [],
        "hangs": False,
        "service": {
            "since": None,
            "pid": None,
            "release": None,
            "unit": request["unit"],
            "active": False,
            "enabled": False,
            "state": UNKNOWN_STATE,
            "restarts": 0,
        },
        "key": "",
        "files": {},
        "layout": {"changes": [], "unseen": [], "refused": []},
        "free_space": [],
    }


def verified_env(host: Host, live: dict[str, str]) -> dict[str, str]:
    """Return the variables of the last verified environment file.

    live: those of the deployed file, which may be of a killed run.
    """
    path = host.parameters["env_file"]
    if host.distrusted:
        return live
    try:
        is_open = host.installs.journal()
        former = {state.path: state for state in host.installs.former()} if is_open else {}
    except (OSError, Refused):
        return live
    if path not in former:
        return live
    return read_env(legible(former[path].content or b""))
