# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a backup holds, and reading it without believing it.

A backup is a gzipped tar::

    meta.json              what it is a backup of
    config/etc/kai/env     the deployed files, under their whole paths
    data/...               the data directory; its database is a snapshot
    manifest.json          the SHA-256 of each member, and the accounts that own some

Owners are kept by name, as tar does. A reader gets each member only after it was judged, and may
trust nothing before ``read_archive`` has returned.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import tarfile
import zlib
from dataclasses import asdict, dataclass, field
from typing import IO, TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

FORMAT = 1
META = "meta.json"
MANIFEST = "manifest.json"
CONFIG = "config"
DATA = "data"
_ROOTS = (CONFIG, DATA)
_DOCUMENT_BYTES = 1 << 28
_PIECE = 1 << 20
# a file that takes over who starts it is none of a bot's
_FILE_MODE = 0o777
_DIRECTORY_MODE = 0o3777
# each level takes a descriptor when it is walked
DEEPEST = 300

_DAMAGE = (
    *(gzip.BadGzipFile, zlib.error, tarfile.TarError),
    *(EOFError, ValueError, LookupError),
)


class BadArchive(Exception):
    """What is no backup, or one that nothing may be made of; the message says why."""


class Source(Protocol):
    """What can be read piece by piece."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to so many bytes, none at the end."""


@dataclass
class Meta:
    """What a backup is of.

    host: its name in the inventory. created: the time in UTC. release: what was live, None when
    nothing was. data_dir: where the data lay. host_vars: the texts of the host's variable files by
    name, as they lay on the controller.
    """

    host: str
    created: str
    release: str | None
    data_dir: str
    host_vars: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT


