# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The arguments of kai_probe: what has to be known of a host before anything is decided."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .binaries import backends_in_use, resolvers, runners
from .enrolment import lan_addresses, workshop_request
from .logins import login_check, login_files
from .preflight import models_in_use, programs_in_use, wanted_access, written_places
from .sources import path_of_index
from .typed_data import as_data
from .user_directories import directories_of, seeds_of, tenants_of_users
from .users import os_users

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .configuration import Configuration
    from .module_arguments import BinaryRequest, FileRequest, InstalledRequest, ProbeRequest
    from .user_directories import Other


def least_request(configuration: Configuration, _others: Sequence[Other] = ()) -> ProbeRequest:
    """Return the arguments of kai_probe for a run that only checks for other runs."""
    contract, host = configuration.contract, configuration.host
    return {
        "service_user": host["service_user"],
        "install_dir": host["install_dir"],
        # the wizard probes before every answer is valid
        "data_dir": host.get("data_dir"),
        "env_file": contract.protected_files["env"].path,
        "sudoers_file": contract.sudoers.path,
        "platforms": as_data(contract.platforms),
    }


def probe_request(configuration: Configuration, others: Sequence[Other] = ()) -> ProbeRequest:
    """Return the arguments with which kai_probe collects every fact for a decision.

    others: users whom only the host knows, as a former probe found them.
    """
    contract = configuration.contract
    host = configuration.host
    accounts = [*os_users(configuration.users), *(one.tenant.account for one in others)]
    data_dir = host.get("data_dir")
    directories = [
        user[name]
        for user in configuration.entries
        for name in ("home_workspace", "workspace_base")
        if name in user
    ]
    directories += configuration.settings.get("ALLOWED_WORKSPACES", [])
    for user in configuration.entries:
        directories += user.get("allowed_workspaces", [])
    directories += configuration.named_paths
    if "wheelhouse" in host:
        directories.append(host["wheelhouse"])
    return {
        **least_request(configuration),
        "os_users": list(dict.fromkeys(accounts)),
        "wheelhouse": host.get("wheelhouse"),
        "index": path_of_index(host.get("index_url") or "") or None,
        "python": host.get("python", ""),
        "trust_user_binaries": host.get("trust_user_binaries", False),
        "directories": list(dict.fromkeys(directories)),
        "access": wanted_access(configuration),
        "targets": written_places(configuration),
        "files": [
            *(entry.path for entry in contract.protected_files.values()),
            *(helper.path for helper in contract.helpers),
            contract.sudoers.path,
            contract.record.path,
        ],
        "texts": [
            contract.protected_files[name].path
            for name in ([contract.profiles, "users"] if contract.profiles else [])
        ],
        "workshop": workshop_request(configuration),
        "turns": contract.service.turns.format(data_dir=data_dir) if data_dir else None,
        "port": configuration.settings.get(contract.service.port_setting),
        "addresses": lan_addresses(configuration),
        "programs": list(programs_in_use(configuration)),
        "models": list(models_in_use(configuration)),
        "binaries": [
            _binary_request(configuration, backend) for backend in backends_in_use(configuration)
        ],
    }


def installed_request(
    configuration: Configuration, others: Sequence[Other] = (), *, detailed: bool = True
) -> InstalledRequest:
    """Return the option ``installed`` of kai_probe: what is compared with what should be.

    configuration: one with problems is compared with nothing, so only the service is asked for.
    others: users whom only the host knows. detailed: whether the differences are reported, and not
    only whether there are any.
    """
    contract = configuration.contract
    service, platform = contract.service, contract.platforms["linux"]
    port_key = service.port_setting
    host = configuration.host
    valid = not configuration.problems
    # only the host knows that home
    places = {**host, "service_home": "{service_home}"}
    apart = [one.tenant for one in others if one.is_apart]
    tenants = [*tenants_of_users(configuration, places), *apart] if valid else []
    protected = contract.protected_files
    env, shown = ("env", "shown") if detailed else ("sealed", "sealed")
    names = ["users", *filter(None, (contract.registry, contract.profiles))]
    own = [protected[name].path for name in names]
    own += [helper.path for helper in contract.helpers]
    own += [contract.sudoers.path, platform.unit.path, contract.record.path]
    # named by a setting of the installation, deployed as they are
    given = [entry for entry in protected.values() if entry.from_ in contract.host]
    files: list[FileRequest] = [{"path": protected["env"].path, "content": env}]
    files += [{"path": path, "content": shown} for path in own]
    files += [{"path": entry.path, "content": "sealed"} for entry in given]
    return {
        "unit": platform.unit.name,
        "host": service.health_host,
        "health_path": service.health_path,
        "port_key": port_key,
        "default_port": contract.settings[port_key].default,
        "data_dir": host.get("data_dir"),
        "patience": host.get("health_timeout", contract.host["health_timeout"].default),
        "settings": {
            **dict.fromkeys(contract.settings, False),
            **dict.fromkeys(contract.open_variables, True),
        },
        "files": files,
        "directories": directories_of(configuration, places, tenants) if valid else [],
        "seeds": seeds_of(configuration, places, tenants) if valid else [],
        "free_space": [host[name] for name in ("install_dir", "data_dir") if name in host],
    }


def _binary_request(configuration: Configuration, backend: str) -> BinaryRequest:
    binary = configuration.contract.backends[backend].binary
    return {
        "backend": backend,
        "name": binary.name,
        "env_key": binary.setting if binary.started_by == "setting" else "",
        "wanted": configuration.chosen.get(binary.setting, ""),
        "usual_places": as_data(binary.usual_places),
        "accounts": runners(configuration, backend),
        "resolvers": resolvers(configuration, backend),
        "login_files": login_files(configuration, backend),
        "login_check": login_check(configuration, backend),
    }
