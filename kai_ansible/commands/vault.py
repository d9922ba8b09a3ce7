"""The commands ``vault rekey`` and ``vault password``."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from kai_ansible.errors import usage_error
from kai_ansible.files import write_files
from kai_ansible.inventory.inventory import Inventory
from kai_ansible.inventory.variable_text import read_text
from kai_ansible.operator import through_sudo
from kai_ansible.rules.redact import fingerprint
from kai_ansible.secrets.keyrings import NoKeyring, put_into_keyring, take_out_of_keyring
from kai_ansible.secrets.made import made_secret
from kai_ansible.secrets.vault_password import (
    VAULT_HEADER,
    VaultPassword,
    keyring_entry,
    lock,
    needed_password,
    no_password,
    own_password_file,
    read_password_file,
    single_password,
    unlock,
)
from kai_ansible.terminal.screen import Screen

_FORMER = " (former)"


def rekey_vaults(
    path: Path,
    named: Path | None,
    screen: Screen,
    *,
    new_file: Path | None,
    to_keyring: bool,
) -> None:
    """Encrypt every vault of an inventory with a new password, stored where the old one was.

    named: --vault-password-file. new_file: file with the new password, None for a random one.
    to_keyring: store the new password in the keyring instead.
    Raises CommandError before any change if the old password does not open a file, or if there is
    no place for the new one. If one file cannot be written, none is.
    """
    inventory = Inventory(path)
    vaults = _vaults(inventory)
    if not vaults:
        raise usage_error(
            str(path), "no vault", "a vault to encrypt", "create one with: kai-ansible config"
        )
    old = needed_password(single_password(named, path), path)
    opened = {vault: unlock(text, old, vault) for vault, text in vaults.items()}
    secret = read_password_file(new_file) if new_file else made_secret().encode()
    if secret == old.secret:
        raise usage_error(
            str(new_file), "the current password", "a new password", "write a new one to the file"
        )
    new = _placed(VaultPassword(secret, None), old, path, new_file, to_keyring=to_keyring)
    texts = {vault: lock(text, new) for vault, text in opened.items()}
    former = None
    if new.path and new.path != new_file:
        # other inventories may use the old one, and an interrupted run needs both
        former = new.path.with_name(f"{new.path.name}.{fingerprint(old.text)}")
        texts = {former: old.text + "\n", new.path: new.text + "\n", **texts}
    _write(texts, old, new)
    for vault in vaults:
        screen.good(f"Encrypted with the new password: {vault}")
    screen.say(f"New vault password: {new.place}. Keep a copy of it.")
    if former:
        screen.say(f"Old vault password: {former}. Remove it when no vault uses it any more.")
    if new_file and new.path == new_file:
        screen.say(f"Add this option from now on: --vault-password-file {new_file}")
    screen.document(
        {
            "locked": [str(vault) for vault in vaults],
            "password": new.place,
            "former_password": str(former) if former else None,
        }
    )


def report_password_place(path: Path, named: Path | None, screen: Screen) -> None:
    """Report where the vault password of an inventory is stored, and its fingerprint."""
    inventory = Inventory(path)
    found = single_password(named, path)
    if found.made and _vaults(inventory):
        raise no_password(path)
    if found.made:
        raise usage_error(
            str(path),
            "no vault and no vault password",
            "a vault",
            "create both with: kai-ansible config",
        )
    screen.say(f"Vault password: {found.place}, fingerprint {fingerprint(found.text)}.")
    screen.document({"password": found.place, "fingerprint": fingerprint(found.text)})


def move_password_to_keyring(path: Path, screen: Screen) -> None:
    """Move the vault password from kai-ansible's own file to the keyring.

    Raises CommandError without such a file, without a keyring, and if the password does not open
    every vault of the inventory.
    """
    own = own_password_file()
    inventory = Inventory(path)
    if not own.exists():
        raise usage_error(
            str(own),
            "no vault password",
            "the vault password to move",
            "see where it is with: kai-ansible vault password",
        )
    password = VaultPassword(read_password_file(own), own)
    for vault, text in _vaults(inventory).items():
        unlock(text, password, vault)
    entry = _entry(path)
    _put(entry, password)
    own.unlink()
    screen.good(f"Moved the vault password from {own} to the keyring entry {entry}.")
    screen.notes(["Only this inventory, at this path, uses the entry."])
    screen.document({"password": "the keyring", "removed": str(own)})


def _vaults(inventory: Inventory) -> dict[Path, str]:
    """Return the text of every vault file. Raises CommandError for values encrypted inline."""
    found = {}
    inline = []
    for file in inventory.files_with_vaults():
        text = read_text(file)
        if text.startswith(VAULT_HEADER):
            found[file] = text
        else:
            inline.append(file)
    if inline:
        raise usage_error(
            ", ".join(map(str, inline)),
            "values encrypted inline (!vault)",
            "vault files",
            "move these values to a vault.yml first",
        )
    return found


def _placed(
    new: VaultPassword,
    old: VaultPassword,
    path: Path,
    new_file: Path | None,
    *,
    to_keyring: bool,
) -> VaultPassword:
    """Return the new password with the place to store it."""
    if to_keyring or old.keyring_entry:
        return VaultPassword(new.secret, None, keyring_entry=_entry(path))
    if old.path == own_password_file():
        return VaultPassword(new.secret, old.path)
    if new_file:
        return VaultPassword(new.secret, new_file)
    if old.path and not os.access(old.path, os.X_OK):
        return VaultPassword(new.secret, old.path)
    raise usage_error(
        "the vault password",
        f"the old password in {old.place}, which cannot store a new one",
        "a place for the new password",
        "add --keyring or --new-vault-password-file FILE",
    )


def _write(texts: Mapping[Path, str], old: VaultPassword, new: VaultPassword) -> None:
    entry = new.keyring_entry
    replaces = entry is not None and old.keyring_entry == entry
    if entry:
        if replaces:
            # an interrupted run needs both
            _put(entry + _FORMER, old)
        _put(entry, new)
    failure = None
    try:
        write_files(texts)
    except OSError as error:
        failure = error
        if entry and replaces:
            _put(entry, old)
        elif entry:
            _forget(entry)
    if entry and replaces:
        _forget(entry + _FORMER)
    if failure:
        raise usage_error(
            str(failure.filename),
            str(failure.strerror),
            "a writable place",
            f"ls -l {shlex.quote(str(failure.filename))}",
            message="Nothing was written.",
        ) from failure


def _entry(path: Path) -> str:
    if through_sudo():
        raise usage_error(
            "the keyring",
            "that of root, because of sudo",
            "your own",
            "run the command without sudo",
        )
    return keyring_entry(path)


def _put(entry: str, password: VaultPassword) -> None:
    try:
        put_into_keyring(entry, password.text)
    except NoKeyring as error:
        raise usage_error(
            "the keyring",
            f"not usable: {error}",
            "an unlocked keyring",
            "unlock it, or store the password in a file",
            message="Nothing was written.",
        ) from error


def _forget(entry: str) -> None:
    try:
        take_out_of_keyring(entry)
    except NoKeyring as error:
        raise usage_error(
            f"keyring entry {entry!r}",
            f"not removable: {error}",
            "no entry",
            "remove it with the program of your keyring",
            message="Everything else is done.",
        ) from error
