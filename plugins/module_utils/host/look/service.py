# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service of the bot, its port, and the programs of the host."""

from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING

from .. import system
from ..service import deployed_port, turns_in
from .host import unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...rules.probe import Service
    from ..system import ServiceState
    from .host import Host


def probe_state(host: Host) -> ServiceState | None:
    """Return the state of the service; None, and a fault, where systemd gives no answer."""
    unit = host.facts["unit"]["name"]
    try:
        return system.service_state(unit)
    except OSError as error:
        host.no_answer(system.state_command(unit), error.strerror or str(error))
        return None


def probe_manager_version(host: Host) -> int | None:
    """Return the version of systemd; None, and a fault, where it gives no answer."""
    try:
        return system.manager_version()
    except OSError as error:
        host.no_answer(system.state_command(), error.strerror or str(error))
        return None


def probe_service(host: Host, state: ServiceState | None) -> Service:
    """Return active, enabled, PID and turns of the service. state: None where it is unknown."""
    state = state or system.ServiceState()
    active, turns = state.state == "active", host.parameters["turns"]
    return {
        "active": active,
        "enabled": state.enabled,
        "pid": state.pid,
        "turns": turns_in(turns) if active and turns else 0,
    }


def probe_port(
    host: Host, state: ServiceState | None, env: Mapping[str, str], live: str | None
) -> list[str]:
    """Return the processes that listen on the bot's port and are not the bot's, in words.

    Adds a fault where they cannot be seen. An agent that holds the port of an installed bot is left
    out, as it is ended when the bot starts.
    """
    port, installed = host.parameters["port"], host.parameters["installed"]
    if port is None:
        return []
    state = state or system.ServiceState()
    try:
        others = system.strangers(port, state.pid, state.group)
    except OSError as error:
        host.faults.append(unreadable(error.filename or "the sockets of the host", error))
        return []
    # an agent may use any other port for good reasons
    if (
        live
        and installed
        and deployed_port(env, installed["port_key"], installed["default_port"]) == port
    ):
        others = [other for other in others if other.user not in host.accounts]
    return [str(other) for other in others]


def probe_addresses(host: Host) -> list[str]:
    """Return the addresses on which nothing of this host can listen (bind(2), EADDRNOTAVAIL)."""
    foreign = []
    for address in host.parameters["addresses"]:
        with socket.socket(socket.AF_INET) as listener:
            try:
                listener.bind((address, 0))
            except OSError as error:
                if error.errno != errno.EADDRNOTAVAIL:
                    host.faults.append(unreadable(f"the address {address}", error))
                else:
                    foreign.append(address)
    return foreign


def probe_tools(host: Host) -> dict[str, str]:
    """Return the paths of the tools that sudo rules name; add a fault for a missing one."""
    found = {}
    for tool in ("cat", "tee", "kill", "visudo"):
        places = host.facts[tool]
        path = next((place for place in places if os.access(place, os.X_OK)), None)
        if path:
            found[tool] = path
        else:
            host.add_fault(
                tool,
                f"no {tool} in {' or '.join(places)}",
                f"an executable {tool}",
                "install sudo and coreutils on the host",
            )
    return found


def probe_programs(host: Host) -> dict[str, str | None]:
    """Return the path of each program asked for, None where there is none."""
    places = [
        place.format(service_home=host.service_home) for place in host.facts.get("search_path", [])
    ]
    places += ["/usr/sbin", "/sbin"]
    return {
        name: next(
            (path for place in places if os.access(path := f"{place}/{name}", os.X_OK)), None
        )
        for name in host.parameters["programs"]
    }
