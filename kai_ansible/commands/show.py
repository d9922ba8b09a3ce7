"""The command ``show``: versions and configuration for a bug report, without secrets and users."""

from __future__ import annotations

import platform
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from kai_ansible import own_version
from kai_ansible.ansible.collection import contract as contract_of_line
from kai_ansible.ansible.collection import contract_of, unread_source
from kai_ansible.ansible.run_logs import latest
from kai_ansible.commands.options import HostOptions
from kai_ansible.commands.status_probe import probe_status
from kai_ansible.commands.target import Target, checked_target
from kai_ansible.errors import CommandError
from kai_ansible.inventory.host_vars import configuration_of
from kai_ansible.inventory.inventory import UnreadableInventory
from kai_ansible.rules.configuration import Configuration, is_secret
from kai_ansible.rules.contract import Contract
from kai_ansible.rules.contract_changes import CONTRACT_VERSION
from kai_ansible.rules.problems import listed
from kai_ansible.rules.redact import masked
from kai_ansible.rules.users import os_users
from kai_ansible.rules.variable_names import variable
from kai_ansible.terminal.screen import Screen
from kai_ansible.terminal.status_view import StatusProbe, free_space_in_words

SET, UNSET = "is set", "is not set"


def show_report(options: HostOptions, screen: Screen) -> None:
    """Print one block for a bug report: this computer, and each host.

    Of a host that cannot be probed, print what its host_vars say; of an inventory that cannot be
    read, why. Raises CommandError if the inventory has no such host.
    """
    # read before the probe writes a log of its own
    log = latest()
    unreadable, hosts = None, {}
    try:
        target = checked_target(options, valid=False, as_root=options.ask_become_pass)
    except UnreadableInventory as error:
        unreadable = "; ".join(f"{one.where}: {one.found}" for one in error.problems)
    else:
        with screen.waiting(f"Probing {listed(target.hosts)}"):
            probe = probe_status(target)
        hosts = {host: _described(host, target, probe) for host in target.hosts}
    document = {
        "controller": {
            "kai_ansible": own_version(),
            "ansible_core": version("ansible-core"),
            "python": platform.python_version(),
            "platform": platform.platform(),
        },
        "log": _below_home(log) if log else None,
        "unreadable": unreadable,
        "hosts": hosts,
    }
    for line in lines_of(document):
        screen.literal(line)
    screen.document(document)


def lines_of(document: Mapping[str, Any]) -> list[str]:
    """Return the block to paste. document: as docs/show.schema.json describes it."""
    own = document["controller"]
    lines = [
        f"kai-ansible {own['kai_ansible']}, ansible-core {own['ansible_core']}, "
        f"Python {own['python']}, {own['platform']}",
        f"log of the last run: {document['log'] or 'none'}",
    ]
    if document["unreadable"]:
        lines.append(f"the inventory cannot be read: {document['unreadable']}")
    for host, described in document["hosts"].items():
        lines += [f"{host}:", *(f"  {line}" for line in _lines_of_host(described))]
    return lines


def _lines_of_host(described: Mapping[str, Any]) -> list[str]:
    users = described["users"]
    kinds = listed(f"{one['number']} {one['role']} on {one['backend']}" for one in users or ())
    lines = [
        *_lines_of_probe(described),
        f"contract: {contract_of_line(described['contract']).title}"
        f"{', a guess: the source cannot be read here' if described['is_guess'] else ''}",
        f"users: {'unknown' if users is None else kinds}",
    ]
    if described["unreadable"]:
        lines.append(f"host_vars cannot be read: {described['unreadable']}")
    lines += [f"{name}: {value}" for name, value in described["variables"].items()]
    return lines + [
        f"{name} {SET if is_set else UNSET}" for name, is_set in described["hidden"].items()
    ]


def _lines_of_probe(described: Mapping[str, Any]) -> list[str]:
    seen = described["seen"]
    if seen is None:
        return [f"could not be probed: {described['failure']}"]
    system, service, last = seen["system"], seen["service"], seen["last_install"]
    answer = "no answer" if service["health"] is None else f"answers {service['health']}"
    return [
        f"system: {system['name']}, {system['kernel']}, Python {system['python']}, "
        f"{system['sudo'] or 'no sudo'}, service manager {system['manager_version'] or 'unknown'}",
        f"release: {seen['live'] or 'none'}"
        + (f", {last['outcome']} {last['time']}" if last else ""),
        f"service: {service['state']}, {answer}, restarted {service['restarts']} times",
        *(
            f"agent: {one['backend']} {one['version'] or 'of unknown version'}, "
            f"{one['path'] or 'no binary'}"
            for one in seen["backends"]
        ),
        *(f"free space: {text}" for text in free_space_in_words(seen["free_space"])),
        f"status: {seen['drift']} drifted, {seen['problems']} problems, {seen['unknown']} unknown",
    ]


