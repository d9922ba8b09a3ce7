# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The content of a backup, and reading it without trust.

A backup is a gzipped tar::

    meta.json              what it is a backup of
    config/etc/kai/env     the deployed files, under their whole paths
    data/...               the data directory; its database is a snapshot
    links/1                a file that has several names in the data, which are hard links to it
    far/1/...              a directory whose path is too long; a link is in its place
    manifest.json          how many members there are, and the SHA-256 of them all

The members of a directory follow it in the order of their names, so that neither writing nor
reading has to remember them. Owners and access lists are kept by name, as GNU tar does, and so are
user attributes and holes. A reader gets each member only after it was judged, and may trust nothing
before ``read_archive`` has returned.

Format 1 had the SHA-256 of each member in its manifest, and its database behind everything else.
"""

from __future__ import annotations

import contextlib
import decimal
import gzip
import hashlib
import io
import json
import tarfile
import zlib
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import IO, TYPE_CHECKING, Any, Optional, cast

from . import sparse_map
from .data_limits import DEEPEST, MOST_CONFIG_BYTES
from .sanitize import printable_path
from .tar_stream import BLOCK, PIECE, Digesting, TarStream, exactly, pieces_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from .module_arguments import SummaryData
    from .tar_stream import Source

FORMAT = 2
_FORMATS = (1, FORMAT)
META = "meta.json"
MANIFEST = "manifest.json"
CONFIG = "config"
DATA = "data"
LINKS = "links"
FAR = "far"
# a link with it takes the place of a directory in FAR
PLACE = "KAI.far"
ACCESS = "SCHILY.acl.access"
DEFAULT = "SCHILY.acl.default"
ATTRIBUTE = "SCHILY.xattr."
_COUNTED = ("SCHILY.", "GNU.sparse.", "KAI.")
_DOCUMENT_BYTES = 1 << 28
_DISK_BLOCK = 4096
# a file that takes over who starts it is none of a bot's
_FILE_MODE = 0o777
_DIRECTORY_MODE = 0o3777
_SECONDS = 2**63
_EXACT = decimal.Context(prec=60)

_DAMAGE = (gzip.BadGzipFile, zlib.error, tarfile.TarError, EOFError, ValueError, LookupError)


class BadArchive(Exception):
    """A file that is no backup, or one that must not be restored; the message is the reason."""


@dataclass
class Meta:
    """The metadata of a backup.

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
    size: bytes of the files, holes not counted. disk_bytes: those of the blocks that they take.
    """

    meta: Meta
    owners: list[str]
    groups: list[str]
    numbers: list[int]
    members: int
    size: int
    disk_bytes: int

    def as_dict(self) -> SummaryData:
        """Return the fields by name, without the variables of the host."""
        data = asdict(self)
        data["meta"]["host_vars"] = sorted(self.meta.host_vars)
        return cast("SummaryData", data)


def time_of(member: tarfile.TarInfo) -> int | None:
    """Return the time of a member in nanoseconds, None when it is none."""
    try:
        seconds = decimal.Decimal(_time_text(member))
    except decimal.InvalidOperation:
        return None
    # NaN is in no range
    if not seconds.is_finite() or not -_SECONDS <= seconds < _SECONDS:
        return None
    return int(seconds.scaleb(9, _EXACT))


def set_time(member: tarfile.TarInfo, nanoseconds: int) -> None:
    """Give a member its time, to the nanosecond."""
    sign, (seconds, rest) = "-" if nanoseconds < 0 else "", divmod(abs(nanoseconds), 10**9)
    set_headers(member, {"mtime": f"{sign}{seconds}.{rest:09d}"})


def set_headers(member: tarfile.TarInfo, headers: Mapping[str, str]) -> None:
    """Give a member more extended headers."""
    member.pax_headers = {**member.pax_headers, **headers}


def _time_text(member: tarfile.TarInfo) -> str:
    return member.pax_headers.get("mtime", str(member.mtime))


class _Digest:
    """The digest of members, in their order."""

    def __init__(self) -> None:
        self.members = 0
        self._digest = hashlib.sha256()

    def add(self, member: tarfile.TarInfo, content: str) -> None:
        counted = sorted(
            item for item in member.pax_headers.items() if item[0].startswith(_COUNTED)
        )
        data = [
            member.name,
            member.type.decode("latin-1"),
            member.mode,
            member.linkname,
            member.uid,
            member.gid,
            member.uname,
            member.gname,
            member.size,
            _time_text(member),
            counted,
            content,
        ]
        self._digest.update(json.dumps(data).encode())
        self.members += 1

    def as_dict(self) -> dict[str, int | str]:
        return {"members": self.members, "sha256": self._digest.hexdigest()}


class ArchiveWriter:
    """Writing a backup into a file, member after member, in the order that the format has."""

    def __init__(self, target: IO[bytes], meta: Meta) -> None:
        self._zip = gzip.GzipFile(fileobj=target, mode="wb", compresslevel=1, mtime=0)
        self._digest = _Digest()
        self._numbers = {LINKS: 0, FAR: 0}
        self.add_document(META, asdict(meta))

    @property
    def members(self) -> int:
        """How many members there are so far."""
        return self._digest.members

    def number(self, root: str) -> int:
        """Return the next number in LINKS or FAR."""
        self._numbers[root] += 1
        return self._numbers[root]

    def add_document(self, name: str, document: Mapping[str, Any]) -> None:
        """Add a JSON document."""
        content = json.dumps(document, indent=1, sort_keys=True).encode()
        member = tarfile.TarInfo(name)
        member.mode = 0o600
        member.size = len(content)
        self.add(member, io.BytesIO(content))

    def add(self, member: tarfile.TarInfo, content: Source | None = None) -> None:
        """Add a member. A file that became shorter since its size was read ends in zeros."""
        self._zip.write(member.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape"))
        if content is None:
            self._digest.add(member, "")
            return
        reader = Digesting(_Padded(content, member.size))
        for piece in pieces_of(reader):
            self._zip.write(piece)
        self._zip.write(bytes(-member.size % BLOCK))
        self._digest.add(member, reader.digest)

    def finish(self) -> None:
        """Add the manifest, and end the archive."""
        self.add_document(MANIFEST, self._digest.as_dict())
        self.close()

    def close(self) -> None:
        """End the file."""
        self._zip.write(bytes(2 * BLOCK))
        self._zip.close()


class _Padded:
    """Exactly ``size`` bytes of a source."""

    def __init__(self, source: Source, size: int) -> None:
        self._source = source
        self._left = size

    def read(self, size: int = -1) -> bytes:
        wanted = min(PIECE if size < 0 else size, self._left)
        found = (self._source.read(wanted) if wanted else b"") or bytes(wanted)
        self._left -= len(found)
        return found


class Content(Digesting):
    """The content of a file in a backup: the data of its extents, one after the other."""

    def __init__(self, source: Source, member: tarfile.TarInfo) -> None:
        super().__init__(source)
        self.extents = _extents_of(member, self)


def _extents_of(member: tarfile.TarInfo, content: Source) -> sparse_map.Extents:
    records = member.pax_headers
    if not {sparse_map.MAJOR, sparse_map.MINOR, sparse_map.SIZE} & set(records):
        found = sparse_map.Extents(member.size)
        if member.size:
            found.add(0, member.size)
        return found
    if (records.get(sparse_map.MAJOR), records.get(sparse_map.MINOR)) != ("1", "0"):
        raise BadArchive(f"{shown(member.name)} has holes in an unknown format")
    size = records.get(sparse_map.SIZE, "")
    if not size.isdigit() or int(size) >= 2**63:
        raise BadArchive(f"{shown(member.name)} has an invalid size")
    return sparse_map.read_map(partial(exactly, content), int(size), member.size)


Visit = Optional["Callable[[tarfile.TarInfo, Content | None], None]"]


def read_archive(source: Source, visit: Visit = None) -> Summary:
    """Read a backup to its end, and return what is in it.

    visit: gets each member but the documents as soon as it was judged, directories before what is
    in them, and of a file the content, which it may read; a hash that is wrong is known only in the
    end.
    Raises BadArchive for anything but a whole backup, and for a member with which a restore would
    leave its place.
    """
    with _opened(source) as tar:
        return _Reading(tar, visit).run()


def read_meta(source: Source) -> Meta:
    """Return the metadata of a backup, without reading the rest. Raises BadArchive."""
    with _opened(source) as tar:
        return _Reading(tar, None).meta()


@contextlib.contextmanager
def _opened(source: Source) -> Iterator[TarStream]:
    try:
        # what is cut off in its header ends in a TypeError otherwise
        with gzip.GzipFile(fileobj=source) as content:  # type: ignore[call-overload]
            yield TarStream(content)
    except _DAMAGE as error:
        raise BadArchive(f"it is damaged: {error}") from error


class _Open:
    """A directory of a backup, of which the members come now."""

    __slots__ = ("last", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.last = b""


class _Reading:
    def __init__(self, tar: TarStream, visit: Visit) -> None:
        self.tar = tar
        self.visit = visit
        self.format = FORMAT
        self.digest = _Digest()
        self.owners: set[str] = set()
        self.groups: set[str] = set()
        self.numbers: set[int] = set()
        self.size = 0
        self.disk_bytes = 0
        self.config: set[str] = set()
        self.open: list[_Open] = []
        self.has_data = False
        self.linked = 0
        self.far = 0
        self.awaits_far = False
        # of format 1 alone, in which members may come in any order
        self.digests: dict[str, str] = {}

    def run(self) -> Summary:
        meta = self.meta()
        while True:
            member = self.next()
            if member.name == MANIFEST:
                break
            self.take(member)
        wanted: Any = self.digest.as_dict()
        if self.format == 1:
            wanted = {"members": self.digests}
        if self.document(member)[0] != wanted:
            raise BadArchive("its members do not match its manifest")
        if self.tar.next() is not None:
            raise BadArchive(f"it has data after its {MANIFEST}")
        if not self.has_data or self.awaits_far:
            raise BadArchive("it holds no data directory")
        return Summary(
            meta,
            sorted(self.owners),
            sorted(self.groups),
            sorted(self.numbers),
            wanted["members"] if self.format > 1 else len(self.digests),
            self.size,
            self.disk_bytes,
        )

    def meta(self) -> Meta:
        member = self.next()
        if member.name != META:
            raise BadArchive(f"it does not begin with {META}")
        data, digest = self.document(member)
        self.format = data.get("format", 0)
        if self.format not in _FORMATS or isinstance(self.format, bool):
            known = " and ".join(map(str, _FORMATS))
            raise BadArchive(f"its format is {self.format!r}; this kai-ansible reads {known}")
        invalid = BadArchive(f"its {META} has unknown, missing or invalid fields")
        try:
            meta = Meta(**data)
            texts = [*meta.host_vars, *meta.host_vars.values()]
        except (TypeError, AttributeError) as error:
            raise invalid from error
        texts += [meta.host, meta.created, meta.data_dir, meta.release or ""]
        if not all(isinstance(text, str) for text in texts):
            raise invalid
        if any("/" in name or name in ("", ".", "..") for name in meta.host_vars):
            raise BadArchive("a variable file in it has an invalid name")
        self.count(member, digest)
        return meta

    def next(self) -> tarfile.TarInfo:
        member = self.tar.next()
        if member is None:
            raise BadArchive("it ends too early")
        return member

    def document(self, member: tarfile.TarInfo) -> tuple[dict[str, Any], str]:
        """Return a document, and the digest of its text."""
        if not member.isreg() or not 0 <= member.size <= _DOCUMENT_BYTES:
            raise BadArchive(f"{member.name} is no document")
        content = b"".join(pieces_of(self.tar))
        try:
            document = json.loads(content)
        except RecursionError as error:
            raise BadArchive(f"{member.name} is nested too deeply") from error
        if not isinstance(document, dict):
            raise BadArchive(f"{member.name} is no document")
        return document, hashlib.sha256(content).hexdigest()

    def take(self, member: tarfile.TarInfo) -> None:
        fault = self.fault(member)
        if fault:
            raise BadArchive(f"{shown(member.name)} {fault}")
        self.note_owners(member)
        if not member.isreg():
            self.count(member, "")
            self.disk_bytes += _DISK_BLOCK
            if self.visit:
                self.visit(member, None)
            return
        content = Content(self.tar, member)
        stored = content.extents.stored
        self.size += stored
        self.disk_bytes += stored + -stored % _DISK_BLOCK
        if self.visit:
            self.visit(member, content)
        content.finish()
        self.count(member, content.digest)

    def note_owners(self, member: tarfile.TarInfo) -> None:
        for name, number, names in (
            (member.uname, member.uid, self.owners),
            (member.gname, member.gid, self.groups),
        ):
            if name:
                names.add(name)
            else:
                self.numbers.add(number)

    def count(self, member: tarfile.TarInfo, content: str) -> None:
        if self.format == 1:
            self.digests[member.name] = content
        else:
            self.digest.add(member, content)

    def fault(self, member: tarfile.TarInfo) -> str | None:
        """Return why nothing may be made of a member, None when something may."""
        name = member.name
        parts = name.split("/")
        roots = (CONFIG, DATA) if self.format == 1 else (CONFIG, DATA, LINKS, FAR)
        if parts[0] not in roots or {"", ".", ".."} & set(parts) or "\0" in name:
            return "has a name outside the directories of a backup"
        owner = f"{member.uname}{member.gname}"
        in_range = all(0 <= n < 2**32 - 1 for n in (member.uid, member.gid))
        odd = "\0" in owner or "\n" in owner or "\0" in member.linkname
        if odd or not in_range or time_of(member) is None:
            return "has an invalid owner, time or link target"
        if member.isreg() != (member.type in (tarfile.REGTYPE, tarfile.AREGTYPE)):
            return "is neither a file nor a directory nor a link by name"
        if not 0 <= member.mode <= (_DIRECTORY_MODE if member.isdir() else _FILE_MODE):
            return "has an invalid mode"
        if not 0 <= member.size < 2**63 or (member.size and not member.isreg()):
            return "has an invalid size"
        return self.fault_of_place(member, parts)

    def fault_of_place(self, member: tarfile.TarInfo, parts: list[str]) -> str | None:
        """Return why a member may not be where it is, and note where it is otherwise."""
        name = member.name
        if self.awaits_far:
            self.awaits_far = False
            if name != f"{FAR}/{self.far}" or not member.isdir():
                return "is not the directory that the link before it announced"
            self.open.append(_Open(name))
            return None
        if parts[0] == CONFIG:
            # the deployed files have their whole paths, without directories of their own
            if not member.isreg() or len(parts) == 1:
                return "is no file"
            if name in self.config:
                return "is there twice"
            if member.size > MOST_CONFIG_BYTES:
                return f"has more than {MOST_CONFIG_BYTES >> 20} MB"
            self.config.add(name)
            return None
        if parts[0] == LINKS:
            self.linked += 1
            right = name == f"{LINKS}/{self.linked}" and member.isreg()
            return None if right else "is no file, or out of order among the hard-linked files"
        if name == DATA:
            if self.has_data or not member.isdir():
                return "is there twice, or no directory"
            self.has_data = True
            self.open.append(_Open(name))
            return None
        return self.fault_in_tree(member)

    def fault_in_tree(self, member: tarfile.TarInfo) -> str | None:
        """Return why a member may not be in a directory, and note that it is otherwise."""
        parent, _slash, last = member.name.rpartition("/")
        while self.open and self.open[-1].name != parent:
            self.open.pop()
        if not self.open:
            return "is inside a file that is no directory"
        key = last.encode("utf-8", "surrogateescape")
        if self.format == 1:
            if member.name in self.digests:
                return "is there twice"
        elif key <= self.open[-1].last:
            return "is there twice, or out of order"
        self.open[-1].last = key
        if member.isdir():
            if len(self.open) >= DEEPEST:
                return "is nested too deep"
            self.open.append(_Open(member.name))
            return None
        if member.issym() and PLACE in member.pax_headers and self.format > 1:
            self.far += 1
            self.awaits_far = True
            right = member.pax_headers[PLACE] == str(self.far)
            return None if right else "is out of order among the directories with long paths"
        if member.islnk() and self.format > 1:
            return None if self.is_linked(member.linkname) else "leads to no file of the backup"
        if member.issym() or member.isreg():
            return None
        return "is neither a file nor a directory nor a link by name"

    def is_linked(self, name: str) -> bool:
        """Return whether a name is that of a file with several names that was there."""
        root, _slash, number = name.partition("/")
        return (
            root == LINKS
            and number.isascii()
            and number.isdecimal()
            and not number.startswith("0")
            and int(number) <= self.linked
        )


def shown(name: str) -> str:
    """Return the name of a member for a message."""
    return printable_path(name.encode("utf-8", "surrogateescape"))
