"""The hosts of a command, with their inventory, secrets and checked configuration."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kai_ansible.ansible.collection import checked_contract
from kai_ansible.ansible.collection import contract as contract_of_line
from kai_ansible.ansible.playbooks import Playbook, Report
from kai_ansible.ansible.request import Run
from kai_ansible.calling import given_at
from kai_ansible.commands.options import HostOptions
from kai_ansible.errors import CommandError, usage_error
from kai_ansible.inventory.answers import read_assignments
from kai_ansible.inventory.host_vars import configuration_of, secret_texts
from kai_ansible.inventory.inventory import Inventory, nothing_known
from kai_ansible.operator import ask_sudo_password, may_become_root
from kai_ansible.rules.contract import Contract
from kai_ansible.rules.problems import Problem
from kai_ansible.secrets.sudo_passwords import kept_sudo_passwords, login_in_words
from kai_ansible.secrets.vault_password import VaultPassword

PROOF = "kai.bot.kai_proof"


@dataclass(frozen=True)
class Target:
    """The checked hosts of a command.

    overrides: variables given for this run; install writes them to host_vars when it succeeds.
    limits: the time limit of a module in seconds, by the module's name.
    become_password: sudo password for the hosts, None when sudo needs none.
    become_passwords: sudo passwords from the keyring, by host.
    secrets: secret values of the hosts' variables, as far as they can be read.
    """

    inventory: Inventory
    hosts: Sequence[str]
    password: VaultPassword
    contract: Contract
    overrides: Mapping[str, Any]
    limits: Mapping[str, int]
    become_password: str | None
    become_passwords: Mapping[str, str]
    secrets: Collection[str]

    def run(self, playbook: Playbook[Report]) -> Run[Report]:
        """Return the request to run a playbook on the hosts."""
        return Run(
            playbook,
            self.inventory.path,
            self.hosts,
            vault_password=None if self.password.made else self.password,
            become_password=self.become_password,
            become_passwords=self.become_passwords,
            known_secrets=self.secrets,
            reading=self.inventory.reading,
        )


def opened(options: HostOptions, *, may_ask: bool = True) -> tuple[Inventory, VaultPassword]:
    """Let Ansible read the hosts that the options name; return the inventory and vault password.

    may_ask: whether to ask for passwords at a terminal. Raises CommandError.
    """
    inventory = Inventory(options.inventory)
    return inventory, read_hosts(options, inventory, may_ask=may_ask)


def read_hosts(options: HostOptions, inventory: Inventory, *, may_ask: bool) -> VaultPassword:
    """Let Ansible read the hosts that the options name; return the vault password.

    may_ask: whether to ask for passwords. Raises CommandError.
    """
    return inventory.read(
        options.host, options.vault_password_file, options.vault_ids, may_ask=may_ask
    )


def only_host(options: HostOptions, inventory: Inventory) -> str:
    """Return the only host that the options name. Raises CommandError for several."""
    if len(inventory.hosts) != 1:
        raise usage_error(
            "HOST", f"{options.host!r}, which names several hosts", "one host", "name one host"
        )
    return inventory.hosts[0]


def checked_target(
    options: HostOptions,
    assignments: Sequence[str] = (),
    *,
    valid: bool = True,
    as_root: bool = True,
) -> Target:
    """Return the hosts that the options name.

    assignments: KEY=VALUE words that override variables for this run.
    valid: require a valid configuration of each host.
    as_root: ask for the sudo password where a run as root needs one.
    Raises CommandError with every problem.
    """
    inventory, password = opened(options)
    hosts = inventory.hosts
    contract = contract_of_line()
    overrides, problems = read_assignments(contract, assignments)
    places: dict[str, Path] = {}
    limits: dict[str, int] = {}
    secrets: set[str] = set()
    for host in hosts:
        known = inventory.known(host)
        secrets |= {known.become_password or "", known.connection_password or ""} - {""}
        try:
            variables = {**inventory.variables(host), **overrides}
        except CommandError:
            if valid:
                raise
            continue
        secrets |= secret_texts(contract, variables)
        if not valid:
            continue
        files = inventory.host_vars(host, to_write=bool(overrides))
        if not variables:
            raise nothing_known(host, files)
        found = inventory.places(host) | {name: given_at(name) for name in overrides}
        places.update(found)
        own, faults = checked_contract(variables)
        if own:
            configuration = configuration_of(own, variables)
            unread = {fault.where for fault in faults}
            more = [fault for fault in configuration.problems if fault.where not in unread]
            faults = [*faults, *more]
            limit = configuration.host.get("health_timeout", 0)
            limits[PROOF] = max(limit, limits.get(PROOF, 0))
        # what install is given, it writes to host_vars when it succeeds
        faults = [*faults, *inventory.overridden(host, overrides, contract)]
        if len(hosts) > 1:
            faults = [
                replace(fault, where=f"{_place(fault, found)}{fault.where}") for fault in faults
            ]
        # report once what several hosts have in common
        problems += [fault for fault in faults if fault not in problems]
    if problems:
        raise CommandError("Nothing was changed.", problems=problems, places=places)
    kept = {}
    if not options.ask_become_pass:
        every = {host: inventory.known(host) for host in hosts}
        kept = kept_sudo_passwords(
            {host: one for host, one in every.items() if not one.has_become_password}
        )
    others = [host for host in hosts if host not in kept]
    sudo = _sudo_password(inventory, others, options) if as_root and others else None
    return Target(inventory, hosts, password, contract, overrides, limits, sudo, kept, secrets)


def _sudo_password(inventory: Inventory, hosts: Sequence[str], options: HostOptions) -> str | None:
    """Ask for the sudo password if the hosts need one; return None if they do not."""
    needed = options.ask_become_pass
    typed = inventory.reading.session.typed_become_password
    if not needed and typed:
        return typed
    # another password is not for the others, and that of the inventory comes first
    without = [host for host in hosts if not inventory.known(host).has_become_password]
    if not needed:
        is_here = bool(without) and all(inventory.known(host).local for host in without)
        needed = is_here and not may_become_root()
    if not needed:
        return None
    known = inventory.known((without or hosts)[0])
    return ask_sudo_password(login_in_words(known.ssh), known.ssh, known.become_method)


def _place(fault: Problem, places: Mapping[str, Path]) -> str:
    place = places.get(re.split(r"[\[.:]", fault.where)[0])
    return f"{place}: " if place else ""
