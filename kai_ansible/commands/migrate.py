"""The command ``migrate``: update host_vars to the current version of the contract."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kai_ansible.ansible.collection import contract_of
from kai_ansible.commands.confirmation import confirm, require_terminal
from kai_ansible.commands.options import HostOptions
from kai_ansible.errors import CommandError
from kai_ansible.inventory.inventory import (
    KAI_HEADER,
    EditedFile,
    Inventory,
    nothing_known,
    read_text,
    write_host_vars,
)
from kai_ansible.operator import at_terminal
from kai_ansible.rules.contract_changes import CONTRACT_VERSION, Migration, migrated
from kai_ansible.rules.problems import Problem
from kai_ansible.secrets.vault_password import VAULT_HEADER, VaultPassword, lock

if TYPE_CHECKING:
    from kai_ansible.terminal.screen import Screen


@dataclass(frozen=True)
class MigrateOptions(HostOptions):
    """Options of ``migrate``. check: write nothing. yes: do not ask for confirmation."""

    check: bool = False
    yes: bool = False


def migrate_host_vars(options: MigrateOptions, screen: Screen) -> None:
    """Show the changes to the hosts' files, ask for confirmation, and write them; keep comments.

    Raises CommandError with every problem of every host that no migration can fix. If one file
    cannot be written, none is.
    """
    asks = not (options.check or options.yes)
    inventory = Inventory(options.inventory)
    password = inventory.read(
        options.host, options.vault_password_file, options.vault_ids, may_ask=at_terminal()
    )
    migrations = {host: _migration(inventory, host) for host in inventory.hosts}
    texts = _texts(inventory, migrations, password)
    for host, migration in migrations.items():
        if migration.version < migration.current:
            versions = f"{host}: from version {migration.version} to {migration.current}"
            screen.lines(
                versions, [step.message for step in migration.steps] or ["no other change"]
            )
    if texts:
        screen.lines("Files that change", [str(path) for path in texts])
    if texts and asks:
        require_terminal("migrate", screen)
        confirm("Change these files?", plain=options.plain)
    if not options.check:
        _write(inventory, texts, screen)
    if not texts:
        screen.good("Nothing to write: host_vars are up to date.")
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
            # other users may share the file of a group
            path.chmod(stat.S_IMODE(modes[path]))
        screen.good(f"Written: {path}")


def _migration(inventory: Inventory, host: str) -> Migration:
    variables = inventory.variables(host)
    if not variables:
        raise nothing_known(host, inventory.host_vars(host))
    return migrated(contract_of(variables), variables)


def _texts(
    inventory: Inventory, migrations: Mapping[str, Migration], password: VaultPassword
) -> dict[Path, str]:
    """Return the new text of each file that changes, files of groups included.

    Raises CommandError for a variable that no editable file sets, and for other problems.
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
        places |= inventory.places(host)
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
        "a value in the inventory file itself",
        f"a value in a file of {inventory.directory}/host_vars or {inventory.directory}/group_vars",
        "move it there, or change it yourself",
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
