# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The choices of a host beside the bot's own files, so that an import can restore everything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .configuration import applies, is_secret
from .contract_changes import CONTRACT_VERSION
from .variable_names import variable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .configuration import Configuration
    from .contract import Contract

SERVICE_USER = "service_user"


def recorded(configuration: Configuration, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the variables that no file of the bot carries, by name, as they were given.

    given: every variable whose name begins with ``kai_install_``. Secrets are never among them: one
    that does not reach the bot has no business on the host.
    """
    contract = configuration.contract
    names = [variable("release"), CONTRACT_VERSION]
    names += [
        variable(name) for name in contract.host if not _is_told_by_the_service(contract, name)
    ]
    names += [
        variable(key)
        for key, spec in contract.settings.items()
        if spec.written == "never" or not applies(spec, configuration)
    ]
    return {
        name: given[name]
        for name in sorted(names)
        if may_be_recorded(contract, name) and given.get(name) not in (None, "")
    }


def may_be_recorded(contract: Contract, name: str) -> bool:
    """Return whether a record may have a variable; root on the host can write any other too."""
    keys = [key for key in (*contract.host, *contract.settings) if not is_secret(contract, key)]
    return name in (variable("release"), CONTRACT_VERSION, *map(variable, keys))


def _is_told_by_the_service(contract: Contract, name: str) -> bool:
    # the definition of the service names its account and the directories of the process
    templates = contract.process_environment.values()
    return name == SERVICE_USER or any(f"{{{name}}}" in template for template in templates)
