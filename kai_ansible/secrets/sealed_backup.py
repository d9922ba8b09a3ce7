"""The file of a backup: a tar of its key, encrypted by ansible-vault, and of its encrypted data.

``key`` is an age identity of this one backup. ``data.tar.gz.age`` is the archive of
rules/backup_archive, encrypted to it. Standard tools can open both.
"""

from __future__ import annotations

import errno
import os
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyrage

from kai_ansible.controller.decrypted_backup import decrypted
from kai_ansible.errors import usage_error
from kai_ansible.files import is_there, make_private_directory, named
from kai_ansible.operator import give_to_owner_of
from kai_ansible.rules.backup_archive import BadArchive, Meta, Summary, read_archive, read_meta
from kai_ansible.secrets.vault_password import lock, unlock

if TYPE_CHECKING:
    from kai_ansible.secrets.vault_password import VaultPassword

KEY = "key"
DATA = "data.tar.gz.age"
_BLOCK = 512
_LONGEST_KEY = 1 << 16


class NewBackup:
    """A backup during its making: the run appends to ``beside``, which becomes ``path`` at the end.

    Raises OSError if the file cannot be created.
    """

    def __init__(self, path: Path, password: VaultPassword) -> None:
        self.path = path
        self._whole = False
        self._identity = pyrage.x25519.Identity.generate()
        make_private_directory(path.parent)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        self.beside = Path(name)
        try:
            key = lock(str(self._identity), password).encode()
            with named(path), os.fdopen(descriptor, "wb") as handle:
                handle.write(_header(KEY, len(key)) + key + bytes(-len(key) % _BLOCK))
                self._at = handle.tell()
                handle.write(_header(DATA, 0))
            give_to_owner_of(path.parent, self.beside)
        except OSError:
            self.discard()
            raise

    @property
    def recipient(self) -> str:
        """The recipient to whom the run must encrypt."""
        return str(self._identity.to_public())

    @property
    def identity(self) -> str:
        """The identity that opens the backup."""
        return str(self._identity)

    def finish(self) -> Summary | None:
        """Read back the data that the run has added, and give the file its name.

        Returns None, and leaves no file, if the data is missing or incomplete. Raises OSError if
        the file cannot get its name; a complete file then stays ``beside``.
        """
        offset = self._at + _BLOCK
        size = self.beside.stat().st_size - offset
        try:
            with decrypted(str(self.beside), str(self._identity), offset, size) as backup:
                summary = read_archive(backup)
                backup.finish()
        except BadArchive:
            return None
        self._whole = True
        with self.beside.open("r+b") as handle:
            handle.seek(self._at)
            handle.write(_header(DATA, size))
            handle.seek(0, os.SEEK_END)
            handle.write(bytes(-size % _BLOCK + 2 * _BLOCK))
            handle.flush()
            os.fsync(handle.fileno())
        if is_there(self.path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(self.path))
        self.beside.rename(self.path)
        return summary

    def discard(self) -> None:
        """Remove an incomplete file."""
        if not self._whole:
            self.beside.unlink(missing_ok=True)


@dataclass(frozen=True)
class Backup:
    """An opened backup: the place of its data in the file, and the identity that opens it."""

    path: Path
    offset: int
    length: int
    identity: str

    def meta(self) -> Meta:
        """Return the metadata of the backup. Raises CommandError."""
        opened = decrypted(str(self.path), self.identity, self.offset, self.length)
        with _report_errors(self.path), opened as backup:
            return read_meta(backup)


def open_backup(path: Path, password: VaultPassword) -> Backup:
    """Return the backup in a file. Raises CommandError if it cannot be opened."""
    with _report_errors(path), tarfile.open(path, "r:") as tar:
        members = tar.getmembers()
        if [member.name for member in members] != [KEY, DATA] or members[0].size > _LONGEST_KEY:
            raise BadArchive("it is no backup")
        key, data = members
        opened = tar.extractfile(key)
        text = opened.read().decode("ascii", "replace") if opened and data.isreg() else ""
    return Backup(path, data.offset_data, data.size, unlock(text, password, path))


@contextmanager
def _report_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (BadArchive, tarfile.TarError, OSError) as error:
        raise usage_error(
            str(path),
            getattr(error, "strerror", None) or str(error),
            "a complete backup",
            "name another file, made by kai-ansible backup",
        ) from error


def _header(name: str, size: int) -> bytes:
    member = tarfile.TarInfo(name)
    member.mode = 0o600
    member.size = size
    return member.tobuf(tarfile.GNU_FORMAT)
