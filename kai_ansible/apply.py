"""The commands that change a host: ``install`` and ``rollback``."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kai_ansible.answers import read_assignments
from kai_ansible.collection import contract as contract_of
from kai_ansible.errors import CommandError, ExitCode, refusal
from kai_ansible.inventory import (
    HostVars,
    Inventory,
    edited_texts,
    nothing_known,
    write_host_vars,
)
from kai_ansible.invoker import ask_sudo_password, at_terminal, may_become_root
from kai_ansible.options import DEFAULT_INVENTORY
from kai_ansible.progress import Progress
from kai_ansible.report import tell_outcome, tell_plan
from kai_ansible.rules.configuration import variable
from kai_ansible.rules.problems import Problem
from kai_ansible.run import Run
from kai_ansible.runner import Outcome, run_playbook
from kai_ansible.secrets import VaultPassword, find_vault_password
from kai_ansible.variables import configuration_of, secret_texts, variable_is_secret
from kai_ansible.wizard.prompts import prompter

if TYPE_CHECKING:
    from kai_ansible.report import Screen

PROOF = "kai.bot.kai_proof"


@dataclass(frozen=True)
class ApplyOptions:
    """What was asked of a command that runs the role."""

    inventory: Path
    host: str | None
    check: bool = False
    assignments: tuple[str, ...] = ()
    ask_become_pass: bool = False
    vault_password_file: Path | None = None


@dataclass(frozen=True)
class InstallOptions(ApplyOptions):
    """What was asked of ``install``; yes: ask nothing."""

    yes: bool = False
    plain: bool = False


@dataclass(frozen=True)
class RollbackOptions(InstallOptions):
    """What was asked of ``rollback``.

    to: the number of an install or a release, None for the one before.
    """

    to: str | None = None
    with_database: bool = False


@dataclass(frozen=True)
class Target:
    """The hosts of a run, checked.

    overrides: variables that were given for this run and are kept when it succeeds.
    limits: how many seconds a module may take at the most, by its name.
    become_password: for sudo on the hosts, None when none is needed.
    secrets: those of the hosts' variables, as far as these can be read.
    """

    inventory: Inventory
    hosts: Sequence[str]
    password: VaultPassword
    contract: Mapping[str, Any]
    overrides: Mapping[str, Any]
    limits: Mapping[str, int]
    become_password: str | None
    secrets: Collection[str]


def install_kai(options: InstallOptions, screen: Screen) -> None:
    """Apply the role and tell how it ended; keep what was given with --set once it works.

    Before a person at a terminal, what would change is shown first, and asked for.
    Raises CommandError for an invalid configuration and for a run that failed.
    """
    target = checked_target(options)
    plans: dict[str, Any] = {}
    if at_terminal() and not (options.check or options.yes or screen.as_json):
        plans = {"kai_agreed_plans": _agreed_plans(target, options, screen)}
    outcome = run_role(target, "install", options, screen, plans)
    raise_for_obstacles(target, outcome)
    place = "" if options.inventory == DEFAULT_INVENTORY else f" --inventory {options.inventory}"
    tell_outcome(screen, outcome, check=options.check, options=place)
    if outcome.succeeded and not options.check:
        for path in _keep_overrides(target):
            screen.good(f"Kept in: {path}")
    _end(options, outcome, screen)


def _agreed_plans(target: Target, options: InstallOptions, screen: Screen) -> dict[str, Any]:
    """Show what an install would change, and return by host the plan that was agreed to.

    Where nothing would change there is nothing to ask. Raises CommandError when it may not be
    applied, or cannot.
    """
    outcome = run_role(target, "install", replace(options, check=True), screen)
    raise_for_obstacles(target, outcome)
    tell_plan(screen, outcome)
    raise_unless_succeeded(outcome)
    if not any(outcome.changes.values()):
        screen.good("Nothing is to be changed. What is there is proven now.")
    elif not prompter(plain=options.plain).confirm("Apply?", default=False):
        raise CommandError("Nothing was changed.", code=ExitCode.DONE)
    return {host: report["plan"] for host, report in outcome.reports.items()}


def roll_back(options: RollbackOptions, screen: Screen) -> None:
    """Bring back an earlier install and tell how that ended.

    What host_vars say does not matter, nor whether it is valid.
    Raises CommandError when there is nothing to go back to, and for a run that failed.
    """
    target = checked_target(options, valid=False)
    if not (options.check or options.yes):
        _confirm(target, options)
    variables: dict[str, Any] = {"kai_install_rollback_database": options.with_database}
    if options.to:
        variables["kai_install_rollback_to"] = options.to
    outcome = run_role(target, "rollback", options, screen, variables)
    raise_for_obstacles(target, outcome)
    tell_outcome(screen, outcome, check=options.check)
    _end(options, outcome, screen)


def _confirm(target: Target, options: RollbackOptions) -> None:
    if not at_terminal():
        raise refusal(
            "rollback",
            "no terminal to ask at whether this is meant",
            "a word that it is",
            "say so with --yes, or look what would change with --check",
        )
    wanted = options.to or "the install before the live one"
    data = ", the database included" if options.with_database else ""
    question = f"Roll {', '.join(target.hosts)} back to {wanted}{data}"
    if not prompter(plain=options.plain).confirm(question, default=False):
        raise CommandError("Nothing was changed.", code=ExitCode.DONE)


def _end(options: ApplyOptions, outcome: Outcome, screen: Screen) -> None:
    screen.document(
        {
            "succeeded": outcome.succeeded,
            "check": options.check,
            "hosts": {host: _told(host, outcome) for host in outcome.reports},
            "failures": [failure.as_dict() for failure in outcome.failures],
            "log": str(outcome.log) if outcome.log else None,
        }
    )
    raise_unless_succeeded(outcome)
    if not options.check:
        screen.good("Done.")


def _told(host: str, outcome: Outcome) -> dict[str, Any]:
    report = {name: value for name, value in outcome.reports[host].items() if name != "plan"}
    return {**report, "changes": [change.as_dict() for change in outcome.changes.get(host, ())]}


def checked_target(options: ApplyOptions, *, valid: bool = True, as_root: bool = True) -> Target:
    """Return the hosts of a run, with ``valid`` only when the configuration of each is valid.

    as_root: ask for the password of sudo where a run as root needs one.
    Raises CommandError, naming everything that is not.
    """
    inventory = Inventory(options.inventory)
    hosts = inventory.hosts(options.host)
    password = find_vault_password(
        options.vault_password_file,
        options.inventory,
        needed=any(inventory.has_vault(host) for host in hosts),
        may_ask=at_terminal(),
    )
    contract = contract_of()
    overrides, problems = read_assignments(contract, options.assignments)
    places: dict[str, Path] = {}
    limits: dict[str, int] = {}
    secrets: set[str] = set()
    for host in hosts:
        try:
            variables = {**inventory.variables(host, password), **overrides}
        except CommandError:
            if valid:
                raise
            continue
        secrets |= secret_texts(contract, variables)
        if not valid:
            continue
        files = inventory.host_vars(host)
        places.update(_places(contract, files, variables))
        if not variables:
            raise nothing_known(host, files)
        release = str(variables.get(variable("release"), "1"))
        configuration = configuration_of(contract_of(release), variables)
        problems += configuration.problems
        limit = configuration.host.get("health_timeout", 0)
        limits[PROOF] = max(limit, limits.get(PROOF, 0))
    if problems:
        raise CommandError("Nothing was changed.", problems=problems, places=places)
    sudo = sudo_password(inventory, hosts, options) if as_root else None
    return Target(inventory, hosts, password, contract, overrides, limits, sudo, secrets)


def run_role(
    target: Target,
    playbook: str,
    options: ApplyOptions,
    screen: Screen,
    variables: Mapping[str, Any] | None = None,
) -> Outcome:
    """Run a playbook of the collection on the hosts, and tell what happens meanwhile.

    variables: those of this run alone, which are not kept.
    """
    run = Run(
        playbook,
        target.inventory.path,
        target.hosts,
        check=options.check,
        variables={**target.overrides, **(variables or {})},
        vault_password=None if target.password.made else target.password,
        become_password=target.become_password,
        known_secrets=target.secrets,
    )
    with Progress(screen, target.hosts, target.limits) as progress:
        return run_playbook(run, progress)


def sudo_password(inventory: Inventory, hosts: Sequence[str], options: ApplyOptions) -> str | None:
    """Return the password for sudo on the hosts, asked for where it is needed; None without."""
    asked = options.ask_become_pass
    if not asked and all(inventory.is_local(host) for host in hosts):
        asked = not may_become_root()
    if not asked:
        return None
    return ask_sudo_password()


def _places(
    contract: Mapping[str, Any], files: HostVars, variables: Iterable[str]
) -> dict[str, Path]:
    return {
        name: files.vault if variable_is_secret(contract, name) else files.settings
        for name in variables
    }


def raise_for_obstacles(target: Target, outcome: Outcome) -> None:
    """Raise CommandError for whatever stood in the way of a run on any host."""
    problems = []
    places: dict[str, Path] = {}
    for host, report in outcome.reports.items():
        found = [Problem(**problem) for problem in report.get("problems", ())]
        problems += found
        names = [problem.where.partition("[")[0].partition(":")[0] for problem in found]
        variables = [name for name in names if name.startswith(variable(""))]
        places.update(_places(target.contract, target.inventory.host_vars(host), variables))
    if problems:
        raise CommandError("Nothing was changed.", problems=problems, places=places)


def _keep_overrides(target: Target) -> list[Path]:
    written: list[Path] = []
    for host in target.hosts if target.overrides else ():
        texts, _ = edited_texts(
            target.inventory.host_vars(host),
            target.overrides,
            lambda name: variable_is_secret(target.contract, name),
            target.password,
        )
        written += write_host_vars(target.inventory, texts)
    return written


def raise_unless_succeeded(outcome: Outcome) -> None:
    """Raise CommandError for a run that was interrupted or failed."""
    log = f"\nThe log of this run: {outcome.log}" if outcome.log else ""
    if outcome.interrupted:
        raise CommandError(
            f"Interrupted. Run the same command again to finish or to mend what was begun.{log}",
            code=ExitCode.INTERRUPTED,
        )
    if not outcome.succeeded:
        problems = [failure.problem for failure in outcome.failures]
        raise CommandError(f"Failed.{log}", problems=problems, code=ExitCode.FAILED)
