# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which copy of an agent's binary is used.

In order: what host_vars say, what is deployed and still works, what the people who run it have in
their PATH, the platform's usual places. The last is a guess and only serves a first install.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .configuration import variable
from .paths import fault_of_path, fault_of_search_directory
from .people import names_of
from .problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .configuration import Configuration
    from .people import Person

SOURCES = ("host_vars", "deployed", "path", "usual")


@dataclass(frozen=True)
class Binary:
    """The chosen binary of a backend.

    source: one of SOURCES.
    """

    backend: str
    path: str
    source: str


def backends_in_use(configuration: Configuration) -> list[str]:
    """Return each backend that somebody uses, in order of people."""
    return list(dict.fromkeys(person.backend for person in configuration.people))


def agent_account(contract: Mapping[str, Any], configuration: Configuration, person: Person) -> str:
    """Return the account that a person's agents really run as.

    The service user's own for people without one, and for every backend that the bot does not wrap
    in sudo (Kai runtime contract, section 4.1).
    """
    wrapped = contract["backends"][person.backend]["spawn"]["chat"]["as_os_user"]
    service_user: str = configuration.host["service_user"]
    return person.os_user if person.os_user and wrapped else service_user


def runners(contract: Mapping[str, Any], configuration: Configuration, backend: str) -> list[str]:
    """Return each account that starts a backend's binary, in order of people."""
    accounts = [
        agent_account(contract, configuration, person)
        for person in configuration.people
        if person.backend == backend
    ]
    return list(dict.fromkeys(accounts))


def choose_binary(
    contract: Mapping[str, Any],
    configuration: Configuration,
    backend: str,
    candidates: Sequence[Mapping[str, Any]],
) -> tuple[Binary | None, list[Problem]]:
    """Return the binary to use for a backend in use, or the problem that leaves none.

    candidates: what the probe saw, best first: path, source (one of SOURCES), fault (None when
    every account that runs it can execute it, else the reason in words).
    """
    binary = contract["backends"][backend]["binary"]
    setting = binary["setting"]
    where = variable(setting)
    people = names_of(configuration.people, backend)
    tried = []
    for candidate in candidates:
        fault = candidate["fault"] or _fault_of_place(binary, candidate["path"])
        if fault is None:
            return Binary(backend, candidate["path"], candidate["source"]), []
        tried.append(f"{candidate['path']} {fault}")
        if candidate["source"] == "host_vars":
            return None, [
                Problem(
                    where,
                    f"{candidate['path']!r}, which {fault}",
                    f"a path that every account of {backend} can execute (used by {people})",
                    f"mend the path or its modes on the host, or run "
                    f"make install {setting}=/absolute/path",
                )
            ]
    return None, [
        Problem(
            where,
            f"no {backend} on the host" + (f" ({'; '.join(tried)})" if tried else ""),
            f"{backend} installed for {people}",
            f"install {backend} where all of them can execute it, or run "
            f"make install {setting}=/absolute/path",
        )
    ]


def _fault_of_place(binary: Mapping[str, Any], path: str) -> str | None:
    # a bot that starts a backend by its bare name finds it only through its directory
    by_name = binary["started_by"] == "name"
    if by_name and posixpath.basename(path) != binary["name"]:
        return f"is not named {binary['name']}, and the bot starts it by that name"
    return fault_of_path(path) or (
        fault_of_search_directory(posixpath.dirname(path)) if by_name else None
    )
