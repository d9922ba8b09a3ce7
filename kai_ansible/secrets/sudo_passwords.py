"""The sudo passwords of hosts in the operator's keyring, one for each login."""

from __future__ import annotations

import contextlib
import getpass
import shlex
import subprocess
from collections.abc import Mapping, Sequence

from kai_ansible.ansible.reading import HostReading
from kai_ansible.errors import CommandError
from kai_ansible.operator import may_become_root, through_sudo
from kai_ansible.rules.problems import Problem
from kai_ansible.secrets.keyrings import passwords_in_keyring

SECONDS = 20


class UnknownLogin(CommandError):
    """ssh does not report how it would log in."""

    def __init__(self, command: Sequence[str], found: str) -> None:
        words = shlex.join(command)
        fix = "run that command yourself, and fix the ssh setting that it reports"
        problem = Problem(words, found, "how ssh would log in", fix)
        super().__init__("Nothing was changed.", problems=[problem])


def kept_sudo_passwords(known: Mapping[str, HostReading]) -> dict[str, str]:
    """Return the sudo passwords that the keyring has, by host.

    known: the facts of Ansible about each host.
    """
    # through sudo the keyring would be root's, and this machine may require no password
    if through_sudo():
        return {}
    asked = [host for host, one in known.items() if one.ssh or not may_become_root()]
    entries = {}
    for host in asked:
        # a host whose login is unknown has no entry, and its run reports why
        with contextlib.suppress(UnknownLogin):
            entries[host] = entry_of(known[host])
    found = passwords_in_keyring(list(dict.fromkeys(entries.values())))
    return {host: found[entry] for host, entry in entries.items() if entry in found}


def entry_of(known: HostReading) -> str:
    """Return the keyring's entry for the sudo password of a host. Raises UnknownLogin."""
    return f"sudo {login_of(known.ssh)}"


def login_of(ssh: Sequence[str] | None) -> str:
    """Return the login of an ssh command as ``user@host:port``; without ssh, that of this machine.

    ssh: the command that logs in. Raises UnknownLogin.
    """
    if ssh is None:
        return f"{getpass.getuser()}@localhost"
    command = [ssh[0], "-G", *ssh[1:]]
    # ssh itself evaluates the command and its configuration
    try:
        asked = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnknownLogin(command, str(error)) from error
    found = dict(line.split(" ", 1) for line in asked.stdout.splitlines() if " " in line)
    if asked.returncode or not {"user", "hostname", "port"} <= found.keys():
        raise UnknownLogin(command, asked.stderr.strip() or "no user, hostname and port")
    return f"{found['user']}@{found['hostname']}:{found['port']}"


def login_in_words(ssh: Sequence[str] | None) -> str:
    """Return the login of an ssh command for a prompt; ssh need not know it."""
    try:
        return login_of(ssh)
    except UnknownLogin:
        return ssh[-1] if ssh else ""
