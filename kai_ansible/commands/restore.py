"""The command ``restore``: a host becomes what was configured, with the data of a backup."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kai_ansible.commands.target import (
    ChangeOptions,
    checked_target,
    end,
    raise_for_obstacles,
    raise_unless_succeeded,
    run_role,
)
from kai_ansible.errors import CommandError, ExitCode, refusal
from kai_ansible.files import write_private
from kai_ansible.inventory.inventory import Inventory, read_text, write_host_vars
from kai_ansible.operator import at_terminal
from kai_ansible.secrets.vault_password import find_vault_password
from kai_ansible.terminal.prompts import prompter
from kai_ansible.terminal.screen import tell_outcome

if TYPE_CHECKING:
    from kai_ansible.rules.backup_archive import Meta
    from kai_ansible.secrets.sealed_backup import Backup
    from kai_ansible.terminal.screen import Screen

PLAYBOOK = "restore"


@dataclass(frozen=True)
class RestoreOptions(ChangeOptions):
    """What was asked of ``restore``; archive: the file of the backup."""

    archive: Path = Path()


def restore_backup(options: RestoreOptions, screen: Screen) -> None:
    """Bring the data of a backup to a host, install what host_vars say, and tell how that ended.

    A host without host_vars gets those of the backup. Unless ``yes`` is given, what would change is
    shown first, and asked for.
    Raises CommandError for a backup that is not whole, and for a run that failed.
    """
    from kai_ansible.secrets.sealed_backup import open_backup

    asks = not (options.check or options.yes)
    if asks and (screen.as_json or not at_terminal()):
        raise refusal(
            "restore",
            "nobody to ask whether this is meant",
            "a word that it is",
            "say so with --yes, or look what would change with --check",
        )
    inventory = Inventory(options.inventory)
    hosts = inventory.hosts(options.host)
    if len(hosts) != 1:
        raise refusal(
            options.host or str(options.inventory),
            f"{len(hosts)} hosts",
            "the one that the backup goes to",
            f"name it: kai-ansible restore {options.archive} HOST",
        )
    password = find_vault_password(
        options.vault_password_file,
        options.inventory,
        needed=True,
        may_ask=at_terminal(),
        ids=options.vault_ids,
    )
    backup = open_backup(options.archive, password)
    meta = backup.meta()
    screen.say(f"{options.archive}: {meta.host}, {meta.created}, release {meta.release or 'none'}")
    _provide_host_vars(inventory, hosts[0], meta, options, screen)
    with tempfile.TemporaryDirectory(prefix="kai-ansible-") as directory:
        variables = _variables(backup, Path(directory, "identity"))
        target = checked_target(options)
        if asks:
            plan = run_role(target, PLAYBOOK, replace(options, check=True), screen, variables)
            raise_for_obstacles(target, plan)
            tell_outcome(screen, plan, check=True)
            raise_unless_succeeded(plan)
            question = f"Replace the data of {hosts[0]} by that of {meta.created}?"
            if not prompter(plain=options.plain).confirm(question, default=False):
                raise CommandError("The host was not changed.", code=ExitCode.DONE)
        outcome = run_role(target, PLAYBOOK, options, screen, variables)
    raise_for_obstacles(target, outcome)
    tell_outcome(screen, outcome, check=options.check)
    end(options, outcome, screen)


def _variables(backup: Backup, identity: Path) -> dict[str, Any]:
    write_private({identity: backup.identity})
    return {
        "kai_restore_archive": str(backup.path.absolute()),
        "kai_restore_offset": backup.offset,
        "kai_restore_length": backup.length,
        "kai_restore_identity_file": str(identity),
    }


def _provide_host_vars(
    inventory: Inventory, host: str, meta: Meta, options: RestoreOptions, screen: Screen
) -> None:
    """Write the variables of the backup where the host has none; tell which ones differ."""
    files = inventory.host_vars(host)
    there = {path.name: read_text(path) for path in (files.settings, files.vault) if path.is_file()}
    if there:
        others = sorted(name for name in there if there[name] != meta.host_vars.get(name))
        if others:
            places = ", ".join(str(files.directory / name) for name in others)
            screen.notes([f"{places}: not as in the backup; what is there counts."])
        return
    if options.check:
        raise refusal(
            str(files.directory),
            f"nothing that is set for {host}",
            "its settings, for a look at what would change",
            f"kai-ansible config {host}, or restore without --check, which takes the backup's",
        )
    if not options.yes:
        question = f"Nothing is set for {host}. Take the settings of the backup?"
        if not prompter(plain=options.plain).confirm(question, default=True):
            raise CommandError("Nothing was changed.", code=ExitCode.DONE)
    texts = {files.directory / name: text for name, text in meta.host_vars.items()}
    for path in write_host_vars(inventory, texts):
        screen.good(f"From the backup: {path}")
