"""The sudo passwords of hosts in the operator's keyring, one for each login."""

from __future__ import annotations

import getpass
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kai_ansible.ansible.reading import HostReading
from kai_ansible.errors import usage_error
from kai_ansible.inventory.inventory import Inventory
from kai_ansible.operator import at_terminal, may_become_root, through_sudo
from kai_ansible.secrets.keyrings import (
    NoKeyring,
    passwords_in_keyring,
    put_into_keyring,
    take_out_of_keyring,
)

if TYPE_CHECKING:
    from kai_ansible.terminal.screen import Screen


def kept_sudo_passwords(known: Mapping[str, HostReading]) -> dict[str, str]:
    """Return the sudo passwords that the keyring has, by host.

    known: the facts of Ansible about each host.
    """
    # through sudo the keyring would be root's, and this machine may require no password
    if through_sudo():
        return {}
    entries = {host: _entry(one) for host, one in known.items() if one.ssh or not may_become_root()}
    found = passwords_in_keyring(list(dict.fromkeys(entries.values())))
    return {host: found[entry] for host, entry in entries.items() if entry in found}


def keep_sudo_password(
    path: Path,
    pattern: str | None,
    named: Path | None,
    ids: Sequence[str],
    screen: Screen,
    *,
    forget: bool,
) -> None:
    """Ask for the sudo password of hosts and store it in the keyring, or delete it there.

    named: --vault-password-file. ids: --vault-id. Raises CommandError without a usable keyring, and
    without a terminal.
    """
    if through_sudo():
        raise usage_error(
            "the keyring",
            "root's, because this runs through sudo",
            "your own",
            "run this without sudo",
        )
    inventory = Inventory(path)
    inventory.read(pattern, named, ids, may_ask=at_terminal())
    known = [inventory.known(host) for host in inventory.hosts]
    logins = {_entry(one): login_of(one.ssh) for one in known}
    given = "" if forget else _typed(", ".join(logins.values()))
    for entry, login in logins.items():
        try:
            if forget:
                take_out_of_keyring(entry)
            else:
                put_into_keyring(entry, given)
        except NoKeyring as error:
            raise usage_error(
                f"the keyring's entry {entry!r}",
                f"an error: {error}",
                "an unlocked keyring",
                "unlock it, or give the password with --ask-become-pass",
            ) from error
        screen.good(f"{'Forgotten' if forget else 'Kept'}: the sudo password of {login}")
    screen.document({"forgotten" if forget else "kept": list(logins.values())})


def _typed(logins: str) -> str:
    if not at_terminal():
        raise usage_error(
            "the sudo password", "no terminal to ask for it", "a terminal", "run this at a terminal"
        )
    return getpass.getpass(f"sudo password of {logins}: ")


def _entry(known: HostReading) -> str:
    return f"sudo {login_of(known.ssh)}"


def login_of(ssh: Sequence[str] | None) -> str:
    """Return the login of an ssh command as ``user@host:port``; without ssh, that of this machine.

    ssh: the command that logs in.
    """
    if ssh is None:
        return f"{getpass.getuser()}@localhost"
    # ssh itself evaluates the command and its configuration
    asked = subprocess.run(
        [ssh[0], "-G", *ssh[1:]],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    found = dict(line.split(" ", 1) for line in asked.stdout.splitlines() if " " in line)
    return f"{found.get('user')}@{found.get('hostname')}:{found.get('port')}"
