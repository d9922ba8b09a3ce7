"""The hosts of a run, and the engine by which every command runs the role on them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kai_ansible.ansible.batches import batches_of
from kai_ansible.ansible.collection import contract as contract_of
from kai_ansible.ansible.request import Run
from kai_ansible.ansible.runner import Outcome, run_playbook
from kai_ansible.errors import CommandError, ExitCode
from kai_ansible.inventory.answers import read_assignments
from kai_ansible.inventory.host_vars import (
    configuration_of,
    secret_texts,
    variable_is_secret,
)
from kai_ansible.inventory.inventory import (
    BECOME_PASSWORDS,
    Inventory,
    nothing_known,
)
from kai_ansible.inventory.ssh import Hop, hop_of, unknown_keys
from kai_ansible.operator import ask_sudo_password, at_terminal, may_become_root
from kai_ansible.rules.configuration import variable
from kai_ansible.rules.problems import Problem, listed
from kai_ansible.secrets.sudo_passwords import kept_sudo_passwords
from kai_ansible.secrets.vault_password import VaultPassword
from kai_ansible.terminal.progress import Progress

if TYPE_CHECKING:
    from kai_ansible.terminal.screen import Screen

PROOF = "kai.bot.kai_proof"


@dataclass(frozen=True)
class RunOptions:
    """What was asked of a command that runs the role."""

    inventory: Path
    host: str | None
    check: bool = False
    assignments: tuple[str, ...] = ()
    ask_become_pass: bool = False
    vault_password_file: Path | None = None
    vault_ids: tuple[str, ...] = ()
    forks: int | None = None


@dataclass(frozen=True)
class ChangeOptions(RunOptions):
    """What was asked of a command that changes hosts.

    yes: ask nothing. batches: how many hosts are switched at once, as ``read_sizes`` takes it.
    """

    yes: bool = False
    plain: bool = False
    batches: str | None = None


@dataclass(frozen=True)
class Target:
    """The hosts of a run, checked.

    overrides: variables that were given for this run and are kept when it succeeds.
    limits: how many seconds a module may take at the most, by its name.
    become_password: for sudo on the hosts, None when none is needed. become_passwords: those that
    the keyring has, by host.
    secrets: those of the hosts' variables, as far as these can be read.
    """

    inventory: Inventory
    hosts: Sequence[str]
    password: VaultPassword
    contract: Mapping[str, Any]
    overrides: Mapping[str, Any]
    limits: Mapping[str, int]
    become_password: str | None
    become_passwords: Mapping[str, str]
    secrets: Collection[str]


def end(options: RunOptions, outcome: Outcome, screen: Screen) -> None:
    """Print the JSON document of a run, and that it is done. Raises CommandError when it is not."""
    screen.document(
        {
            "succeeded": outcome.succeeded,
            "check": options.check,
            "hosts": {host: _told(host, outcome) for host in outcome.reports},
            "failures": [failure.as_dict() for failure in outcome.failures],
            "not_tried": list(outcome.not_tried),
            "log": str(outcome.log) if outcome.log else None,
        }
    )
    raise_unless_succeeded(outcome)
    if not options.check:
        screen.good("Done.")


def _told(host: str, outcome: Outcome) -> dict[str, Any]:
    report = {name: value for name, value in outcome.reports[host].items() if name != "plan"}
    return {**report, "changes": [change.as_dict() for change in outcome.changes.get(host, ())]}


def checked_target(options: RunOptions, *, valid: bool = True, as_root: bool = True) -> Target:
    """Return the hosts of a run, with ``valid`` only when the configuration of each is valid.

    as_root: ask for the password of sudo where a run as root needs one.
    Raises CommandError, naming everything that is not.
    """
    inventory = Inventory(options.inventory)
    hosts = inventory.hosts(options.host)
    password = inventory.vault_password(
        hosts, options.vault_password_file, options.vault_ids, may_ask=at_terminal()
    )
    contract = contract_of()
    overrides, problems = read_assignments(contract, options.assignments)
    places: dict[str, Path] = {}
    limits: dict[str, int] = {}
    secrets: set[str] = set()
    hops: dict[str, Hop | None] = {}
    told_sudo: list[str] = []
    for host in hosts:
        try:
            variables = {**inventory.variables(host, password), **overrides}
            connection = inventory.connection(host, password)
            hops[host] = hop_of(connection)
            if not connection.keys().isdisjoint(BECOME_PASSWORDS):
                told_sudo.append(host)
        except CommandError:
            if valid:
                raise
            continue
        secrets |= secret_texts(contract, variables)
        if not valid:
            continue
        files = inventory.host_vars(host)
        if not variables:
            raise nothing_known(host, files)
        found = inventory.places(host, password) | dict.fromkeys(overrides, Path("--set"))
        places.update(found)
        release = str(variables.get(variable("release"), "1"))
        configuration = configuration_of(contract_of(release), variables)
        faults = configuration.problems
        if len(hosts) > 1:
            faults = [
                replace(fault, where=f"{_place(fault, found)}{fault.where}") for fault in faults
            ]
        # what hosts have in common is told once
        problems += [fault for fault in faults if fault not in problems]
        limit = configuration.host.get("health_timeout", 0)
        limits[PROOF] = max(limit, limits.get(PROOF, 0))
    problems += unknown_keys(hops)
    if problems:
        raise CommandError("Nothing was changed.", problems=problems, places=places)
    kept = {}
    if not options.ask_become_pass:
        kept = kept_sudo_passwords({h: hop for h, hop in hops.items() if h not in told_sudo})
    others = [host for host in hosts if host not in kept]
    sudo = sudo_password(inventory, others, options) if as_root and others else None
    return Target(inventory, hosts, password, contract, overrides, limits, sudo, kept, secrets)


def run_role(
    target: Target,
    playbook: str,
    options: RunOptions,
    screen: Screen,
    variables: Mapping[str, Any] | None = None,
    *,
    sizes: Sequence[str] = ("100%",),
) -> Outcome:
    """Run a playbook of the collection on the hosts, and tell what happens meanwhile.

    variables: those of this run alone, which are not kept. sizes: those of the batches in which the
    hosts are changed, as ``batches_of`` takes them.
    """
    batches = [target.hosts] if options.check else batches_of(target.hosts, sizes)
    order = {"kai_hosts": list(target.hosts), "kai_batches": [len(batch) for batch in batches]}
    run = Run(
        playbook,
        target.inventory.path,
        target.hosts,
        check=options.check,
        variables={**target.overrides, **order, **(variables or {})},
        vault_password=None if target.password.made else target.password,
        become_password=target.become_password,
        become_passwords=target.become_passwords,
        known_secrets=target.secrets,
        forks=options.forks,
    )
    with Progress(screen, batches, target.limits) as progress:
        outcome = run_playbook(run, progress)
    failed = {failure.host for failure in outcome.failures}
    # without the name of a host, Ansible never came to any
    tried = {*outcome.reports, *(failed if failed != {""} else target.hosts)}
    left = [] if outcome.interrupted else [host for host in target.hosts if host not in tried]
    reports = {host: outcome.reports[host] for host in target.hosts if host in outcome.reports}
    return replace(outcome, reports=reports, not_tried=left)


def sudo_password(inventory: Inventory, hosts: Sequence[str], options: RunOptions) -> str | None:
    """Return the password for sudo on the hosts, asked for where it is needed; None without."""
    asked = options.ask_become_pass
    if not asked and all(inventory.is_local(host) for host in hosts):
        asked = not may_become_root()
    if not asked:
        return None
    return ask_sudo_password()


def _place(fault: Problem, places: Mapping[str, Path]) -> str:
    place = places.get(re.split(r"[\[.:]", fault.where)[0])
    return f"{place}: " if place else ""


def raise_for_obstacles(target: Target, outcome: Outcome) -> None:
    """Raise CommandError when something stood in the way of a run on every host."""
    if not set(target.hosts) <= set(outcome.obstacles):
        return
    if len(target.hosts) > 1:
        raise CommandError("Nothing was changed.", problems=faults_of(outcome))
    [host] = target.hosts
    problems = [Problem(**problem) for problem in outcome.obstacles[host]]
    files = target.inventory.host_vars(host)
    # where a variable belongs that nothing sets yet
    places = {
        name: files.vault if variable_is_secret(target.contract, name) else files.settings
        for name in (re.split(r"[\[.:]", problem.where)[0] for problem in problems)
        if name.startswith(variable(""))
    }
    places |= target.inventory.places(host, target.password)
    raise CommandError("Nothing was changed.", problems=problems, places=places)


def faults_of(outcome: Outcome) -> list[Problem]:
    """Return why a run did not succeed, with the name of the host in each place."""
    faults = [
        failure.problem for failure in outcome.failures if failure.host not in outcome.obstacles
    ]
    for host, problems in outcome.obstacles.items():
        found = [Problem(**problem) for problem in problems]
        faults += [replace(problem, where=f"{host}: {problem.where}") for problem in found]
    return faults


def raise_unless_succeeded(outcome: Outcome) -> None:
    """Raise CommandError for a run that was interrupted or failed."""
    log = f"\nThe log of this run: {outcome.log}" if outcome.log else ""
    if outcome.interrupted:
        raise CommandError(
            f"Interrupted. Run the same command again to finish or to mend what was begun.{log}",
            code=ExitCode.INTERRUPTED,
        )
    if not outcome.succeeded:
        told = _told_by_host(outcome) if len(outcome.reports) or outcome.not_tried else "Failed."
        raise CommandError(f"{told}{log}", problems=faults_of(outcome), code=ExitCode.FAILED)


def _told_by_host(outcome: Outcome) -> str:
    failed = dict.fromkeys(failure.host for failure in outcome.failures)
    return "\n".join(
        f"{what}: {listed(hosts)}"
        for what, hosts in (
            ("Done", [host for host in outcome.reports if host not in failed]),
            ("Failed", list(failed)),
            ("Not tried, because a batch before theirs was not well", outcome.not_tried),
        )
        if hosts
    )
