"""Find the vault password, and encrypt and decrypt text with it."""

from __future__ import annotations

import getpass
import os
import shlex
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from kai_ansible.ansible.api import (
    AnsibleRefused,
    configured_vault_sources,
    decrypt,
    encrypt,
    label_and_source,
    password_of,
)
from kai_ansible.ansible.reading import Session, vault_arguments
from kai_ansible.errors import CommandError, usage_error
from kai_ansible.files import write_files
from kai_ansible.host.files import Damaged, look
from kai_ansible.operator import config_dir, through_sudo
from kai_ansible.rules.documents import Unfit, read_text
from kai_ansible.secrets.keyrings import passwords_in_keyring
from kai_ansible.secrets.made import made_secret

VAULT_HEADER = "$ANSIBLE_VAULT"
VAULT_ID = "default"
# the sources for which Ansible asks (ansible-playbook(1), --vault-id)
_PROMPTS = ("prompt", "prompt_ask_vault_pass")


@dataclass(frozen=True)
class VaultPassword:
    """A vault password.

    path: the file or script that gives it, None for another origin.
    made: whether this run made it; it is not on the disk before ``keep``.
    keyring_entry: its entry in the keyring, None for another origin.
    label: its vault id. others: the passwords of further vault ids, by label.
    """

    secret: bytes = field(repr=False)
    path: Path | None
    made: bool = False
    keyring_entry: str | None = None
    label: str = VAULT_ID
    others: tuple[tuple[str, bytes], ...] = field(default=(), repr=False)

    @property
    def secrets(self) -> list[tuple[str, bytes]]:
        """Every password with its vault id, this one first."""
        return [(self.label, self.secret), *self.others]

    @property
    def text(self) -> str:
        """The password itself. Raises CommandError for bytes that are no text."""
        try:
            return self.secret.decode()
        except UnicodeDecodeError as error:
            raise usage_error(
                self.place,
                "a password that is not UTF-8 text",
                "text, so that it can be kept and shown",
                "use ansible-vault rekey with this one",
            ) from error

    @property
    def place(self) -> str:
        """The origin of the password, in words."""
        if self.label != VAULT_ID:
            return f"the vault id {self.label}"
        return str(self.path or ("the keyring" if self.keyring_entry else "the terminal"))

    def keep(self) -> None:
        """Write a password that this run made to its file, with mode 0600."""
        if self.made and self.path:
            write_files({self.path: self.text + "\n"})


def own_password_file() -> Path:
    """Return the file of the password if the operator named no other place."""
    return config_dir() / "vault-password"


def keyring_entry(inventory: Path) -> str:
    """Return the name of the keyring's entry for the vault password of an inventory."""
    return str(inventory.resolve())


