"""New backup files: create them before a run, check and name them after it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypedDict

from rich.filesize import decimal

from kai_ansible.commands.target import Target
from kai_ansible.errors import CommandError, ExitCode, full_disk_error, usage_error
from kai_ansible.files import is_there, uninterrupted
from kai_ansible.inventory.variable_files import VARIABLE_SUFFIXES
from kai_ansible.inventory.variable_text import read_text
from kai_ansible.rules.backup_archive import Summary
from kai_ansible.secrets.sealed_backup import NewBackup
from kai_ansible.terminal.screen import Screen

DIRECTORY = Path("backups")


class FinishedBackup(TypedDict):
    """A backup file as a command reports it. members: how many files and directories it has."""

    file: str
    bytes: int
    members: int


def with_lasting_password(target: Target, screen: Screen) -> Target:
    """Return the target with a vault password that is stored: nothing else opens a backup."""
    if not target.password.made:
        return target
    target.password.keep()
    place = target.password.place
    screen.say(f"A new vault password encrypts the backup: it is in {place}. Keep a copy of it.")
    return replace(target, password=replace(target.password, made=False))


@contextmanager
def new_backups(target: Target, output: Path | None) -> Iterator[dict[str, NewBackup]]:
    """Create a backup file for each host; remove unfinished ones at the end.

    output: the file for the only host, None for one file per host in DIRECTORY.
    Raises CommandError for a file that exists already or cannot be created.
    """
    if output and len(target.hosts) > 1:
        raise usage_error(
            "--output",
            f"one file for {len(target.hosts)} hosts",
            "one host",
            "name one host, or leave out --output to write one file per host",
        )
    now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    backups: dict[str, NewBackup] = {}
    place = output.parent if output else DIRECTORY
    is_new = not is_there(place)
    try:
        for host in target.hosts:
            path = output or DIRECTORY / f"{host.replace('/', '_')}-{now}.kai"
            if is_there(path):
                raise usage_error(
                    str(path), "an existing file", "a new file", "choose another name"
                )
            try:
                with uninterrupted():
                    backups[host] = NewBackup(
                        path.absolute(), target.password, _texts(target, host)
                    )
            except OSError as error:
                full = full_disk_error(error, "Nothing was changed.")
                raise full or usage_error(
                    str(path), str(error.strerror), "a writable place", "choose another place"
                ) from error
        yield backups
    finally:
        for backup in backups.values():
            backup.discard()
        if is_new:
            # it stays with a backup in it
            with suppress(OSError):
                place.rmdir()


def backup_variables(backups: Mapping[str, NewBackup]) -> dict[str, Any]:
    """Return the extra variables of a run that makes backups."""
    recipients = {host: backup.recipient for host, backup in backups.items()}
    return {
        "kai_backup_files": {host: str(backup.beside) for host, backup in backups.items()},
        "kai_backup_recipients": recipients,
        "kai_backup_host_vars": {host: backup.host_vars for host, backup in backups.items()},
    }


def _texts(target: Target, host: str) -> dict[str, str]:
    directory = target.inventory.host_vars(host, to_write=False).directory
    files = [*directory.glob("*.yml"), *directory.glob("*.yaml")]
    found = {file.name: read_text(file) for file in sorted(files) if file.is_file()}
    for ending in () if directory.is_dir() else ("", *VARIABLE_SUFFIXES):
        alone = directory.with_name(host + ending)
        if alone.is_file():
            return {"main.yml": read_text(alone)}
    return found


def finish_backups(backups: Mapping[str, NewBackup], screen: Screen) -> dict[str, FinishedBackup]:
    """Read the finished backups back and report each; return their size and content by host.

    Raises CommandError if a file cannot be renamed to its final name.
    """
    made: dict[str, FinishedBackup] = {}
    for host, backup in backups.items():
        try:
            summary: Summary | None = backup.finish()
        except OSError as error:
            raise CommandError(
                f"{backup.path}: {error.strerror}. The copied data is in {backup.beside}.",
                code=ExitCode.FAILED,
            ) from error
        if summary is None:
            continue
        path = backup.path
        size = path.stat().st_size
        made[host] = {"file": str(path), "bytes": size, "members": summary.members}
        screen.good(f"{host}: {path} ({decimal(size)}, verified; the vault password opens it)")
        if summary.meta.host_vars != backup.host_vars:
            # the data is what counts, so the backup stays; a restore refuses its host_vars
            screen.bad(
                f"{host}: the host changed the host_vars in this backup, so a restore does not use "
                f"them. Keep a copy of host_vars/{host}, and find out who is root on {host}."
            )
    return made


def name_restores(
    made: Mapping[str, FinishedBackup], words: Callable[[str], Sequence[str]], screen: Screen
) -> None:
    """Print the command that restores each backup. words: what names a host in a command."""
    for host, backup in made.items():
        command = ("kai-ansible", "restore", backup["file"], *words(host))
        screen.command(f"{host}: restore this backup with", *command)