@dataclass
class Summary:
    """What was found in a backup: its meta, the accounts by name, and how much there is.

    owners, groups: names of accounts. numbers: UIDs and GIDs of owners that had no name.
    size: bytes of the files.
    """

    meta: Meta
    owners: list[str]
    groups: list[str]
    numbers: list[int]
    members: int
    size: int

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name, without the variables of the host."""
        told = asdict(self)
        told["meta"]["host_vars"] = sorted(self.meta.host_vars)
        return told


class _Accounts:
    def __init__(self) -> None:
        self.owners: set[str] = set()
        self.groups: set[str] = set()
        self.numbers: set[int] = set()

    def note(self, member: tarfile.TarInfo) -> None:
        for name, number, names in (
            (member.uname, member.uid, self.owners),
            (member.gname, member.gid, self.groups),
        ):
            if name:
                names.add(name)
            else:
                self.numbers.add(number)


class ArchiveWriter:
    """Writing a backup into a file, member after member."""

    def __init__(self, target: IO[bytes], meta: Meta) -> None:
        self._zip = gzip.GzipFile(fileobj=target, mode="wb", compresslevel=1, mtime=0)
        self._tar = tarfile.open(  # noqa: SIM115 # finish closes it
            fileobj=self._zip, mode="w|", format=tarfile.PAX_FORMAT, encoding="utf-8"
        )
        self._digests: dict[str, str] = {}
        self.size = 0
        self.add_document(META, asdict(meta))

    @property
    def members(self) -> int:
        """How many members there are so far."""
        return len(self._digests)

    def add_document(self, name: str, document: Mapping[str, Any]) -> None:
        """Add a JSON document."""
        content = json.dumps(document, indent=1, sort_keys=True).encode()
        member = tarfile.TarInfo(name)
        member.mode = 0o600
        member.size = len(content)
        self.add(member, io.BytesIO(content))

    def add(self, member: tarfile.TarInfo, content: Source | None = None) -> int:
        """Add a member, and return how many bytes of a file were not there any more.

        A file that became shorter since it was looked at is filled with zeros.
        """
        reader = _Digesting(content, member.size) if content else None
        self._tar.addfile(member, reader)
        self._digests[member.name] = reader.digest if reader else ""
        self.size += member.size
        return reader.missing if reader else 0

    def finish(self) -> None:
        """Add the manifest, and end the archive."""
        self.add_document(MANIFEST, {"members": dict(self._digests)})
        self.close()

    def close(self) -> None:
        """End the file."""
        self._tar.close()
        self._zip.close()


class _Digesting:
    """Exactly ``size`` bytes of a source, with their digest."""

    def __init__(self, source: Source, size: int) -> None:
        self._source = source
        self._left = size
        self._digest = hashlib.sha256()
        self.missing = 0

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()

    def read(self, size: int = -1) -> bytes:
        wanted = self._left if size < 0 else min(size, self._left)
        found = b""
        while len(found) < wanted:
            piece = self._source.read(wanted - len(found))
            if not piece:
                self.missing += wanted - len(found)
                piece = bytes(wanted - len(found))
            found += piece
        self._left -= wanted
        self._digest.update(found)
        return found


def read_archive(
    source: Source, visit: Callable[[tarfile.TarInfo, Source | None], None] | None = None
) -> Summary:
    """Read a backup to its end, and return what is in it.

    visit: gets each member of config and data as soon as it was judged, directories before what is
    in them, and of a file the content, which it may read; a hash that is wrong is known only in the
    end.
    Raises BadArchive for anything but a whole backup, and for a member with which a restore would
    leave its place.
    """
    with _opened(source) as tar:
        return _Reading(tar, visit).run()


def read_meta(source: Source) -> Meta:
    """Return what a backup is of, without reading the rest. Raises BadArchive."""
    with _opened(source) as tar:
        return _Reading(tar, None).meta()


@contextlib.contextmanager
def _opened(source: Source) -> Iterator[tarfile.TarFile]:
    try:
        # what tarfile itself knows of gzip ends in a TypeError when the header is cut off
        content = gzip.GzipFile(fileobj=source)  # type: ignore[call-overload]
        with content, tarfile.open(fileobj=content, mode="r|", encoding="utf-8") as tar:
            yield tar
    except _DAMAGE as error:
        raise BadArchive(f"it is damaged: {error}") from error


class _Reading:
    def __init__(
        self,
        tar: tarfile.TarFile,
        visit: Callable[[tarfile.TarInfo, Source | None], None] | None,
    ) -> None:
        self.tar = tar
        self.visit = visit
        self.digests: dict[str, str] = {}
        self.directories: set[str] = set()
        self.accounts = _Accounts()
        self.size = 0

    def run(self) -> Summary:
        meta = self.meta()
        while True:
            member = self.next()
            if member.name == MANIFEST:
                break
            self.take(member)
        wanted = self.document(member).get("members")
        if wanted != {**self.digests}:
            raise BadArchive("its members are not those that its manifest tells of")
        if self.tar.next() is not None:
            raise BadArchive(f"there is something behind its {MANIFEST}")
        if DATA not in self.directories:
            raise BadArchive("it holds no data directory")
        return Summary(
            meta,
            sorted(self.accounts.owners),
            sorted(self.accounts.groups),
            sorted(self.accounts.numbers),
            len(self.digests),
            self.size,
        )

    def meta(self) -> Meta:
        member = self.next()
        if member.name != META:
            raise BadArchive(f"it does not begin with {META}")
        told = self.document(member)
        if told.get("format") != FORMAT:
            raise BadArchive(f"its format is {told.get('format')!r}, and this knows {FORMAT}")
        try:
            meta = Meta(**told)
        except TypeError as error:
            raise BadArchive(f"its {META} is another one") from error
        texts = [meta.host, meta.created, meta.data_dir, meta.release or ""]
        if not isinstance(meta.host_vars, dict):
            raise BadArchive(f"its {META} is another one")
        texts += [*meta.host_vars, *meta.host_vars.values()]
        if not all(isinstance(text, str) for text in texts):
            raise BadArchive(f"its {META} is another one")
        if any("/" in name or name in ("", ".", "..") for name in meta.host_vars):
            raise BadArchive("its variables have names that lead elsewhere")
        return meta

    def next(self) -> tarfile.TarInfo:
        member = self.tar.next()
        if member is None:
            raise BadArchive("it ends too early")
        # which tarfile would keep all of
        self.tar.members.clear()  # type: ignore[attr-defined]
        return member

    def document(self, member: tarfile.TarInfo) -> dict[str, Any]:
        if not member.isreg() or not 0 <= member.size <= _DOCUMENT_BYTES:
            raise BadArchive(f"{member.name} is no document")
        content = self.content(member).read()
        if member.name != MANIFEST:
            self.digests[member.name] = hashlib.sha256(content).hexdigest()
        try:
            document = json.loads(content)
        except RecursionError as error:
            raise BadArchive(f"{member.name} is nested too deeply") from error
        if not isinstance(document, dict):
            raise BadArchive(f"{member.name} is no document")
        return document

    def content(self, member: tarfile.TarInfo) -> IO[bytes]:
        opened = self.tar.extractfile(member)
        if opened is None:
            raise BadArchive(f"{member.name} has no content")
        return opened

    def take(self, member: tarfile.TarInfo) -> None:
        fault = self.fault(member)
        if fault:
            raise BadArchive(f"{member.name!r} {fault}")
        self.accounts.note(member)
        if not member.isreg():
            self.digests[member.name] = ""
            if member.isdir():
                self.directories.add(member.name)
            if self.visit:
                self.visit(member, None)
            return
        self.size += member.size
        content = _Digesting(self.content(member), member.size)
        if self.visit:
            self.visit(member, content)
        while content.read(_PIECE):
            pass
        if content.missing:
            raise BadArchive("it ends too early")
        self.digests[member.name] = content.digest

    def fault(self, member: tarfile.TarInfo) -> str | None:
        """Return why nothing may be made of a member, None when something may."""
        name = member.name
        parts = name.split("/")
        if parts[0] not in _ROOTS or {"", ".", ".."} & set(parts) or "\0" in name:
            return "has a name that leads elsewhere"
        if len(parts) > DEEPEST:
            return "lies too deep"
        if name in self.digests:
            return "is there twice"
        owner = f"{member.uname}{member.gname}"
        numbers = (member.uid, member.gid)
        # NaN is in no range
        in_range = all(0 <= n < 2**32 - 1 for n in numbers) and abs(member.mtime) < 2**40
        if not in_range or "\0" in owner or "\n" in owner or "\0" in member.linkname:
            return "has an odd owner, time or target"
        parent = name.rpartition("/")[0]
        # the deployed files stand under their whole paths, without directories of their own
        if parts[0] == DATA and parent and parent not in self.directories:
            return "lies in something that is no directory"
        if member.isdir() and parts[0] == DATA:
            return None if 0 <= member.mode <= _DIRECTORY_MODE else "has an odd mode"
        if member.issym() and parts[0] == DATA and parent:
            return None
        if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or not parent:
            return "is neither a file nor a directory nor a link by name"
        if not 0 <= member.mode <= _FILE_MODE or member.size < 0:
            return "has an odd mode or size"
        return None
