"""The vault password: where it comes from, and text that it locks."""

from __future__ import annotations

import getpass
import os
import secrets
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from kai_ansible.errors import CommandError, refusal
from kai_ansible.files import write_private
from kai_ansible.host.files import Damaged, look
from kai_ansible.operator import config_dir, through_sudo
from kai_ansible.rules.documents import Unfit, read_text
from kai_ansible.secrets.keyrings import password_in_keyring

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
    label: the vault id that it belongs to. others: the passwords of further vault ids, by label.
    """

    secret: VaultSecret
    path: Path | None
    made: bool = False
    keyring_entry: str | None = None
    label: str = VAULT_ID
    others: tuple[tuple[str, VaultSecret], ...] = ()

    @property
    def secrets(self) -> list[tuple[str, VaultSecret]]:
        """Every password with its vault id, this one first."""
        return [(self.label, self.secret), *self.others]

    @property
    def text(self) -> str:
        """The password itself."""
        text: str = self.secret.bytes.decode()
        return text

    @property
    def place(self) -> str:
        """Where it comes from, in words."""
        if self.label != VAULT_ID:
            return f"the vault id {self.label}"
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
    named: Path | None,
    inventory: Path,
    *,
    needed: bool,
    may_ask: bool,
    ids: Sequence[str] | None = (),
) -> VaultPassword:
    """Return the vault password from the first place that has one, and those of all vault ids.

    The places: ``named`` (--vault-password-file), ANSIBLE_VAULT_PASSWORD_FILE, the first vault id,
    the keyring's entry for the inventory, our own file, and the terminal if ``may_ask``. needed:
    whether a vault exists that has to be opened; if none does and no place has a password, a random
    one is made. ids: LABEL@SOURCE each (--vault-id); those that Ansible is configured with come
    before them, and None is for no vault ids at all. Raises CommandError for a place that cannot be
    read, and when nobody can be asked.
    """
    from ansible import constants

    configured = [] if ids is None else [*constants.DEFAULT_VAULT_IDENTITY_LIST, *ids]
    others = tuple(_identity(str(given), may_ask=may_ask) for given in configured)
    if not others:
        return _single_password(named, inventory, needed=needed, may_ask=may_ask)
    single = _single_password(named, inventory, needed=False, may_ask=False)
    if not (named or os.environ.get("ANSIBLE_VAULT_PASSWORD_FILE")):
        # what is new is locked with the first vault id; our own password may still open something
        more = () if single.made else (*others[1:], (VAULT_ID, single.secret))
        (label, secret), *rest = others
        return VaultPassword(secret, None, label=label, others=more or tuple(rest))
    return replace(single, others=others)


def _identity(given: str, *, may_ask: bool) -> tuple[str, VaultSecret]:
    """Return the label and the password of a vault id. Raises CommandError."""
    from ansible.parsing.vault import VaultSecret

    label, at, source = given.partition("@")
    if not at:
        label, source = VAULT_ID, given
    if source not in ("prompt", "prompt_ask_vault_pass"):
        return label, read_password_file(Path(source).expanduser(), label)
    if not (may_ask and sys.stdin.isatty()):
        raise refusal(
            f"--vault-id {given}",
            "no terminal to ask for the password",
            "a terminal, or the name of a file",
            f"give it as --vault-id {label}@FILE",
        )
    return label, VaultSecret(getpass.getpass(f"Vault password ({label}): ").encode())


def _single_password(
    named: Path | None, inventory: Path, *, needed: bool, may_ask: bool
) -> VaultPassword:
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


def read_password_file(path: Path, label: str | None = None) -> VaultSecret:
    """Return the password that a file holds or a script prints. Raises CommandError.

    label: the vault id that a script is asked for, when its name says that it takes one.
    """
    from ansible.errors import AnsibleError
    from ansible.parsing.dataloader import DataLoader
    from ansible.parsing.vault import get_file_vault_secret

    if path == own_password_file():
        # a script or a pipe is given by name; here lies what an earlier run wrote
        try:
            look(str(path), f"look at it: ls -l {path}", links=True)
        except Damaged as error:
            raise CommandError("Nothing was changed.", problems=[error.problem]) from error
    try:
        secret = get_file_vault_secret(filename=str(path), vault_id=label, loader=DataLoader())
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


def lock(text: str, password: VaultPassword, former: str = "") -> str:
    """Return text encrypted by ansible-vault, with the vault id and password of a former text."""
    from ansible.parsing.vault import VaultLib

    vault = VaultLib(secrets=password.secrets)
    label, secret = password.secrets[0]
    if former.startswith(VAULT_HEADER):
        _, label, secret = vault.decrypt_and_get_vault_id(former)
    locked: str = vault.encrypt(text, secret=secret, vault_id=label).decode()
    return locked


def unlock(text: str, password: VaultPassword, path: Path) -> str:
    """Return what a vault file holds. Raises CommandError when the password is another one."""
    from ansible.errors import AnsibleError
    from ansible.parsing.vault import VaultLib

    try:
        opened = VaultLib(secrets=password.secrets).decrypt(text)
    except AnsibleError as error:
        # $ANSIBLE_VAULT;1.2;AES256;LABEL
        label = ";".join(text.partition("\n")[0].strip().split(";")[3:])
        given = ", nor that of ".join([password.place, *(other for other, _ in password.others)])
        whose = f" of {label}" if label else ""
        raise refusal(
            str(path),
            f"a vault{whose} that the password from {given} does not open",
            "the password that it was locked with",
            f"name the right one with --vault-id {label}@FILE"
            if label
            else "name the right one with --vault-password-file",
        ) from error
    try:
        return read_text(opened)
    except Unfit as error:
        raise refusal(
            f"{path}{error.place}, opened",
            error.found,
            error.expected,
            f"mend it: ansible-vault edit {path}",
        ) from error
