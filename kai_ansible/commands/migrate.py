"""The command ``migrate``: host_vars of an earlier version of the contract become today's."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kai_ansible.ansible.collection import contract as contract_of
from kai_ansible.errors import CommandError, ExitCode, refusal
from kai_ansible.inventory.inventory import (
    KAI_HEADER,
    EditedFile,
    Inventory,
    nothing_known,
    read_text,
    write_host_vars,
)
from kai_ansible.operator import at_terminal
from kai_ansible.rules.configuration import variable
from kai_ansible.rules.contract_changes import CONTRACT_VERSION, Migration, migrated
from kai_ansible.rules.problems import Problem
from kai_ansible.secrets.vault_password import VAULT_HEADER, VaultPassword, lock
from kai_ansible.terminal.prompts import prompter

if TYPE_CHECKING:
    from kai_ansible.terminal.screen import Screen


@dataclass(frozen=True)
class MigrateOptions:
    """What was asked of ``migrate``. yes: ask nothing."""

    inventory: Path
    host: str | None
    check: bool
    yes: bool
    vault_password_file: Path | None
    vault_ids: tuple[str, ...]
    plain: bool


def migrate_host_vars(options: MigrateOptions, screen: Screen) -> None:
    """Show what changes in the files of the hosts, ask, and change it; comments stay.

    Raises CommandError for what no migration can mend, every problem of every host at once; when a
    file cannot be written, none is.
    """
    asks = not (options.check or options.yes)
    inventory = Inventory(options.inventory)
    hosts = inventory.hosts(options.host)
    password = inventory.vault_password(
        hosts, options.vault_password_file, options.vault_ids, may_ask=at_terminal()
    )
    migrations = {host: _migration(inventory, host, password) for host in hosts}
    texts = _texts(inventory, migrations, password)
    for host, migration in migrations.items():
        if migration.version < migration.current:
            versions = f"{host}: from version {migration.version} to {migration.current}"
            screen.lines(versions, [step.told for step in migration.steps] or ["nothing else"])
    if texts:
        screen.lines("Files that change", [str(path) for path in texts])
    if texts and asks:
        _confirm(options, screen)
    if not options.check:
        _write(inventory, texts, screen)
    if not texts:
        screen.good("Nothing to write: everything is as it should be.")
    screen.document(
        {
            "hosts": {host: _described(migration) for host, migration in migrations.items()},
            "check": options.check,
            "files": [str(path) for path in texts],
        }
    )


def _write(inventory: Inventory, texts: Mapping[Path, str], screen: Screen) -> None:
    modes = {path: path.stat().st_mode for path in texts if path.exists()}
    for path in write_host_vars(inventory, texts):
        if path in modes:
            # others may share the file of a group
            path.chmod(stat.S_IMODE(modes[path]))
        screen.good(f"Written: {path}")


def _confirm(options: MigrateOptions, screen: Screen) -> None:
    if screen.as_json or not at_terminal():
        raise refusal(
            "migrate",
            "nobody to ask whether this is meant",
            "a word that it is",
            "say so with --yes, or look what would change with --check",
        )
    if not prompter(plain=options.plain).confirm("Change these files?", default=False):
        raise CommandError("Nothing was changed.", code=ExitCode.DONE)


def _migration(inventory: Inventory, host: str, password: VaultPassword) -> Migration:
    variables = inventory.variables(host, password)
    if not variables:
        raise nothing_known(host, inventory.host_vars(host))
    return migrated(contract_of(str(variables.get(variable("release"), "1"))), variables)


def _texts(
    inventory: Inventory, migrations: Mapping[str, Migration], password: VaultPassword
) -> dict[Path, str]:
    """Return the new text of each file that changes, those of groups included.

    Raises CommandError for what stands in no file that can be edited, and for other problems.
    """
    files: dict[Path, EditedFile] = {}
    problems: list[Problem] = []
    places: dict[str, Path] = {}
    for host, migration in migrations.items():
        texts = {inventory.host_vars(host).settings: "", **inventory.variable_texts(host, password)}
        for path in texts.keys() - files.keys():
            files[path] = EditedFile(path, texts[path], KAI_HEADER)
        faults = list(migration.faults)
        for name, becomes in migration.names.items():
            holding = [files[path] for path in texts if name in files[path].held]
            if not holding:
                faults.append(_out_of_reach(inventory, name))
            for file in holding:
                # hosts of one group share its file
                if name in file.content and becomes:
                    file.rename(name, becomes)
                else:
                    file.remove(name)
        if migration.version < migration.current:
            files[inventory.host_vars(host).settings].set(CONTRACT_VERSION, migration.current)
        if len(migrations) > 1:
            faults = [replace(fault, where=f"{host}: {fault.where}") for fault in faults]
        problems += faults
        places |= inventory.places(host, password)
    if problems:
        raise CommandError("Nothing was changed.", problems=problems, places=places)
    return {
        path: _closed(path, file.checked(), password)
        for path, file in files.items()
        if file.text != file.before
    }


def _closed(path: Path, text: str, password: VaultPassword) -> str:
    before = read_text(path)
    return lock(text, password, before) if before.startswith(VAULT_HEADER) else text


def _out_of_reach(inventory: Inventory, name: str) -> Problem:
    return Problem(
        name,
        "a value in the inventory itself",
        f"one in a file of {inventory.directory}/host_vars or {inventory.directory}/group_vars",
        "move it there, or change it by hand",
    )


def _described(migration: Migration) -> dict[str, Any]:
    return {
        "from": migration.version,
        "to": max(migration.version, migration.current),
        "changes": [
            {
                "version": step.version,
                "what": step.what,
                "variable": step.given,
                "becomes": step.becomes,
            }
            for step in migration.steps
        ],
    }