@dataclass(frozen=True)
class VaultSources:
    """The vault passwords that the command line names: a file or script, and vault ids."""

    named: Path | None
    ids: Sequence[str]

    def arguments(self, own: VaultPassword | None, directory: Path) -> list[str]:
        """Return arguments of Ansible, with the own password in a file of a private directory.

        Raises CommandError for a source that is not there: Ansible would go on with our own.
        """
        typed = [str(self.named)] if self.named else []
        typed += [source for _label, source in map(label_and_source, self.ids)]
        _refuse(filter(_is_missing, typed))
        found = []
        for number, given in enumerate(self.ids):
            label, source = label_and_source(given)
            path = _path_of(source)
            if source not in _PROMPTS and _gives_once(path):
                copy = _copy(path, directory / f"given-password-{number}")
                given = f"{label}@{copy}"
            found += ["--vault-id", given]
        if self.named:
            named = self.named
            if _gives_once(_path_of(str(named))):
                named = _copy(_path_of(str(named)), directory / "given-password")
            found += ["--vault-password-file", str(named)]
        passwords = own.secrets if own else []
        return found + vault_arguments(passwords, directory)

    def refuse_missing_of_settings(self, session: Session) -> None:
        """Raise CommandError if the settings of Ansible name sources, and none of them is there."""
        configured = [source for _label, source in session.vault_sources]
        if not (self.named or self.ids) and all(map(_is_missing, configured)):
            _refuse(configured)

    @property
    def asks(self) -> bool:
        """Whether Ansible asks for one of the passwords, which is then known to it alone."""
        return any(source in _PROMPTS for _label, source in self._labelled())

    def all_that_need_no_answer(self, own: VaultPassword | None) -> VaultPassword | None:
        """Return every password that needs no prompt, to name a vault that none of them opens."""
        sources = [(VAULT_ID, str(self.named))] if self.named else []
        found: list[VaultPassword] = []
        for label, source in [*sources, *self._labelled()]:
            if source not in _PROMPTS:
                path = _path_of(source)
                found.append(VaultPassword(read_password_file(path, label), path, label=label))
        found += [own] if own else []
        if not found:
            return None
        others = tuple((other.place, other.secret) for other in found[1:])
        return replace(found[0], others=others)

    def _labelled(self) -> list[tuple[str, str]]:
        """Return label and source of each vault id, those of Ansible's settings last."""
        return [*map(label_and_source, self.ids), *_configured()]


def own_password(inventory: Path) -> VaultPassword | None:
    """Return kai-ansible's own password: from the keyring's entry of the inventory, or its file.

    Raises CommandError for an unreadable file.
    """
    # through sudo the keyring would be root's
    if through_sudo() is None:
        entry = keyring_entry(inventory)
        kept = passwords_in_keyring([entry]).get(entry)
        if kept:
            return VaultPassword(kept.encode(), None, keyring_entry=entry)
    path = own_password_file()
    return VaultPassword(read_password_file(path), path) if path.exists() else None


def chosen_password(
    session: Session, sources: VaultSources, own: VaultPassword | None
) -> VaultPassword:
    """Return the password that encrypts new vaults, with all that decrypt others.

    The operator's own comes first; without any, makes a new one.
    """
    mine = own.secret if own else None
    given = [(label, password) for label, password in session.vault if password != mine]
    if not given:
        return own or made_password()
    first = given[0]
    if session.encrypt_with:
        first = next((one for one in given if one[0] == session.encrypt_with), first)
    elif sources.named:
        first = next((one for one in given if one[0] == VAULT_ID), first)
    others = [(label, password) for label, password in given if password != first[1]]
    others += [(VAULT_ID, own.secret)] if own else []
    return VaultPassword(first[1], sources.named, label=first[0], others=tuple(others))


def single_password(named: Path | None, inventory: Path) -> VaultPassword:
    """Return the one password that ``vault`` manages, a new one if no place has one.

    named: the file that gives it; without one, the file of the operator's settings, the keyring, or
    kai-ansible's own file. Raises CommandError for an unreadable place.
    """
    path = named
    if path is None:
        configured = [source for label, source in _configured() if label == VAULT_ID]
        path = _path_of(configured[-1]) if configured else None
    if path is not None:
        return VaultPassword(read_password_file(path), path)
    return own_password(inventory) or made_password()


def made_password() -> VaultPassword:
    """Return a new password for kai-ansible's own file."""
    return VaultPassword(made_secret().encode(), own_password_file(), made=True)


def needed_password(found: VaultPassword, inventory: Path) -> VaultPassword:
    """Return the password; if only a new one was found, ask at the terminal.

    Raises CommandError without a terminal.
    """
    if not found.made:
        return found
    if sys.stdin.isatty():
        return VaultPassword(getpass.getpass("Vault password: ").encode(), None)
    raise no_password(inventory)


def no_password(inventory: Path) -> CommandError:
    """Return the error of an encrypted vault without any password."""
    return usage_error(
        str(inventory),
        "an encrypted vault, and no vault password",
        "the password in one of its places",
        "name its file with --vault-password-file",
    )


