"""The file of a backup: a tar of its key, encrypted by ansible-vault, and of its encrypted data.

``key`` is an age identity of this one backup. ``data.tar.gz.age`` is the archive of
rules/backup_archive, encrypted to it. Standard tools can open both.

The archive is made on the host, so root there decides on all of it, the host_vars too. A comment in
the key, which the host never gets, holds the digest of those that the controller gave.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

import pyrage

from kai_ansible.controller.decrypted_backup import decrypted
from kai_ansible.errors import usage_error
from kai_ansible.files import is_there, make_private_directory, named
from kai_ansible.operator import give_to_owner_of
from kai_ansible.rules.backup_archive import BadArchive, Meta, Summary, read_archive, read_meta
from kai_ansible.secrets.vault_password import VaultPassword, lock, unlock

KEY = "key"
DATA = "data.tar.gz.age"
_BLOCK = 512
_LONGEST_KEY = 1 << 16
# age takes such a line for a comment
_SEAL = "# SHA-256 of the host_vars: "

Origin = Literal["controller", "changed", "unknown"]


def digest_of(host_vars: Mapping[str, str]) -> str:
    """Return the digest of the texts of variable files, by name."""
    return hashlib.sha256(json.dumps(host_vars, sort_keys=True).encode()).hexdigest()


class NewBackup:
    """A backup during its making: the run appends to ``beside``, which becomes ``path`` at the end.

    host_vars: the texts of the host's variable files by name, as the controller has them.
    Raises OSError if the file cannot be created.
    """

    def __init__(self, path: Path, password: VaultPassword, host_vars: Mapping[str, str]) -> None:
        self.path = path
        self.host_vars = dict(host_vars)
        self._whole = False
        self._identity = pyrage.x25519.Identity.generate()
        make_private_directory(path.parent)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        self.beside = Path(name)
        try:
            text = f"{_SEAL}{digest_of(self.host_vars)}\n{self._identity}"
            key = lock(text, password).encode()
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
    """An opened backup: the place of its data in the file, and the identity that opens it.

    sealed: the digest of the host_vars that the controller gave, None in a backup of an earlier
    version.
    """

    path: Path
    offset: int
    length: int
    identity: str
    sealed: str | None = None

    def meta(self) -> Meta:
        """Return the metadata of the backup, which the host wrote. Raises CommandError."""
        opened = decrypted(str(self.path), self.identity, self.offset, self.length)
        with _report_errors(self.path), opened as backup:
            meta = read_meta(backup)
            try:
                datetime.strptime(meta.created, "%Y-%m-%dT%H:%M:%SZ")
            except ValueError as error:
                raise BadArchive("its time is not valid") from error
            return meta

    @property
    def origin_of_host_vars(self) -> Origin:
        """Who wrote the host_vars in the backup; unknown in a backup of an earlier version.

        Raises CommandError.
        """
        if self.sealed is None:
            return "unknown"
        return "controller" if self.sealed == digest_of(self.meta().host_vars) else "changed"


def open_backup(path: Path, password: VaultPassword) -> Backup:
    """Return the backup in a file. Raises CommandError if it cannot be opened."""
    with _report_errors(path), tarfile.open(path, "r:") as tar:
        members = tar.getmembers()
        if [member.name for member in members] != [KEY, DATA] or members[0].size > _LONGEST_KEY:
            raise BadArchive("it is no backup")
        key, data = members
        opened = tar.extractfile(key)
        text = opened.read().decode("ascii", "replace") if opened and data.isreg() else ""
    lines = unlock(text, password, path).splitlines()
    identity = "\n".join(line for line in lines if not line.startswith("#"))
    seals = [line.removeprefix(_SEAL) for line in lines if line.startswith(_SEAL)]
    return Backup(path, data.offset_data, data.size, identity, seals[0] if seals else None)


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
