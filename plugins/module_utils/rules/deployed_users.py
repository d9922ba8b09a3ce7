# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The users and agents that a host has, and what host_vars will change about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .configuration import read_configuration
from .drift import variables_of
from .operator_files import users_in
from .overrides import effective_values
from .variable_names import variable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .configuration import Configuration
    from .probe import FileSeen, InstalledProbe
    from .users import User

_NOTHING = "none"


def deployed_configuration(
    configuration: Configuration, probe: InstalledProbe
) -> Configuration | None:
    """Return what the deployed files give the bot, None where they could not be read.

    Secrets are not in it, so its problems say nothing. configuration: of host_vars, for the
    settings of the installation.
    """
    contract = configuration.contract
    seen = probe["installed"]["files"]
    users_text = _file(seen, contract.protected_files["users"].path).get("text")
    values = _file(seen, contract.protected_files["env"].path).get("open")
    if users_text is None or values is None:
        return None
    users = users_in(users_text)
    if users is None:
        return None
    # what the bot reads wins over the record of the choices that no file of the bot has
    recorded = _file(seen, contract.record.path).get("text") or ""
    given = {
        **variables_of(recorded),
        **{
            variable(key): value
            for key, value in {**values, **effective_values(probe)}.items()
            if key in contract.settings
        },
    }
    found = read_configuration(contract, given, users)
    found.host = configuration.host
    return found


def _file(seen: Mapping[str, FileSeen], path: str) -> FileSeen:
    """Return a deployed file; its kind is empty if it could not be read."""
    found = seen.get(path)
    return found if found and found["kind"] == "file" else {"kind": ""}


def pending(configuration: Configuration, deployed: Configuration) -> list[str]:
    """Return what the next install will change about the users, a line for each of them."""
    wanted = {user.key: user for user in configuration.users}
    there = {user.key: user for user in deployed.users}
    lines = [
        f"{user.name}: {', '.join(found)}"
        for number, user in wanted.items()
        if number in there and (found := _differences(user, there[number]))
    ]
    lines += [f"{one.name}: a new user" for number, one in wanted.items() if number not in there]
    lines += [f"{one.name}: removed" for number, one in there.items() if number not in wanted]
    return lines


def _differences(wanted: User, there: User) -> list[str]:
    fields = [
        ("name", wanted.name, there.name),
        ("OS user", wanted.os_user, there.os_user),
        ("agent", wanted.backend, there.backend),
        ("model", wanted.model, there.model),
    ]
    # another agent brings its own
    if wanted.backend == there.backend:
        fields.append(("provider", wanted.provider, there.provider))
    return [
        f"{name} {after or _NOTHING} instead of {before or _NOTHING}"
        for name, after, before in fields
        if after != before
    ]
