"""The vault password: where it comes from, and text that it locks."""

from __future__ import annotations

import getpass
import os
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kai_ansible.errors import refusal
from kai_ansible.files import write_private
from kai_ansible.invoker import config_dir, through_sudo
from kai_ansible.keyrings import password_in_keyring

if TYPE_CHECKING:
    from ansible.parsing.vault import VaultSecret

VAULT_HEADER = "$ANSIBLE_VAULT"
VAULT_ID = "default"
PASSWORD_BYTES = 32


@dataclass(frozen=True)
class VaultPassword:
    """A vault password.

    path: the file or script that gives it, None when it comes from elsewhere.
    made: whether it was made by this run and is not on the disk before ``keep``.
    keyring_entry: where the keyring has it, None when it comes from elsewhere.
    """

    secret: VaultSecret
    path: Path | None
    made: bool = False
    keyring_entry: str | None = None

    @property
    def text(self) -> str:
        """The password itself."""
        text: str = self.secret.bytes.decode()
        return text

    @property
    def place(self) -> str:
        """Where it comes from, in words."""
        return str(self.path or ("the keyring" if self.keyring_entry else "the terminal"))

    def keep(self) -> None:
        """Write a password that this run made to its file, 0600."""
        if self.made and self.path:
            write_private({self.path: self.text + "\n"})


def own_password_file() -> Path:
    """Return where a password is kept when the operator named no other place."""
    return config_dir() / "vault-password"


def keyring_entry(inventory: Path) -> str:
    """Return the entry of the keyring that has the vault password of an inventory."""
    return str(inventory.resolve())


def find_vault_password(
    named: Path | None, inventory: Path, *, needed: bool, may_ask: bool
) -> VaultPassword:
    """Return the vault password from the first place that has one.

    The places: ``named`` (--vault-password-file), ANSIBLE_VAULT_PASSWORD_FILE, the keyring's entry
    for the inventory, our own file, and the terminal if ``may_ask``. needed: whether a vault exists
    that has to be opened; if none does and no place has a password, a random one is made. Raises
    CommandError for a place that cannot be read, and when nobody can be asked.
    """
    from ansible.parsing.vault import VaultSecret

    environment = os.environ.get("ANSIBLE_VAULT_PASSWORD_FILE")
    path = named or (Path(environment).expanduser() if environment else None)
    # through sudo the keyring would be root's
    if path is None and through_sudo() is None:
        entry = keyring_entry(inventory)
        kept = password_in_keyring(entry)
        if kept:
            return VaultPassword(VaultSecret(kept.encode()), None, keyring_entry=entry)
    if path is None and own_password_file().exists():
        path = own_password_file()
    if path is not None:
        return VaultPassword(read_password_file(path), path)
    if not needed:
        return VaultPassword(random_secret(), own_password_file(), made=True)
    if may_ask and sys.stdin.isatty():
        typed = getpass.getpass("Vault password: ")
        return VaultPassword(VaultSecret(typed.encode()), None)
    raise refusal(
        str(inventory),
        "a vault that is locked, and no vault password",
        "the password in one of its places",
        "name its file with --vault-password-file",
    )


def random_secret() -> VaultSecret:
    """Return a new password."""
    from ansible.parsing.vault import VaultSecret

    return VaultSecret(secrets.token_urlsafe(PASSWORD_BYTES).encode())


def read_password_file(path: Path) -> VaultSecret:
    """Return the password that a file holds or a script prints. Raises CommandError."""
    from ansible.errors import AnsibleError
    from ansible.parsing.dataloader import DataLoader
    from ansible.parsing.vault import get_file_vault_secret

    try:
        secret = get_file_vault_secret(filename=str(path), loader=DataLoader())
        secret.load()
    except AnsibleError as error:
        raise refusal(
            str(path),
            f"no vault password: {' '.join(str(error).split())}",
            "a file that holds it, or a script that prints it",
            "mend it, or name another place with --vault-password-file",
        ) from error
    found: VaultSecret = secret
    return found


def lock(text: str, password: VaultPassword) -> str:
    """Return text encrypted by ansible-vault."""
    from ansible.parsing.vault import VaultLib

    vault = VaultLib(secrets=[(VAULT_ID, password.secret)])
    locked: str = vault.encrypt(text, secret=password.secret).decode()
    return locked


def unlock(text: str, password: VaultPassword, path: Path) -> str:
    """Return what a vault file holds. Raises CommandError when the password is another one."""
    from ansible.errors import AnsibleError
    from ansible.parsing.vault import VaultLib

    try:
        opened: str = VaultLib(secrets=[(VAULT_ID, password.secret)]).decrypt(text).decode()
    except AnsibleError as error:
        raise refusal(
            str(path),
            f"a vault that the password from {password.place} does not open",
            "the password that it was locked with",
            "name the right one with --vault-password-file",
        ) from error
    return opened
