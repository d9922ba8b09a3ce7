# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs of the agents: where they are, their versions, and their logins."""

from __future__ import annotations

import concurrent.futures
import os
from functools import partial
from typing import TYPE_CHECKING

from ...rules.sudoers import commands_by_account
from ..run_as import UNANSWERED, NoAnswer, ask_as, ask_each
from ..subprocesses import run_bounded
from ..system import account_of
from .host import fault_of_file

if TYPE_CHECKING:
    import pwd
    from collections.abc import Mapping, Sequence

    from ...rules.module_arguments import BinaryRequest, LoginRequest
    from ...rules.probe import Candidate, LoginSeen
    from .host import Host

    Candidates = dict[str, list[Candidate]]

# a busy host takes many times as long as an idle one, and no answer in time decides nothing
SHELL_SECONDS = 30
PATIENCE_SECONDS = 5
LOGIN_CHECK_SECONDS = 60


def candidates(
    host: Host,
    request: BinaryRequest,
    env: Mapping[str, str],
    rules: str,
    search_path: Sequence[str],
) -> list[Candidate]:
    """Return where a program may be, best first: path, source and fault, and who can change it.

    env: the deployed environment. rules: the deployed drop-in. search_path: the PATH of the
    deployed unit.
    """
    paths: list[tuple[str, str]] = []
    silent: list[str] = []
    executing = [*request["accounts"], *request["resolvers"]]
    if request["wanted"]:
        paths.append((request["wanted"], "host_vars"))
    else:
        known = env.get(request["env_key"]) if request["env_key"] else None
        if known and known.startswith("/"):
            paths.append((known, "deployed"))
        paths += [
            (command, "deployed")
            for runas, command in commands_by_account(rules)
            if os.path.basename(command) == request["name"]
        ]
        # a program that the bot starts by name is found in the PATH of its unit
        places = () if request["env_key"] else filter(None, search_path)
        named = (os.path.join(place, request["name"]) for place in places)
        paths += [(path, "deployed") for path in named if os.access(path, os.X_OK)][:1]
        # the PATH of each account costs a login shell, so it is asked only when needed
        if all(host.fault_of(entry[0], executing) for entry in paths):
            named_by_shells, silent = in_path_of(host, request)
            paths += [(path, "path") for path in named_by_shells]
            paths += [
                (place.format(service_home=host.service_home), "usual")
                for place in request["usual_places"].get(host.system, [])
            ]
    unique = dict(reversed(paths))
    found: list[Candidate] = [
        {"path": path, "source": source, "fault": host.fault_of(path, executing)}
        for path, source in sorted(unique.items(), key=paths.index)
    ]
    for entry in found:
        if not entry["fault"]:
            entry["changers"] = host.changers(entry["path"])
    fault = f"is unknown: its login shell gave no answer within {SHELL_SECONDS} s"
    return found + [
        {"path": f"the PATH of {name}", "source": "path", "fault": fault} for name in silent
    ]


def in_path_of(host: Host, request: BinaryRequest) -> tuple[list[str], list[str]]:
    """Return the paths that login shells find for a program, and the accounts without an answer."""
    found, silent = [], []
    for name in request["accounts"]:
        account = account_of(name)
        if account is None or not (host.privileged and host.may_ask(account)):
            continue

        def question(account: pwd.struct_passwd = account) -> str | None:
            shell = ["/bin/sh", "-lc", 'command -v -- "$1"', "sh", request["name"]]
            code, said = run_bounded(shell, identity_of(account), SHELL_SECONDS)
            # a shell that has started something which goes on has answered all the same
            return None if code is None and not said else said.strip().rpartition("\n")[2]

        [path] = ask_as(account, [question], SHELL_SECONDS + PATIENCE_SECONDS)
        if isinstance(path, str):
            found += [path] if path.startswith("/") else []
        elif path is None or path is UNANSWERED:
            silent.append(name)
    return found, silent