def _described(host: str, target: Target, probe: StatusProbe) -> dict[str, Any]:
    contract = contract_of_line()
    variables: Mapping[str, Any] = {}
    unreadable, users, is_guess = None, None, False
    accounts: list[str] = []
    try:
        variables = target.inventory.variables(host)
        contract = contract_of(variables)
        is_guess = unread_source(variables) is not None
        configuration = configuration_of(contract, variables)
        users = _kinds_of_users(configuration)
        accounts = os_users(configuration.users)
    except CommandError as error:
        # a locked vault, an unknown release line of Kai, an invalid users.yaml
        unreadable = str(error).replace("\n", " ")
    shown, hidden = split_variables(contract, variables)
    described = {
        "contract": contract.release,
        "is_guess": is_guess,
        "users": users,
        "unreadable": unreadable,
        "variables": shown,
        "hidden": hidden,
        "seen": _seen(probe.reports[host]) if host in probe.reports else None,
        "failure": next((one.message for one in probe.failures if one.host in ("", host)), None),
    }
    redacted: dict[str, Any] = _redacted(described, target.secrets, accounts)
    return redacted


def _kinds_of_users(configuration: Configuration) -> list[dict[str, Any]]:
    kinds = Counter(
        (str(entry.get("role", "user")), user.backend)
        for entry, user in zip(configuration.entries, configuration.users, strict=True)
    )
    return [
        {"role": role, "backend": backend, "number": number}
        for (role, backend), number in sorted(kinds.items())
    ]


def split_variables(
    contract: Contract, variables: Mapping[str, Any]
) -> tuple[dict[str, str], dict[str, bool]]:
    """Return the public variables with their values, and whether each other one has a value.

    Secrets of the contract are listed even without a value. A variable that the contract does not
    know may be a secret, so its value is hidden.
    """
    settings = {**contract.host, **contract.settings}
    personal = {key for key, spec in contract.settings.items() if spec.personal}
    public = {
        variable(key) for key, spec in settings.items() if not spec.secret and key not in personal
    } | {variable("release"), CONTRACT_VERSION, variable("users_file")}
    shown = {name: str(value) for name, value in variables.items() if name in public}
    hidden = {variable(key): False for key in settings if is_secret(contract, key)}
    for name, value in variables.items():
        if isinstance(value, Mapping):
            # extra_env: settings that the contract does not know
            hidden.update({f"{name}.{key}": one is not None for key, one in value.items()})
        elif name not in shown and name != variable("users"):
            hidden[name] = value is not None
    return dict(sorted(shown.items())), dict(sorted(hidden.items()))


def _seen(report: Mapping[str, Any]) -> dict[str, Any]:
    last = report["last_install"]
    return {
        **{name: report[name] for name in ("system", "live", "free_space")},
        "service": {
            name: report["service"][name] for name in ("state", "enabled", "restarts", "health")
        },
        "last_install": last and {name: last[name] for name in ("outcome", "time")},
        "backends": [
            {name: backend[name] for name in ("backend", "version", "path", "source")}
            for backend in report["backends"]
        ],
        **{name: len(report[name]) for name in ("drift", "problems", "unknown")},
    }


def _redacted(value: Any, secrets: Any, accounts: Sequence[str]) -> Any:
    """Return plain data without secrets, with numbers in place of the users' accounts."""
    if isinstance(value, Mapping):
        return {name: _redacted(one, secrets, accounts) for name, one in value.items()}
    if isinstance(value, list):
        return [_redacted(one, secrets, accounts) for one in value]
    if not isinstance(value, str):
        return value
    text = masked(value, secrets)
    for number, account in enumerate(accounts, start=1):
        text = re.sub(rf"(?<![\w.-]){re.escape(account)}(?![\w.-])", f"account-{number}", text)
    return text


def _below_home(path: Path) -> str:
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)
