# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which copy of an agent's binary is used.

In order: what host_vars say, what is deployed and still works, what the OS users who run it have in
their PATH, the platform's usual places. The last is a guess and only serves a first install.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from .paths import fault_of_path, fault_of_search_directory
from .problems import Problem, listed
from .program_trust import harmful, in_words
from .users import names_of, os_users
from .variable_names import variable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .configuration import Configuration
    from .contract import Binary
    from .probe import Candidate
    from .users import User

EXTRACTION = "MEMORY_EXTRACTION_ENABLED"


def backends_in_use(configuration: Configuration) -> list[str]:
    """Return each backend in use, in the order of the users."""
    return list(dict.fromkeys(user.backend for user in configuration.users))


def agent_account(configuration: Configuration, user: User) -> str:
    """Return the account that really runs a user's agents.

    The service user for users without one, and for every backend that the bot does not wrap
    in sudo (Kai runtime contract, section 4.1).
    """
    wrapped = configuration.contract.backends[user.backend].spawn["chat"].as_os_user
    service_user: str = configuration.host["service_user"]
    return user.os_user if user.os_user and wrapped else service_user


def runners(configuration: Configuration, backend: str) -> list[str]:
    """Return each account that starts a backend's binary, in the order of the users."""
    accounts = [
        agent_account(configuration, user)
        for user in configuration.users
        if user.backend == backend
    ]
    return list(dict.fromkeys(accounts))


def resolvers(configuration: Configuration, backend: str) -> list[str]:
    """Return who has to be able to execute a backend's binary without running it.

    With memory extraction the bot itself looks up the binary, although an OS user runs it: before
    every extraction, and at every start, which fails when the bot cannot execute it.
    """
    extracts = (
        configuration.settings.get("MEMORY_ENABLED")
        and configuration.settings.get(EXTRACTION)
        and backend in configuration.contract.memory_extraction_backends
    )
    # one that was refused is not there
    service_user = configuration.host.get("service_user")
    if not (extracts and service_user):
        return []
    return [service_user] if service_user not in runners(configuration, backend) else []


def choose_binary(
    configuration: Configuration, backend: str, candidates: Sequence[Candidate]
) -> tuple[Candidate | None, list[Problem]]:
    """Return the binary to use for a backend in use, and the problem with it or with finding one.

    candidates: what the probe saw, best first: path, source (host_vars, deployed, path or usual),
    fault (None when every runner and resolver can execute it, else the reason in words) and,
    without a fault, changers. One through which an account gains power over another comes last.
    """
    binary = configuration.contract.backends[backend].binary
    setting = binary.setting
    where = variable(setting)
    users = names_of(configuration.users, backend)
    also = resolvers(configuration, backend)
    and_also, or_without = "", ""
    if also:
        and_also = (
            f", and that {listed(also)} can execute too, because Kai uses it for memory extraction"
        )
        or_without = f", or set {variable(EXTRACTION)} to false"
    by_command = f" ({binary.install_command})" if binary.install_command else ""
    tried = []
    risky: tuple[Candidate, list[Problem]] | None = None
    for candidate in candidates:
        fault = candidate["fault"] or _fault_of_place(binary, candidate["path"])
        if fault is None:
            danger = _danger(configuration, backend, candidate)
            if danger is None:
                return candidate, []
            risky = risky or (candidate, [danger])
            continue
        tried.append(f"{candidate['path']} {fault}")
        if candidate["source"] == "host_vars":
            return None, [
                Problem(
                    where,
                    f"{candidate['path']!r}, which {fault}",
                    f"a path that every account of {backend} can execute (used by {users})"
                    f"{and_also}",
                    f"fix the path or its modes on the host, or run "
                    f"make install {setting}=/absolute/path{or_without}",
                )
            ]
    return risky or (
        None,
        [
            Problem(
                where,
                f"no {backend} on the host" + (f" ({'; '.join(tried)})" if tried else ""),
                f"{backend} installed for {users}{and_also}",
                f"install {backend} where all of them can execute it{by_command}, or run "
                f"make install {setting}=/absolute/path{or_without}",
            )
        ],
    )


def notes_on_trust(configuration: Configuration, backend: str, chosen: Candidate) -> list[str]:
    """Return the notes about the accounts that can change the binary of a backend."""
    path, changers = chosen["path"], chosen["changers"]
    runs = listed(runners(configuration, backend))
    if changers is None:
        return [f"Which accounts can change {path}, which runs as {runs}, is unknown."]
    if not changers:
        return []
    return [f"{path} can be changed by {in_words(*changers)}; it runs as {runs}."]


def _danger(configuration: Configuration, backend: str, chosen: Candidate) -> Problem | None:
    """Return the problem that one account could act as another through a binary, if any."""
    if configuration.host["trust_user_binaries"]:
        return None
    binary = configuration.contract.backends[backend].binary
    untrusted = [configuration.host["service_user"], *os_users(configuration.users)]
    # a program that is found by name has its directory in the search path of each of them
    runs = untrusted if binary.started_by == "name" else runners(configuration, backend)
    found = harmful(chosen["changers"] or (), runs, untrusted)
    if not found:
        return None
    paths = " ".join(entry["path"] for entry in found if not entry.get("unseen"))
    cures = [f"take the right away (chown root: {paths}; chmod go-w {paths})"] if paths else []
    cures += [
        f"check why root cannot reach it (namei -l {entry['path']})"
        for entry in found
        if entry.get("unseen")
    ]
    return Problem(
        variable(binary.setting),
        f"{chosen['path']!r}, which can be changed by {in_words(*found)}",
        "a program that only root can change, because "
        + (
            f"its directory is in the search path of {listed(runs)}"
            if binary.started_by == "name"
            else f"it runs as {listed(runs)}"
        ),
        f"install {backend} where only root can write, or {', or '.join(cures)}, or accept "
        f"it with {variable('trust_user_binaries')}: true",
    )


def _fault_of_place(binary: Binary, path: str) -> str | None:
    # a bot that starts a backend by its bare name finds it only through its directory
    by_name = binary.started_by == "name"
    if by_name and posixpath.basename(path) != binary.name:
        return f"is not named {binary.name}, and the bot starts it by that name"
    return fault_of_path(path) or (
        fault_of_search_directory(posixpath.dirname(path)) if by_name else None
    )
