"""The commands ``vault rekey`` and ``vault password``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from kai_ansible.errors import refusal
from kai_ansible.files import write_private
from kai_ansible.inventory.inventory import Inventory, read_text
from kai_ansible.operator import at_terminal, through_sudo
from kai_ansible.rules.redact import fingerprint
from kai_ansible.secrets.keyrings import NoKeyring, put_into_keyring, take_out_of_keyring
from kai_ansible.secrets.vault_password import (
    VAULT_HEADER,
    VaultPassword,
    find_vault_password,
    keyring_entry,
    lock,
    own_password_file,
    random_secret,
    read_password_file,
    unlock,
)

if TYPE_CHECKING:
    from kai_ansible.terminal.screen import Screen

_FORMER = " (former)"
_READ_BY_ANSIBLE = ("", ".yml", ".yaml", ".json")


def rekey_vaults(
    path: Path,
    named: Path | None,
    screen: Screen,
    *,
    new_file: Path | None,
    to_keyring: bool,
) -> None:
    """Lock every vault of an inventory with a new password, and keep it where the old one was.

    named: --vault-password-file. new_file: gives the new password, which is random otherwise.
    Raises CommandError before any change for a file that the old password does not open and for a
    new password that could not be kept; when a file cannot be written, none is.
    """
    inventory = Inventory(path)
    vaults = _vaults(inventory)
    if not vaults:
        raise refusal(
            str(path), "no vault", "one that can be locked anew", "kai-ansible config makes one"
        )
    old = find_vault_password(named, path, needed=True, may_ask=at_terminal(), ids=None)
    opened = {vault: unlock(text, old, vault) for vault, text in vaults.items()}
    secret = read_password_file(new_file) if new_file else random_secret()
    if secret.bytes == old.secret.bytes:
        raise refusal(
            str(new_file), "the password that is in use", "a new one", "put another one there"
        )
    new = _placed(VaultPassword(secret, None), old, path, new_file, to_keyring=to_keyring)
    texts = {vault: lock(text, new) for vault, text in opened.items()}
    former = None
    if new.path and new.path != new_file:
        # other inventories may be locked with the old one, and a run that is cut short needs both
        former = new.path.with_name(f"{new.path.name}.{fingerprint(old.text)}")
        texts = {former: old.text + "\n", new.path: new.text + "\n", **texts}
    _write(texts, old, new)
    for vault in vaults:
        screen.good(f"Locked anew: {vault}")
    screen.say(f"The new vault password is in {new.place}: keep a copy of it.")
    if former:
        screen.say(f"The former one is in {former}: remove it when nothing is locked with it.")
    if new_file and new.path == new_file:
        screen.say(f"From now on name it: --vault-password-file {new_file}")
    screen.document(
        {
            "locked": [str(vault) for vault in vaults],
            "password": new.place,
            "former_password": str(former) if former else None,
        }
    )


def tell_password_place(path: Path, named: Path | None, screen: Screen) -> None:
    """Tell where the vault password of an inventory comes from, and its fingerprint."""
    inventory = Inventory(path)
    needed = bool(_vaults(inventory))
    found = find_vault_password(named, path, needed=needed, may_ask=False, ids=None)
    if found.made:
        raise refusal(
            str(path),
            "no vault, and no vault password yet",
            "a vault",
            "kai-ansible config makes both",
        )
    screen.say(f"The vault password is in {found.place}, fingerprint {fingerprint(found.text)}.")
    screen.document({"password": found.place, "fingerprint": fingerprint(found.text)})


def move_password_to_keyring(path: Path, screen: Screen) -> None:
    """Move the vault password from our own file to the keyring's entry of an inventory.

    Raises CommandError when there is no such file, no keyring, or when the password opens
    something less than every vault of the inventory.
    """
    own = own_password_file()
    inventory = Inventory(path)
    if not own.exists():
        raise refusal(
            str(own),
            "no vault password",
            "the one to move",
            "kai-ansible vault password tells where it is",
        )
    password = VaultPassword(read_password_file(own), own)
    for vault, text in _vaults(inventory).items():
        unlock(text, password, vault)
    entry = _entry(path)
    _put(entry, password)
    own.unlink()
    screen.good(f"The vault password moved from {own} to the keyring, for {entry}.")
    screen.notes(["An inventory in another place does not find it there."])
    screen.document({"password": "the keyring", "removed": str(own)})


def _vaults(inventory: Inventory) -> dict[Path, str]:
    """Return the text of every locked file of an inventory; refuse values locked by themselves."""
    found = {}
    inline = []
    directories = [inventory.directory / name for name in ("group_vars", "host_vars")]
    files = [file for directory in directories for file in directory.rglob("*")]
    files += inventory.path.glob("*") if inventory.path.is_dir() else [inventory.path]
    for file in sorted(files):
        if file.suffix not in _READ_BY_ANSIBLE or not file.is_file():
            continue
        text = read_text(file)
        if text.startswith(VAULT_HEADER):
            found[file] = text
        elif VAULT_HEADER in text:
            inline.append(file)
    if inline:
        raise refusal(
            ", ".join(map(str, inline)),
            "single values that are locked (!vault)",
            "whole files that are",
            "move those values to a vault.yml first",
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
    """Return the new password with the place where it will be found."""
    if to_keyring or old.keyring_entry:
        return VaultPassword(new.secret, None, keyring_entry=_entry(path))
    if old.path == own_password_file():
        return VaultPassword(new.secret, old.path)
    if new_file:
        return VaultPassword(new.secret, new_file)
    if old.path and not os.access(old.path, os.X_OK):
        return VaultPassword(new.secret, old.path)
    raise refusal(
        "the vault password",
        f"the old one in {old.place}, where a new one cannot be kept",
        "a place for the new one",
        "name it with --keyring or --new-vault-password-file FILE",
    )


def _write(texts: Mapping[Path, str], old: VaultPassword, new: VaultPassword) -> None:
    entry = new.keyring_entry
    replaces = entry is not None and old.keyring_entry == entry
    if entry:
        if replaces:
            # a run that is cut short needs both
            _put(entry + _FORMER, old)
        _put(entry, new)
    failure = None
    try:
        write_private(texts)
    except OSError as error:
        failure = error
        if entry and replaces:
            _put(entry, old)
        elif entry:
            _forget(entry)
    if entry and replaces:
        _forget(entry + _FORMER)
    if failure:
        raise refusal(
            str(failure.filename),
            str(failure.strerror),
            "a place that you can write to",
            f"ls -l {failure.filename}",
            told="Nothing was written.",
        ) from failure


def _entry(path: Path) -> str:
    if through_sudo():
        raise refusal(
            "the keyring", "root's, as this runs through sudo", "your own", "run this without sudo"
        )
    return keyring_entry(path)


def _put(entry: str, password: VaultPassword) -> None:
    try:
        put_into_keyring(entry, password.text)
    except NoKeyring as error:
        raise refusal(
            "the keyring",
            f"none that can be used: {error}",
            "one that is unlocked",
            "unlock it, or keep the password in a file",
            told="Nothing was written.",
        ) from error


def _forget(entry: str) -> None:
    try:
        take_out_of_keyring(entry)
    except NoKeyring as error:
        raise refusal(
            f"the keyring's entry {entry!r}",
            f"what cannot be removed: {error}",
            "that it goes",
            "remove it with the keyring's own program",
            told="Everything else is done.",
        ) from error
