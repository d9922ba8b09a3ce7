# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drop-ins, masks and variables that change the service: what the bot gets instead of host_vars."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .configuration import canonical_key
from .problems import Problem
from .unit import MANAGER, MASK
from .variable_names import variable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .contract import Contract
    from .desired import Desired
    from .probe import InstalledProbe, Override

_OK = 200
# what only takes from a service (systemd.resource-control(5), systemd.exec(5)); the unit of an
# install sets the limit of core files itself
_LIMIT = re.compile(
    r"Memory(Max|High|SwapMax|ZSwapMax)|CPUQuota|TasksMax|IO(Read|Write)(Bandwidth|IOPS)Max"
    r"|Limit(?!CORE)[A-Z]+"
)


def override_problems(
    contract: Contract, probe: InstalledProbe, desired: Desired | None
) -> list[Problem]:
    """Return a problem for everything that changes the service besides its own file.

    The place begins with the file. Variables that have the value of host_vars change nothing, and
    neither do those of systemd that the unit of an install sets. Limits of the operator are
    among them only if the bot does not answer, since they may be why.
    """
    installed = probe["installed"]
    given: Mapping[str, str] = {}
    own: Mapping[str, str] = {}
    if desired and "env" in desired:
        own = desired["unit"]["environment"]
        given = {**desired["env"], **own}
    answers = installed["service"]["active"] and installed["health"] == _OK
    return [
        _problem(contract, entry, f"{installed['service']['unit']}.service")
        for entry in installed.get("overrides", [])
        if entry["value"] is None or given.get(entry["key"]) != entry["value"]
        if not (entry["file"] == MANAGER and entry["key"] in own)
        if not (answers and is_limit(entry["name"]))
    ]


def is_limit(directive: str) -> bool:
    """Return whether a directive limits what a service may use, and no install sets it."""
    return bool(_LIMIT.fullmatch(directive))


def limits(probe: InstalledProbe) -> list[str]:
    """Return the operator's own limits of the service, a line for each, with its file."""
    return [
        f"{entry['file']}: {entry['name']}={entry['value']}{_when(entry)}"
        for entry in probe["installed"].get("overrides", [])
        if is_limit(entry["name"])
    ]


def unseen_overrides(probe: InstalledProbe) -> list[Problem]:
    """Return what may change the service, and could not be read."""
    return [Problem(**data) for data in probe["installed"].get("overrides_unseen", [])]


def masks(contract: Contract, probe: InstalledProbe) -> list[Problem]:
    """Return the problem of a unit that is masked, so that an install could not start it."""
    installed = probe["installed"]
    return [
        _problem(contract, entry, f"{installed['service']['unit']}.service")
        for entry in installed.get("overrides", [])
        if entry["name"] == MASK
    ]


def effective_values(probe: InstalledProbe) -> dict[str, str]:
    """Return the values that the running bot has instead of those of its file, by key."""
    return {
        entry["key"]: entry["value"]
        for entry in probe["installed"].get("overrides", [])
        if entry["key"] and entry["effective"] and entry["value"] is not None
    }


def _when(entry: Override) -> str:
    return "" if entry["effective"] else ", from the next start on"


def _problem(contract: Contract, entry: Override, unit: str) -> Problem:
    file, key = entry["file"], entry["key"]
    if entry["name"] == MASK:
        return Problem(
            f"{file}: mask",
            f"{unit} is masked, so nothing can start it",
            "a unit that is not masked",
            f"systemctl unmask {unit}; systemctl unmask --runtime {unit}",
        )
    if entry["name"] == "FragmentPath":
        return Problem(
            file,
            f"the definition of {unit}, in place of the one of an install",
            "no other definition of it",
            f"move it away: mv {file} {file}.old; systemctl daemon-reload; "
            f"systemctl restart {unit}",
        )
    when = _when(entry)
    if not key:
        value = "..." if entry["value"] is None else entry["value"]
        return Problem(
            f"{file}: {entry['name']}",
            f"{entry['name']}={value}, which changes {unit}{when}",
            "nothing that changes the unit of an install",
            f"remove it if it is not wanted: {_undo(file, unit)}",
        )
    known = canonical_key(contract, key)
    place = variable(known) if known in contract.settings else f"{variable('extra_env')}.{key}"
    found = "a value" if entry["value"] is None else repr(entry["value"])
    return Problem(
        f"{file}: {key}",
        f"{found}, which the bot has instead of the one of host_vars{when}",
        f"no {key} there",
        (
            f"remove it: {_undo(file, unit, key)}"
            if key in contract.process_environment
            else f"set {place} to the value that you want, and remove it there: "
            + _undo(file, unit, key)
        ),
    )


def _undo(file: str, unit: str, key: str = "") -> str:
    again = f"systemctl daemon-reload; systemctl restart {unit}"
    if file.startswith("process "):
        return again
    if not file.startswith("/"):
        return f"systemctl unset-environment {key}; systemctl restart {unit}"
    return f"edit {file}; {again}"
