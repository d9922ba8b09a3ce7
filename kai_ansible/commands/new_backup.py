"""New backups of hosts: their files before a run, and what became of them after it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kai_ansible.commands.target import (
    Target,
)
from kai_ansible.errors import CommandError, ExitCode, refusal
from kai_ansible.files import is_there
from kai_ansible.inventory.inventory import read_text

if TYPE_CHECKING:
    from kai_ansible.rules.backup_archive import Summary
    from kai_ansible.secrets.sealed_backup import NewBackup
    from kai_ansible.terminal.screen import Screen

PLAYBOOK = "backup"
DIRECTORY = Path("backups")


def told(outcome: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the hosts that were reported, and what is worth to be told of each backup."""
    for host, report in outcome.reports.items():
        yield host, {name: report.get(name) for name in ("left", "complete", "release", "members")}


def with_lasting_password(target: Target, screen: Screen) -> Target:
    """Return the target with a vault password that is kept, as nothing else opens a backup."""
    if not target.password.made:
        return target
    target.password.keep()
    screen.say(f"A vault password was made in {target.password.place}: keep a copy of it.")
    return replace(target, password=replace(target.password, made=False))


@contextmanager
def new_backups(target: Target, output: Path | None) -> Iterator[dict[str, NewBackup]]:
    """Begin a backup of each host; what is not finished goes in the end.

    Raises CommandError for a file that is there already, or cannot be made.
    """
    from kai_ansible.secrets.sealed_backup import NewBackup

    if output and len(target.hosts) > 1:
        raise refusal(
            "--output",
            f"one file for {len(target.hosts)} hosts",
            "one host",
            "name one, or leave the option out: each backup then gets a file of its own",
        )
    now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    backups: dict[str, NewBackup] = {}
    try:
        for host in target.hosts:
            path = output or DIRECTORY / f"{host.replace('/', '_')}-{now}.kai"
            if is_there(path):
                raise refusal(str(path), "something", "a new file", "name another one")
            try:
                backups[host] = NewBackup(path.absolute(), target.password)
            except OSError as error:
                raise refusal(
                    str(path), str(error.strerror), "a place that you can write to", "name another"
                ) from error
        yield backups
    finally:
        for backup in backups.values():
            backup.discard()


def variables_of(target: Target, backups: Mapping[str, NewBackup]) -> dict[str, Any]:
    """Return what a run needs to know to make backups."""
    recipients = {host: backup.recipient for host, backup in backups.items()}
    return {
        "kai_backup_files": {host: str(backup.beside) for host, backup in backups.items()},
        "kai_backup_recipients": recipients,
        "kai_backup_host_vars": {host: _texts(target, host) for host in target.hosts},
    }


def _texts(target: Target, host: str) -> dict[str, str]:
    directory = target.inventory.host_vars(host).directory
    files = [*directory.glob("*.yml"), *directory.glob("*.yaml")]
    return {file.name: read_text(file) for file in sorted(files) if file.is_file()}


def finished(backups: Mapping[str, NewBackup], screen: Screen) -> dict[str, dict[str, Any]]:
    """Read back what a run has made, and tell of each that is whole where it is.

    Raises CommandError when one cannot get its name.
    """
    made = {}
    for host, backup in backups.items():
        try:
            summary: Summary | None = backup.finish()
        except OSError as error:
            raise CommandError(
                f"{backup.path}: {error.strerror}. What was copied is in {backup.beside}.",
                code=ExitCode.FAILED,
            ) from error
        if summary is None:
            continue
        path = backup.path
        size = path.stat().st_size
        made[host] = {"file": str(path), "bytes": size, "members": summary.members}
        screen.good(f"{host}: {path} ({size / 1e6:.1f} MB, read back; the vault password opens it)")
    return made


def raise_without(hosts: Sequence[str], made: Mapping[str, Any]) -> None:
    """Raise CommandError when there is no backup of a host."""
    without = [host for host in hosts if host not in made]
    if without:
        raise refusal(
            ", ".join(without),
            "no data directory",
            "a bot to back up",
            "kai-ansible status shows what is installed",
            told="There is no backup of it.",
            code=ExitCode.FAILED,
        )
