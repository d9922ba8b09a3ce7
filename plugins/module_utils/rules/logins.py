# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the missing agent logins, with their commands."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from .binaries import agent_account, backends_in_use, runners
from .contract import SUBSCRIPTION

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .configuration import Configuration
    from .contract import Contract, Login
    from .desired import KeyNeeded, LoginData
    from .module_arguments import LoginRequest
    from .probe import LoginSeen


def login_files(configuration: Configuration, backend: str) -> list[str]:
    """Return where a backend keeps its login under the account's home; nothing if it needs none.

    Kai runtime contract, section 1.5.
    """
    entry = login_of(configuration, backend)
    return list(entry.kept_in) if entry else []


def deployed_logins(contract: Contract) -> list[LoginRequest]:
    """Return the option ``deployed_logins`` of kai_probe: every agent that keeps a login."""
    found: list[LoginRequest] = []
    for name, backend in contract.backends.items():
        files = [file for login in backend.login.values() for file in login.kept_in]
        if files:
            found.append({"backend": name, "name": backend.binary.name, "login_files": files})
    return found


def login_check(configuration: Configuration, backend: str) -> list[str]:
    """Return the arguments with which a backend's program reports whether it is logged in.

    Exit code 0 means yes and 1 no. Empty when there is no such question.
    """
    entry = login_of(configuration, backend)
    return list(entry.check[1:]) if entry else []


def logins_by_key(configuration: Configuration, env_keys: Iterable[str] | None) -> list[KeyNeeded]:
    """Return the accounts that need a key instead of a login: account, backend, key, presence.

    env_keys: those of the deployed environment file, None when it could not be read.
    """
    found: dict[tuple[str, str, str], bool | None] = {}
    for user in configuration.users:
        entry = login_of(configuration, user.backend)
        if entry and entry.command:
            continue
        key_of_provider = configuration.contract.providers[user.provider or ""].key
        keys = (entry and entry.env_keep) or (key_of_provider,)
        account = agent_account(configuration, user)
        for key in filter(None, keys):
            is_there = None if env_keys is None else key in env_keys
            found[account, user.backend, key] = is_there
    return [
        {"account": account, "backend": backend, "key": key, "is_there": is_there}
        for (account, backend, key), is_there in found.items()
    ]


def logins(
    configuration: Configuration, binaries: Mapping[str, str], seen: Iterable[LoginSeen]
) -> list[LoginData]:
    """Return one login per (account, backend) in use that logs in at all.

    binaries: path of each backend's binary. seen: the probe's account, backend and logged_in.
    """
    known = {(entry["account"], entry["backend"]): entry["logged_in"] for entry in seen}
    found: list[LoginData] = []
    for backend in backends_in_use(configuration):
        entry = login_of(configuration, backend)
        if not entry or not entry.command:
            continue
        name, *rest = entry.command
        command = [binaries.get(backend, name), *rest]
        for account in runners(configuration, backend):
            shared = account == configuration.host["service_user"]
            # an account that an install made has no password, so sudo starts its login shell; the
            # service user has none
            option = "-H -u" if shared else "-iu"
            found.append(
                {
                    "account": account,
                    "backend": backend,
                    "command": command,
                    "shared": shared,
                    "logged_in": known.get((account, backend)),
                    "line": f"sudo {option} {account} {shlex.join(command)}",
                }
            )
    return found


def login_notice(needed: Iterable[LoginData]) -> list[str]:
    """Return the text that lists the missing logins, nothing without any.

    The same lines end the wizard, an install and ``kai-ansible logins``.
    """
    missing = [login for login in needed if not login["logged_in"]]
    if not missing:
        return []
    lines = ["Log in once as each OS user, with these commands:"]
    lines += [f"  {login['line']}" for login in missing]
    lines += [
        f"  {login['account']} is the service user: users without an os_user share its login."
        for login in missing
        if login["shared"]
    ]
    return lines


def login_of(configuration: Configuration, backend: str) -> Login | None:
    """Return how users authenticate to a backend, None if the provider's key does it."""
    entry = configuration.contract.backends[backend]
    return entry.login.get(configuration.settings.get(entry.auth_setting or "", SUBSCRIPTION))
