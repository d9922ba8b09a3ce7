# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What changes the definition of the service, beside its own file: drop-ins, masks, variables.

The environment of the process wins over the bot's file, so it is read from the process.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..rules.documents import legible
from ..rules.env_file import read_env
from ..rules.problems import Problem, Refused
from ..rules.unit import MANAGER, MASK, assignments_of, service_of, variables_in
from . import system
from .files import look

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..rules.probe import Override
    from .system import ServiceState

# a directive whose value may be a secret (systemd.exec(5))
CREDENTIAL = "SetCredential"
_RESET_BY_NOTHING = ("Environment", "EnvironmentFile")


def overrides_of(
    unit: str, own_file: str, state: ServiceState, settings: Mapping[str, bool]
) -> tuple[list[Override], list[Problem]]:
    """Return what changes a service besides its own file, the files first, and what is not seen.

    own_file: the path of the unit. state: of the service. settings: the keys of the bot, and
    whether the value of each may be shown.
    """
    found: list[Override] = []
    unseen: list[Problem] = []
    if state.masked:
        found.append(_override(state.file or own_file, MASK))
    elif state.file and os.path.realpath(state.file) != os.path.realpath(own_file):
        found.append(_override(state.file, "FragmentPath", value=state.file))
    environment = system.environment_of(state.pid) if state.pid else {}
    # the comparison of files reports one that cannot be read
    own_text = _text(own_file, [])
    own = dict(assignments_of(own_text))
    for path in state.drop_ins:
        # a drop-in for every service is the system's: its variables count, and what it replaces
        is_own = os.path.basename(os.path.dirname(path)) == f"{unit}.service.d"
        for file, name, key, value in _assignments(path, unseen):
            if key or is_own or name in own:
                is_open = settings.get(key, False) if key else not name.startswith(CREDENTIAL)
                shown = value if is_open else None
                is_live = environment.get(key) == value if key and environment else not state.stale
                found.append(_override(file, name, key, shown, effective=is_live))
    is_replaced = "LimitCORE" in {entry["name"] for entry in found}
    if state.pid and own.get("LimitCORE") == "0" and not is_replaced:
        # prlimit(1) changes a running process
        process, core = f"process {state.pid}", system.core_limit_of(state.pid)
        if core is None:
            unseen.append(_unseen(process, "its limits are not readable"))
        elif core != "0":
            found.append(_override(process, "LimitCORE", value=core))
    named = {entry["key"] for entry in found}
    try:
        own_variables = service_of(own_text)[1]
        found += _unexplained(own_variables, environment, settings, named, state.pid)
    except OSError as error:
        unseen.append(_unseen(MANAGER, f"not readable: {error}"))
    return found, unseen


def _unexplained(
    own: Mapping[str, str],
    environment: Mapping[str, str],
    settings: Mapping[str, bool],
    named: set[str],
    pid: int,
) -> Iterator[Override]:
    """Yield the variables of the process that neither its unit nor a drop-in gives.

    A container without CAP_SYS_PTRACE hides the environment of a process from root (proc(5)). Then
    those that systemd gives every service count. Raises OSError when it does not answer.
    """
    manager = system.manager_environment()
    # a unit's own variable wins over the manager's
    given = environment or {key: value for key, value in manager.items() if key not in own}
    strange = {
        key: value
        for key, value in given.items()
        if key in settings and key not in named and own.get(key) != value
    }
    for key, value in strange.items():
        file = MANAGER if manager.get(key) == value else f"process {pid}"
        yield _override(file, "Environment", key, value if settings[key] else None)


def _assignments(path: str, unseen: list[Problem]) -> Iterator[tuple[str, str, str, str]]:
    """Yield file, directive, key and value of what a drop-in sets; key is empty but for variables.

    A later assignment of the same replaces an earlier one. unseen: gets what cannot be read.
    """
    found: dict[tuple[str, str], tuple[str, str]] = {}
    for name, value in assignments_of(_text(path, unseen, needed=True)):
        if name in _RESET_BY_NOTHING and not value:
            # what was assigned before has no effect (systemd.exec(5)), nor has it in the unit
            found = {known: one for known, one in found.items() if known[0] != name}
            found[name, ""] = (path, "")
        elif name == "Environment":
            for key, content in variables_in(value).items():
                found[name, key] = (path, content)
        elif name == "EnvironmentFile":
            named = value.lstrip("-").strip('"')
            # systemd expands specifiers and wildcards (systemd.exec(5))
            needed = not value.startswith("-") or any(sign in named for sign in "%*?[")
            for key, content in read_env(_text(named, unseen, needed=needed)).items():
                found[name, key] = (named, content)
        else:
            found[name, ""] = (path, value)
    for (name, key), (file, content) in found.items():
        yield file, name, key, content


def _text(path: str, unseen: list[Problem], *, needed: bool = False) -> str:
    """Return the text of a file. needed: whether one that is not there is noted as well."""
    try:
        content = look(path, links=True).content
    except (OSError, Refused) as error:
        unseen.append(_unseen(path, f"not readable: {error}"))
        return ""
    if content is None and needed:
        unseen.append(_unseen(path, "not there, although systemd read it"))
    return legible(content or b"")


def _unseen(where: str, found: str) -> Problem:
    return Problem(
        where,
        f"{found}, so it is unknown what the bot has from it",
        "a file or process that root can read",
        "inspect it on the host, then run this again",
    )


def _override(
    file: str, name: str, key: str = "", value: str | None = "", *, effective: bool = True
) -> Override:
    return {"file": file, "name": name, "key": key, "value": value, "effective": effective}