def _configured() -> list[tuple[str, str]]:
    try:
        return configured_vault_sources()
    except AnsibleRefused as error:
        raise usage_error(
            "the configuration of Ansible",
            str(error),
            "one that Ansible can read",
            "fix it; ansible-config dump reads it again",
        ) from error


def read_password_file(path: Path, label: str | None = None) -> bytes:
    """Return the password of a file or of a script's output. Raises CommandError.

    label: the vault id to ask a script for, if its name shows that it takes one.
    """
    if path == own_password_file():
        # the operator names scripts and pipes; this file is one that an earlier run wrote
        try:
            content = look(
                str(path), f"inspect it: ls -l {shlex.quote(str(path))}", links=True
            ).content
        except Damaged as error:
            raise CommandError("Nothing was changed.", problems=[error.problem]) from error
        password = (content or b"").strip()
        if not password:
            raise _no_password_in(path, "an empty file")
        return password
    return _read_once(path) if _gives_once(path) else _read(path, label)


@cache
def _read_once(path: Path) -> bytes:
    # what it gave is asked for again, such as to name a vault that it does not open
    return _read(path)


def _read(path: Path, label: str | None = None) -> bytes:
    try:
        return password_of(path, label)
    except AnsibleRefused as error:
        raise _no_password_in(path, str(error)) from error


def _gives_once(path: Path) -> bool:
    """Return whether a path is a pipe of the operator's shell, open in this process alone."""
    return str(path).startswith("/dev/") or path.is_fifo()


def _copy(path: Path, copy: Path) -> Path:
    """Write what a pipe gives into a new private file, which Ansible can read; return that."""
    copy.touch(mode=0o600)
    copy.write_bytes(_read_once(path))
    return copy


def _is_missing(source: str) -> bool:
    return source not in _PROMPTS and not _path_of(source).exists()


def _path_of(source: str) -> Path:
    # as Ansible finds it; pathlib needs a home
    return Path(os.path.expandvars(os.path.expanduser(source)))  # noqa: PTH111


def _refuse(missing: Iterable[str]) -> None:
    problems = [_no_password_in(Path(one), "no file").problems[0] for one in missing]
    if problems:
        raise CommandError("Nothing was changed.", problems=problems)


def _no_password_in(path: Path, reason: str) -> CommandError:
    return usage_error(
        str(path),
        f"no vault password: {reason}",
        "a file that contains it, or a script that prints it",
        "fix it, or name another place with --vault-password-file",
    )


def lock(text: str, password: VaultPassword, former: str = "") -> str:
    """Encrypt text by ansible-vault, with the vault id and password of a former text."""
    return encrypt(text, password.secrets, former if former.startswith(VAULT_HEADER) else "")


def opens(text: str, password: VaultPassword) -> bool:
    """Return whether a password opens the text of a vault file."""
    try:
        decrypt(text, password.secrets)
    except AnsibleRefused:
        return False
    return True


def unlock(text: str, password: VaultPassword, path: Path) -> str:
    """Decrypt the text of a vault file. Raises CommandError if the password is wrong."""
    try:
        opened = decrypt(text, password.secrets)
    except AnsibleRefused as error:
        # $ANSIBLE_VAULT;1.2;AES256;LABEL
        label = ";".join(text.partition("\n")[0].strip().split(";")[3:])
        given = ", nor that of ".join([password.place, *(other for other, _ in password.others)])
        whose = f" of {label}" if label else ""
        raise usage_error(
            str(path),
            f"a vault{whose} that the password from {given} does not open",
            "the password that encrypted it",
            f"name the right one with --vault-id {label}@FILE"
            if label
            else "name the right one with --vault-password-file",
        ) from error
    try:
        return read_text(opened)
    except Unfit as error:
        raise usage_error(
            f"{path}{error.place}, opened",
            error.found,
            error.expected,
            f"fix it: ansible-vault edit {shlex.quote(str(path))}",
        ) from error
