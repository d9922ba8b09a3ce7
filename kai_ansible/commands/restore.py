"""The command ``restore``: install from host_vars with the data of a backup."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from rich.filesize import decimal

from kai_ansible.ansible.playbooks import BACKUP, RESTORE
from kai_ansible.ansible.runner import Outcome
from kai_ansible.calling import command_line
from kai_ansible.commands.confirmation import confirm, require_terminal
from kai_ansible.commands.new_backup import (
    backup_variables,
    finish_backups,
    new_backups,
    with_lasting_password,
)
from kai_ansible.commands.options import ChangeOptions
from kai_ansible.commands.role_run import end, raise_unless_succeeded, run_role
from kai_ansible.commands.target import Target, checked_target, opened
from kai_ansible.errors import usage_error
from kai_ansible.files import private_directory, write_files
from kai_ansible.inventory.inventory import Inventory, write_host_vars
from kai_ansible.inventory.variable_text import read_text
from kai_ansible.rules.backup_archive import Meta
from kai_ansible.rules.reports import RestoreReport
from kai_ansible.secrets.sealed_backup import Backup, open_backup
from kai_ansible.secrets.vault_password import VAULT_HEADER, needed_password
from kai_ansible.terminal.outcome_view import report_next_steps, report_outcome
from kai_ansible.terminal.screen import Screen
from kai_ansible.terminal.status_view import age


@dataclass(frozen=True)
class RestoreOptions(ChangeOptions):
    """Options of ``restore``. archive: the backup file. backup: back up the present data first."""

    archive: Path = Path()
    backup: bool = True


def restore_backup(options: RestoreOptions, screen: Screen) -> None:
    """Copy the data of a backup to a host, install as host_vars say, and report the outcome.

    A host without host_vars gets those of the backup. Without ``yes``, show the changes first and
    ask for confirmation.
    Raises CommandError for a damaged backup, and if the run fails.
    """
    asks = not (options.check or options.yes)
    if asks:
        require_terminal("restore", screen)
    inventory, found = opened(options)
    password = needed_password(found, options.inventory)
    hosts = inventory.hosts
    if len(hosts) != 1:
        raise usage_error(
            options.host or str(options.inventory),
            f"{len(hosts)} hosts",
            "one host to restore to",
            "name the host: "
            + command_line(["kai-ansible", "restore", str(options.archive), "HOST"]),
        )
    backup = open_backup(options.archive, password)
    agreed = None
    meta = backup.meta()
    screen.say(f"Reading {options.archive}: a backup of {meta.host} of {meta.created}")
    _provide_host_vars(inventory, hosts[0], backup, options, screen)
    with private_directory() as directory:
        variables = _variables(backup, directory / "identity")
        target = checked_target(options)
        if asks:
            plan = run_role(target, RESTORE, replace(options, check=True), screen, variables)
            raise_unless_succeeded(plan, screen)
            show_plan(plan, hosts[0], meta, options, screen)
            agreed = plan
            confirm(
                f"Replace the data of {hosts[0]} with that of {meta.created}?",
                plain=options.plain,
                message="The host was not changed.",
            )
        made = _last_backup(target, options, screen)
        outcome = run_role(target, RESTORE, options, screen, variables, again=asks)
    ssh = target.inventory.ssh_commands
    report_outcome(
        screen,
        outcome,
        check=options.check,
        agreed=agreed,
        full=options.diff,
        ssh=ssh,
    )
    if not options.check:
        report_next_steps(screen, outcome, options.words, rollback=False)
    for path in made:
        words = ("kai-ansible", "restore", path, *options.words(hosts[0]))
        # a restore that failed has brought the former data back itself
        what = (
            "undo this restore with" if outcome.succeeded else "if data is missing, restore it with"
        )
        screen.command(f"{hosts[0]}: {what}", *words)
    end(options, outcome, screen)


def show_plan(
    plan: Outcome[RestoreReport], host: str, meta: Meta, options: RestoreOptions, screen: Screen
) -> None:
    """Print what a restore replaces and by what, the data in one line first."""
    summary = plan.reports[host]["backup"]
    count, made = summary["members"], f"{meta.created}, {age(meta.created, datetime.now(UTC))} ago"
    screen.say(
        f"{host}: {count} files and directories ({decimal(summary['size'])}) of {meta.host} of "
        f"{made}, release {meta.release or 'none'}, would replace the present data"
    )
    report_outcome(screen, plan, check=True, full=options.diff)
    since = f"Data that {host} has received since then"
    screen.notes(
        [f"{since} is removed. kai-ansible backs it up first; restoring that backup undoes this."]
        if options.backup
        else [f"{since} is lost, because --no-backup was given."]
    )


def _last_backup(target: Target, options: RestoreOptions, screen: Screen) -> list[str]:
    """Back up the present data and return the file; nothing without data, or if not wanted.

    Raises CommandError if the backup fails; then nothing was restored.
    """
    if options.check or not options.backup:
        return []
    lasting = with_lasting_password(target, screen)
    with new_backups(lasting, None) as backups:
        outcome = run_role(lasting, BACKUP, options, screen, backup_variables(backups))
        made = finish_backups(backups, screen)
    raise_unless_succeeded(outcome, screen)
    return [one["file"] for one in made.values()]


def _variables(backup: Backup, identity: Path) -> dict[str, str | int | None]:
    write_files({identity: backup.identity})
    return {
        "kai_restore_archive": str(backup.path.absolute()),
        "kai_restore_offset": backup.offset,
        "kai_restore_length": backup.length,
        "kai_restore_identity_file": str(identity),
    }


def _provide_host_vars(
    inventory: Inventory, host: str, backup: Backup, options: RestoreOptions, screen: Screen
) -> None:
    """Write the host_vars of the backup if the host has none; otherwise report the difference.

    host_vars are code to Ansible here, and the backup went through the host. So write only those
    that are known to be the controller's own, or that the operator has read.
    """
    files = inventory.host_vars(host)
    host_vars, origin = backup.meta().host_vars, backup.origin_of_host_vars
    there = {path.name: read_text(path) for path in (files.settings, files.vault) if path.is_file()}
    if there:
        others = sorted(name for name in there if there[name] != host_vars.get(name))
        if others:
            places = ", ".join(str(files.directory / name) for name in others)
            screen.notes([f"{places} differs from the backup; the existing file is used."])
        return
    fix = f"kai-ansible config {host}, or copy them to {files.directory} from elsewhere"
    if options.check:
        raise usage_error(
            str(files.directory),
            f"no settings for {host}",
            "settings to compare with",
            f"{fix}, or restore without --check to use those of the backup",
        )
    if origin == "changed":
        raise usage_error(
            str(backup.path),
            "host_vars that root on the host changed while the backup was made",
            "those that kai-ansible gave to the backup",
            fix,
        )
    if origin == "unknown" and options.yes:
        raise usage_error(
            str(backup.path),
            "a backup of an earlier version, so root on the host may have changed its host_vars",
            "that you read them before they are used",
            f"{fix}, or restore without --yes to read them",
        )
    question = f"{host} has no settings yet. Use those of the backup?"
    if origin == "unknown":
        _show_host_vars(files.directory, host_vars, screen)
        question = f"{host} has no settings yet. Use these, after you have read them?"
    if not options.yes:
        confirm(question, plain=options.plain, default=origin == "controller")
    texts = {files.directory / name: text for name, text in host_vars.items()}
    for path in write_host_vars(inventory, texts):
        screen.good(f"From the backup: {path}")


def _show_host_vars(directory: Path, host_vars: Mapping[str, str], screen: Screen) -> None:
    """Print the variable files of a backup of an earlier version. Of a vault, print its name."""
    screen.notes(
        [
            "The backup is of an earlier version: its host_vars come from the host's copy, and "
            "root there may have changed them. Ansible runs the templates in them on this machine."
        ]
    )
    for name, text in host_vars.items():
        screen.heading(str(directory / name))
        # nobody without the vault password can write a vault that it opens
        lines = (
            ["encrypted by ansible-vault"] if text.startswith(VAULT_HEADER) else text.split("\n")
        )
        for line in lines:
            screen.literal(f"  {line}")
