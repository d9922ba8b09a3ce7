"""Passwords for sudo on the hosts that the operator's keyring keeps, one for each login."""

from __future__ import annotations

import getpass
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kai_ansible.errors import refusal
from kai_ansible.inventory.inventory import Inventory
from kai_ansible.inventory.ssh import Hop, hop_of, login_of
from kai_ansible.operator import at_terminal, may_become_root, through_sudo
from kai_ansible.secrets.keyrings import (
    NoKeyring,
    passwords_in_keyring,
    put_into_keyring,
    take_out_of_keyring,
)

if TYPE_CHECKING:
    from kai_ansible.terminal.screen import Screen


def kept_sudo_passwords(hops: Mapping[str, Hop | None]) -> dict[str, str]:
    """Return by host the password that the keyring has for sudo there, where it has one.

    hops: how each host is reached, as ``hop_of`` returns it.
    """
    # through sudo the keyring would be root's, and on this machine it may be that none is needed
    if through_sudo():
        return {}
    entries = {host: _entry(hop) for host, hop in hops.items() if hop or not may_become_root()}
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
    """Ask for the password of sudo on hosts, and keep it in the keyring; or forget it there.

    named: --vault-password-file. ids: --vault-id. Raises CommandError without a keyring that can be
    used, and without a terminal to ask at.
    """
    if through_sudo():
        raise refusal(
            "the keyring", "root's, as this runs through sudo", "your own", "run this without sudo"
        )
    inventory = Inventory(path)
    hosts = inventory.hosts(pattern)
    password = inventory.vault_password(hosts, named, ids, may_ask=at_terminal())
    hops = [hop_of(inventory.connection(host, password)) for host in hosts]
    logins = {_entry(hop): login_of(hop) for hop in hops}
    given = "" if forget else _typed(", ".join(logins.values()))
    for entry, login in logins.items():
        try:
            if forget:
                take_out_of_keyring(entry)
            else:
                put_into_keyring(entry, given)
        except NoKeyring as error:
            raise refusal(
                f"the keyring's entry {entry!r}",
                f"what does not work: {error}",
                "a keyring that is unlocked",
                "unlock it, or give the password with --ask-become-pass",
            ) from error
        screen.good(f"{'Forgotten' if forget else 'Kept'}: the sudo password of {login}")
    screen.document({"forgotten" if forget else "kept": list(logins.values())})


def _typed(logins: str) -> str:
    if not at_terminal():
        raise refusal(
            "the sudo password", "no terminal to ask for it", "one", "run this at a terminal"
        )
    return getpass.getpass(f"sudo password of {logins}: ")


def _entry(hop: Hop | None) -> str:
    return f"sudo {login_of(hop)}"
