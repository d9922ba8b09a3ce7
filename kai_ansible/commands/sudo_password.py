"""The command ``sudo-password``: keep the sudo password of hosts in the keyring."""

from __future__ import annotations

import getpass
import sys

from kai_ansible.commands.options import HostOptions
from kai_ansible.commands.target import opened
from kai_ansible.errors import usage_error
from kai_ansible.operator import through_sudo
from kai_ansible.secrets.keyrings import NoKeyring, put_into_keyring, take_out_of_keyring
from kai_ansible.secrets.sudo_passwords import entry_of, login_of
from kai_ansible.terminal.screen import Screen


def keep_sudo_password(options: HostOptions, screen: Screen, *, forget: bool) -> None:
    """Ask for the sudo password of hosts and store it in the keyring, or delete it there.

    Raises CommandError without a usable keyring, and without a terminal.
    """
    if through_sudo():
        raise usage_error(
            "the keyring",
            "root's, because this runs through sudo",
            "your own",
            "run this without sudo",
        )
    inventory, _password = opened(options)
    known = [inventory.known(host) for host in inventory.hosts]
    logins = {entry_of(one): login_of(one.ssh) for one in known}
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
    names = list(logins.values())
    screen.document({"forgotten": names if forget else [], "kept": [] if forget else names})


def _typed(logins: str) -> str:
    if not sys.stdin.isatty():
        raise usage_error(
            "the sudo password", "no terminal to ask for it", "a terminal", "run this at a terminal"
        )
    return getpass.getpass(f"sudo password of {logins}: ")