def environment_of(
    host: Host, request: BinaryRequest, path: str, account: pwd.struct_passwd
) -> dict[str, str]:
    """Return the environment in which an account runs an agent: of the unit, or from sudo.

    sudo gives a PATH without the service user's own directories; both begin with the place of a
    program that is started by name.
    """
    places = [] if request["env_key"] else [os.path.dirname(path)]
    if account.pw_name == host.parameters["service_user"]:
        usual = host.facts.get("search_path", [])
        places += [place.format(service_home=host.service_home) for place in usual]
    else:
        places += host.search_path
    return {**identity_of(account), "PATH": ":".join(dict.fromkeys(places))}


def identity_of(account: pwd.struct_passwd) -> dict[str, str]:
    """Return the variables that name an account and its home."""
    return {"HOME": account.pw_dir, "USER": account.pw_name, "LOGNAME": account.pw_name}


def to_start(host: Host, request: BinaryRequest, binaries: Candidates) -> Candidate | None:
    """Return the best candidate that may be started as its accounts, None without one."""
    for entry in binaries[request["backend"]]:
        if not entry["fault"] and host.may_start(entry["changers"], request["accounts"]):
            return entry
    return None


def probe_logins(host: Host, binaries: Candidates, rules: str) -> list[LoginSeen]:
    """Return per account and backend whether it is logged in, None where that cannot be seen.

    rules: the deployed drop-in, which may name others than host_vars.
    """
    wanted = [
        (account, request)
        for request in host.parameters["binaries"]
        for account in request["accounts"]
        if request["login_files"]
    ]
    if host.parameters["ask_logins"]:
        with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
            found = list(pool.map(partial(reports_login, host, binaries), wanted))
    else:
        found = keep_logins(host, wanted)
    asked = {(account, request["backend"]) for account, request in wanted}
    others = [
        (account, login)
        for login in host.parameters["deployed_logins"]
        for account in deployed_accounts(host, login, rules)
        if (account, login["backend"]) not in asked
    ]
    found += keep_logins(host, others)
    return [
        {"account": account, "backend": request["backend"], "logged_in": logged_in}
        for (account, request), logged_in in zip([*wanted, *others], found)
    ]


def deployed_accounts(host: Host, login: LoginRequest, rules: str) -> list[str]:
    """Return the accounts that may run an agent on the host: the bot's, and those of its rules."""
    named = [
        account
        for account, command in commands_by_account(rules)
        if os.path.basename(command) == login["name"]
    ]
    return list(dict.fromkeys([host.parameters["service_user"], *named]))


def keep_logins(
    host: Host, wanted: Sequence[tuple[str, BinaryRequest | LoginRequest]]
) -> list[bool | None]:
    """Return whether each account has a file of a login, None where that cannot be seen."""
    asked = [(account_of(name), request["login_files"]) for name, request in wanted]
    answers = iter(
        ask_each(
            [
                (account, partial(any_file, account.pw_dir, files))
                for account, files in asked
                if account and host.may_ask(account)
            ]
        )
    )
    found = [next(answers) if host.may_ask(account) else None for account, _files in asked]
    return [None if isinstance(answer, NoAnswer) else answer for answer in found]


def reports_login(
    host: Host, binaries: Candidates, wanted: tuple[str, BinaryRequest]
) -> bool | None:
    """Return whether a program reports that an account is logged in, None where it does not.

    wanted: the account, and the request of the program.
    """
    name, request = wanted
    account = account_of(name)
    best = to_start(host, request, binaries)
    if account is None or best is None or not host.may_ask(account):
        return None
    environment = environment_of(host, request, best["path"], account)
    command = [best["path"], *request["login_check"]]
    try:
        code = run_bounded(command, environment, LOGIN_CHECK_SECONDS, account=account)[0]
    except OSError:
        return None
    return {0: True, 1: False}.get(code) if code is not None else None


def any_file(home: str, names: Sequence[str]) -> bool:
    """Return whether one of some files below a directory exists. Raises OSError."""
    return any(fault_of_file(os.path.join(home, name), strict=True) is None for name in names)
