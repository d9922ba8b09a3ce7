"""The vault password: where it comes from, and text that it locks."""

from __future__ import annotations

import getpass
import hashlib
import os
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kai_ansible.errors import CommandError
from kai_ansible.files import write_private
from kai_ansible.invoker import config_dir

if TYPE_CHECKING:
    from ansible.parsing.vault import VaultSecret

VAULT_HEADER = "$ANSIBLE_VAULT"
VAULT_ID = "default"


@dataclass(frozen=True)
class VaultPassword:
    """A vault password.

    path: the file or script that gives it, None when it was typed.
    made: whether it was made by this run and is not on the disk before ``keep``.
    """

    secret: VaultSecret
    path: Path | None
    made: bool = False

    def keep(self) -> None:
        """Write a password that this run made to its file, 0600."""
        if self.made and self.path:
            write_private({self.path: self.secret.bytes.decode() + "\n"})


def own_password_file() -> Path:
    """Return where a password is kept when the operator named no other place."""
    return config_dir() / "vault-password"


def find_vault_password(named: Path | None, *, needed: bool, may_ask: bool) -> VaultPassword | None:
    """Return the vault password from the first place that has one.

    The places: ``named`` (--vault-password-file), ANSIBLE_VAULT_PASSWORD_FILE, our own file, and
    the terminal if ``may_ask``. needed: whether a vault exists that has to be opened; if none does
    and no place has a password, a random one is made. Returns None when a vault is needed and
    nobody can be asked. Raises CommandError for a place that cannot be read.
    """
    from ansible.parsing.vault import VaultSecret

    environment = os.environ.get("ANSIBLE_VAULT_PASSWORD_FILE")
    path = named or (Path(environment).expanduser() if environment else None)
    if path is None and own_password_file().exists():
        path = own_password_file()
    if path is not None:
        return VaultPassword(_read(path), path)
    if not needed:
        made = VaultSecret(secrets.token_urlsafe(32).encode())
        return VaultPassword(made, own_password_file(), made=True)
    if may_ask and sys.stdin.isatty():
        typed = getpass.getpass("Vault password: ")
        return VaultPassword(VaultSecret(typed.encode()), None)
    return None


def _read(path: Path) -> VaultSecret:
    from ansible.errors import AnsibleError
    from ansible.parsing.dataloader import DataLoader
    from ansible.parsing.vault import get_file_vault_secret

    try:
        secret = get_file_vault_secret(filename=str(path), loader=DataLoader())
        secret.load()
    except AnsibleError as error:
        raise CommandError(
            f"The vault password cannot be read from {path}: {' '.join(str(error).split())}\n"
            f"Name another place with --vault-password-file, or mend that file."
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
        place = password.path or "the terminal"
        raise CommandError(
            f"{path} cannot be opened: the vault password from {place} is not the one it was "
            f"locked with.\nName the right one with --vault-password-file."
        ) from error
    return opened


def fingerprint(secret: str) -> str:
    """Return a mark by which an operator can tell two secrets apart, and nobody can guess one."""
    digest = hashlib.scrypt(secret.encode(), salt=b"kai-ansible", n=2**12, r=8, p=1)
    return digest.hex()[:8]
