"""The command ``migrate``: update host_vars to the current contract, or to another line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kai_ansible.ansible.collection import contract as contract_of_line
from kai_ansible.ansible.collection import contract_of, lines
from kai_ansible.commands.confirmation import confirm, require_terminal
from kai_ansible.commands.options import ChangeOptions
from kai_ansible.commands.target import opened
from kai_ansible.errors import CommandError, usage_error
from kai_ansible.inventory.host_vars import configuration_of, services_of, variable_is_secret
from kai_ansible.inventory.inventory import Inventory, nothing_known, write_host_vars
from kai_ansible.inventory.migrating import Edits, MigratedFiles, changes_beyond
from kai_ansible.operator import at_terminal
from kai_ansible.rules.accounts import fault_of_account
from kai_ansible.rules.contract import Contract
from kai_ansible.rules.contract_changes import CONTRACT_VERSION, Migration, migrated
from kai_ansible.rules.line_migration import (
    RELEASE,
    Given,
    LineMigration,
    moved_to_line,
    users_without_account,
)
from kai_ansible.rules.problems import Problem, listed
from kai_ansible.rules.variable_names import variable
from kai_ansible.secrets.made import made_secret
from kai_ansible.secrets.vault_password import VaultPassword
from kai_ansible.terminal.prompts import prompter
from kai_ansible.terminal.screen import Screen


@dataclass(frozen=True)
class MigrateOptions(ChangeOptions):
    """Options of ``migrate``.

    to: a later release line of Kai. os_users: USER=ACCOUNT for users who have no OS user.
    """

    to: str | None = None
    os_users: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Moved:
    """What happens to one host. line: None without ``--to``."""

    version: Migration
    line: LineMigration | None
    edits: list[Edits]

    @property
    def problems(self) -> list[Problem]:
        """Everything that no migration can fix."""
        return [*self.version.faults, *(self.line.problems if self.line else ())]


def migrate_host_vars(options: MigrateOptions, screen: Screen) -> None:
    """Show the changes to the hosts' files, ask for confirmation, and write them; keep comments.

    Raises CommandError with every problem of every host that no migration can fix. If one file
    cannot be written, none is.
    """
    asks = not (options.check or options.yes)
    target = _target(options)
    inventory, password = opened(options)
    versions = {host: _migration(inventory, host, screen) for host in inventory.hosts}
    accounts = _accounts(options, versions, ask=asks and not screen.as_json and at_terminal())
    moved = {host: _moved(host, version, target, accounts) for host, version in versions.items()}
    texts = _texts(inventory, moved, password, target or contract_of_line(), options)
    for host, one in moved.items():
        _show(host, one, target, screen)
    if texts:
        screen.lines("Files that change", [str(path) for path in texts])
    if texts and asks:
        require_terminal("migrate", screen)
        confirm("Change these files?", plain=options.plain)
    if not options.check:
        _write(inventory, texts, screen, password)
        if texts:
            once = f", once {variable('source')} is of {target.title}" if target else ""
            words = options.words(options.host or "")
            screen.command(f"Next{once}", "kai-ansible", "install", *words)
    if not texts:
        screen.good("Nothing to write: host_vars are up to date.")
    screen.document(
        {
            "hosts": {host: _described(one) for host, one in moved.items()},
            "check": options.check,
            "files": [str(path) for path in texts],
        }
    )


def _target(options: MigrateOptions) -> Contract | None:
    known = [one.line for one in lines().lines[:-1]]
    if options.to is None:
        if options.os_users:
            fix = "add --to, or set it with kai-ansible users edit"
            raise usage_error("--os-user", "no --to", "a migration to another line", fix)
        return None
    if options.to not in known:
        expected = f"one of {listed(known)}"
        raise usage_error("--to", repr(options.to), expected, "name one of these lines")
    return contract_of_line(options.to)


def _accounts(
    options: MigrateOptions, versions: Mapping[str, Migration], *, ask: bool
) -> dict[str, str]:
    """Return an OS user for each user without one, by name or Telegram ID, asking for the rest."""
    accounts: dict[str, str] = {}
    if options.to is None:
        return accounts
    without: dict[str, Mapping[str, Any]] = {}
    for migration in versions.values():
        for user in users_without_account(migration.variables):
            without.setdefault(str(user.get("telegram_id")), user)
    names = {str(user.get("name")) for user in without.values()} | without.keys()
    for given in options.os_users:
        name, _, account = given.partition("=")
        if name not in names:
            found = f"{name!r}, which is not a user without an OS user"
            expected = f"one of {listed(str(user.get('name')) for user in without.values())}"
            fix = "correct the name; kai-ansible users list shows the users"
            raise usage_error("--os-user", found, expected, fix)
        fault = fault_of_account(account)
        if fault:
            fix = f"write --os-user {name}=ACCOUNT"
            raise usage_error("--os-user", f"{account!r}, which {fault}", "an OS user", fix)
        accounts[name] = account
    if ask:
        prompts = prompter(plain=options.plain)
        contract = contract_of_line(options.to)
        help_text = contract.user_fields["os_user"].help
        for telegram_id, user in without.items():
            if {telegram_id, str(user.get("name"))}.isdisjoint(accounts):
                label = f"OS user of {user.get('name')}"
                accounts[telegram_id] = prompts.text(label, "", _fault_of_typed, help_text)
    return accounts


def _fault_of_typed(account: str) -> str | None:
    if not account:
        return "It is empty; Kai 2 starts only if every user has an OS user."
    fault = fault_of_account(account)
    return f"It {fault}." if fault else None


def _moved(
    host: str,
    version: Migration,
    target: Contract | None,
    accounts: Mapping[str, str],
) -> _Moved:
    values = {CONTRACT_VERSION: version.current} if version.version < version.current else {}
    edits = [Edits(version.names, values)]
    if target is None:
        return _Moved(version, None, edits)
    _expect_later(host, version.variables, target)
    given = Given(accounts, made_secret, services_of(version.variables))
    former = contract_of_line(target.migration.from_) if target.migration else target
    line = moved_to_line(former, target, version.variables, given)
    known = {problem.where for problem in line.problems}
    found = configuration_of(target, line.variables).problems
    line.problems += [problem for problem in found if problem.where not in known]
    edits.append(Edits(line.names, line.values, line.users))
    return _Moved(version, line, edits)


def _expect_later(host: str, variables: Mapping[str, Any], target: Contract) -> None:
    """Raise CommandError for variables of a line that is later than the target."""
    newest_first = [one.line for one in lines().lines]
    present = str(variables.get(RELEASE))
    if present in newest_first and newest_first.index(present) < newest_first.index(target.release):
        raise usage_error(
            f"{host}: {RELEASE}",
            f"{present}, which is later than {target.release}",
            "a line that is earlier",
            "bring back the former host_vars from a copy, then kai-ansible rollback",
        )


def _write(
    inventory: Inventory, texts: Mapping[Path, str], screen: Screen, password: VaultPassword
) -> None:
    if any(path.name == "vault.yml" for path in texts):
        password.keep()
    for path in write_host_vars(inventory, texts):
        screen.good(f"Written: {path}")


def _migration(inventory: Inventory, host: str, screen: Screen) -> Migration:
    variables = inventory.variables(host)
    if not variables:
        raise nothing_known(host, inventory.host_vars(host, to_write=False))
    return migrated(contract_of(variables, screen.notes), variables)


def _texts(
    inventory: Inventory,
    moved: Mapping[str, _Moved],
    password: VaultPassword,
    contract: Contract,
    options: MigrateOptions,
) -> dict[Path, str]:
    """Return the new text of each file that changes, files of groups included.

    Raises CommandError for a variable that no editable file sets, and for other problems.
    """
    files = MigratedFiles(inventory, password, lambda name: variable_is_secret(contract, name))
    problems: list[Problem] = []
    places: dict[str, Path] = {}
    for host, one in moved.items():
        faults = list(one.problems)
        for edits in one.edits:
            faults += files.edit(host, edits)
        if len(moved) > 1:
            faults = [replace(fault, where=f"{host}: {fault.where}") for fault in faults]
        problems += faults
        places |= inventory.places(host)
    texts = {} if problems else files.texts()
    if options.to is not None and changes_beyond(texts, inventory):
        every, _ = opened(replace(options, host="all"))
        problems += files.shared(every)
    if problems:
        raise CommandError("Nothing was changed.", problems=problems, places=places)
    return texts


def _show(host: str, moved: _Moved, target: Contract | None, screen: Screen) -> None:
    version, line = moved.version, moved.line
    if version.version < version.current:
        versions = f"{host}: from version {version.version} to {version.current}"
        screen.lines(versions, [step.message for step in version.steps] or ["no other change"])
    if line is None or target is None or not line.changes:
        return
    screen.lines(f"{host}: to {target.title}", [change.message for change in line.changes])
    known = lines().named(target.release)
    source = f": {known.is_}, for example {known.ref}" if known else ""
    before = f"Before you install, set {variable('source')} to a source of Kai{source}."
    screen.notes([*line.notes, before])


def _described(moved: _Moved) -> dict[str, Any]:
    version, line = moved.version, moved.line
    return {
        "from": version.version,
        "to": max(version.version, version.current),
        "changes": [
            {
                "version": step.version,
                "what": step.what,
                "variable": step.given,
                "becomes": step.becomes,
            }
            for step in version.steps
        ],
        "line": line
        and {
            "to": line.line,
            "changes": [
                {"place": change.given, "becomes": change.becomes, "why": change.why}
                for change in line.changes
            ],
            "notes": line.notes,
        },
    }
