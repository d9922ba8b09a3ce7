# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read Kai's code from the operator's source."""

from __future__ import annotations

import contextlib
import email
import errno
import glob
import io
import os
import re
import stat
import sys
import tarfile
import zipfile
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

from ..host.trusted_paths import Accounts, found_by, way_to
from ..rules.problems import Problem, Refused
from ..rules.program_trust import harmful, in_words
from ..rules.sources import (
    belongs_to_release,
    fault_of_member,
    is_git_url,
    without_common_directory,
)
from ..rules.variable_names import variable
from .git_source import files_of_index, places_of_repository, tracked
from .source_limits import MOST_UNPACKED, PIECE, Allowance, Bounded, content_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from ..host.trusted_paths import CheckedPath

WHEEL_DATA = r"[^/]+\.data/data/"
WHEEL_METADATA = r"[^/]+\.dist-info/METADATA\Z"
# a list of as many files as may be
_ZIP_DIRECTORY = 8 << 20
# content and whether it is executable, by path inside the release
Files = dict[str, tuple[bytes, bool]]


class Archive(NamedTuple):
    """An archive or a wheel in memory: another account may exchange its file meanwhile."""

    path: str
    content: bytes


def read_archive(path: str) -> Archive:
    """Return an archive or a wheel, read once. Raises Refused when it holds too much."""
    return Archive(path, content_of(path, Allowance(path, MOST_UNPACKED))[0])


def walked(path: str) -> Iterator[str]:
    """Return every file and link below a directory, one after the other."""
    for parent, directories, files in os.walk(path):
        for name in [*files, *directories]:
            full = os.path.join(parent, name)
            if name in files or os.path.islink(full):
                yield os.path.relpath(full, path)


def matched(path: str, patterns: list[str]) -> Iterator[str]:
    """Return the files below a directory that paths and globs name. Raises Refused."""
    for pattern in patterns:
        fault = fault_of_member(pattern)
        if fault:
            raise Refused(
                f"kai_install_source_files: found {pattern!r}, which {fault}, expected a path "
                f"below the source. Fix: name it from {path}"
            )
        names = glob.glob(os.path.join(glob.escape(path), pattern), recursive=True)
        if not names:
            raise Refused(
                f"kai_install_source_files: found nothing in {path} that matches {pattern!r}, "
                f"expected a file. Fix: correct the pattern; ls {path} lists the names"
            )
        for name in names:
            inner = walked(name) if os.path.isdir(name) and not os.path.islink(name) else [""]
            for part in inner:
                yield os.path.relpath(os.path.join(name, part), path)


def names_below(path: str, patterns: list[str]) -> Iterable[str]:
    """Return the requested files of a directory, else those that git tracks, else all of them."""
    if patterns:
        return matched(path, patterns)
    names = tracked(path)
    return walked(path) if names is None else names


class NotAFile(Refused):
    """A source with a link, a submodule or a device in it."""


def files_of(path: str, names: Iterable[str], allowance: Allowance | None = None) -> Files:
    """Return the files of these names below a directory. Raises NotAFile for anything
    else, and Refused for too much.
    """
    top, found = os.path.realpath(path), Files()
    allowance = allowance or Allowance(path)
    for name in names:
        full = os.path.join(top, name)
        # tracked, but deleted in the checkout
        if name in found or not belongs_to_release(name) or not os.path.lexists(full):
            continue
        refused = NotAFile(
            f"{full} is a link, a submodule or a device; a release holds files only. List its "
            f"files in kai_install_source_files"
        )
        # a link may also be a directory above it; an index that was not made by git can lead out
        if fault_of_member(name) or os.path.realpath(full) != full or not os.path.isfile(full):
            raise refused
        try:
            found[name] = content_of(full, allowance, top)
        except OSError as error:
            # another account may have put a link there by now
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                raise refused from error
            raise
    return found


def everything(path: str) -> Iterator[str]:
    """Return a path and every file and directory below it, one after the other."""
    yield path
    for parent, directories, files in os.walk(path):
        yield from (os.path.join(parent, name) for name in [*directories, *files])


def paths_of(source: str, patterns: list[str]) -> Iterator[str]:
    """Return every path on the controller that a release is made from.

    Nothing for the git URL of another machine.
    """
    if is_git_url(source):
        for place in places_of_repository(source):
            yield from everything(place)
        return
    yield source
    if not os.path.isdir(source):
        return
    if not patterns:
        yield from files_of_index(source)
    names = matched(source, patterns) if patterns else tracked(source)
    if names is None:
        yield from everything(source)
    else:
        yield from (os.path.join(source, name) for name in names)


def refuse_changeable(
    source: str, patterns: list[str], accounts: Collection[str], constraints: str | None = None
) -> None:
    """Raise Refused for a source or constraints that an account of this machine can change.

    A build runs as root what they name. Administrators may change them, as they are theirs.
    accounts: those that must not.
    """

    def look() -> Iterator[CheckedPath]:
        for path in paths_of(source, patterns):
            yield from way_to(path)

    settings, looks = {source: "source"}, {source: look}
    if constraints:
        settings[constraints], looks[constraints] = "constraints", partial(way_to, constraints)
    for path, changers in found_by(looks, Accounts(accounts)).items():
        found = harmful(changers, ["root"], accounts)
        if found:
            raise Refused(
                Problem(
                    variable(settings[path]),
                    f"{path}, which can be changed by {in_words(*found)}",
                    "a path that no account of the bot or of its users can change, because root "
                    "builds what it names",
                    "copy it to a directory of root's or of an administrator, or accept it with "
                    "kai_install_trust_user_binaries: true",
                )
            )


@contextlib.contextmanager
def opened(path: str) -> Iterator[None]:
    """Refuse contents that the authors of archive readers did not foresee."""
    try:
        yield
    except (Refused, MemoryError):
        raise
    # from EOFError to RecursionError they raise anything
    except Exception as error:
        raise Refused(
            f"{path} cannot be read: {type(error).__name__}: {error}. Fix: get the archive again"
        ) from error


def from_zip(archive: Archive, allowance: Allowance, wanted: str = "") -> Files:
    """Return the files of a zip archive whose name begins with a pattern.

    Raises Refused for anything but files, and when all of them are too much.
    """
    found: Files = {}
    path = archive.path
    bounded: Any = Bounded(io.BytesIO(archive.content), path, _ZIP_DIRECTORY, sys.maxsize)
    with zipfile.ZipFile(bounded) as packed:
        for entry in packed.infolist():
            allowance.take(entry.file_size)
        for entry in packed.infolist():
            mode = entry.external_attr >> 16
            if entry.is_dir():
                continue
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
                raise no_file(path, entry.filename)
            # the others are unpacked whole, however much that is
            if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise Refused(
                    f"{path}: {entry.filename} is compressed as {entry.compress_type}, "
                    f"expected deflated or stored. Fix: pack it again"
                )
            if re.match(wanted, entry.filename):
                with packed.open(entry) as handle:
                    content = b"".join(iter(lambda: handle.read(PIECE), b""))
                found[entry.filename] = (content, bool(mode & 0o100))
    return found


class BoundedTar(tarfile.TarFile):
    """A tar archive that is read no further than a source may be large."""

    @classmethod
    def taropen(cls, name: Any, mode: Any = "r", fileobj: Any = None, **options: Any) -> BoundedTar:
        """Open the content behind any compression."""
        bounded: Any = Bounded(fileobj, str(name), PIECE, MOST_UNPACKED)
        opened_tar: BoundedTar = super().taropen(name, mode, bounded, **options)
        return opened_tar


def from_tar(archive: Archive, allowance: Allowance) -> Files:
    """Return the files of a tar archive. Raises Refused for anything but files."""
    found: Files = {}
    path = archive.path
    try:
        packed = BoundedTar.open(path, fileobj=io.BytesIO(archive.content))
    except tarfile.ReadError as error:
        raise Refused(
            f"{path} is neither a directory nor a wheel, a tar or a zip archive. Fix: name a "
            f"checkout of Kai, an archive of it, or a git URL"
        ) from error
    with packed:
        for member in packed:
            allowance.take(member.size)
            if member.isdir():
                continue
            handle = packed.extractfile(member) if member.isreg() else None
            if handle is None:
                raise no_file(path, member.name)
            content = b"".join(iter(lambda: handle.read(PIECE), b""))  # noqa: B023
            found[member.name] = (content, bool(member.mode & 0o100))
    return found


def no_file(path: str, name: str) -> Refused:
    """Return the refusal of an archive that holds something else than files."""
    return Refused(
        f"{path}: {name} is not a file; a release holds files only. Fix: pack it again without it"
    )


def checked(path: str, found: Files) -> Files:
    """Return the files of an archive, whose names can be names below a directory."""
    for name in found:
        fault = fault_of_member(name)
        if fault:
            raise Refused(f"{path}: {name} {fault}. Fix: get the archive from a place you trust")
    return found


def from_archive(archive: Archive) -> Files:
    """Return the files of an archive; one directory that holds everything is cut off."""
    path, allowance = archive.path, Allowance(archive.path)
    with opened(path):
        read = from_zip if zipfile.is_zipfile(io.BytesIO(archive.content)) else from_tar
        files = without_common_directory(checked(path, read(archive, allowance)))
    directories = {str(parent) for name in files for parent in PurePosixPath(name).parents} | {"."}
    for name in directories & set(files):
        raise Refused(f"{path}: {name} is a file and a directory. Fix: pack it again")
    return {name: content for name, content in files.items() if belongs_to_release(name)}


def from_wheel(wheel: Archive) -> tuple[Files, str]:
    """Return a wheel and its data files, at the places of a checkout, and its requirement.

    The requirement is a range of Python versions, empty if the wheel has none.
    """
    path, allowance = wheel.path, Allowance(wheel.path)
    with opened(path):
        held = from_zip(wheel, allowance, f"{WHEEL_DATA}|{WHEEL_METADATA}")
        found = checked(
            path,
            {
                re.sub(WHEEL_DATA, "", name): content
                for name, content in held.items()
                if re.match(WHEEL_DATA, name)
            },
        )
        metadata = [name for name in held if re.match(WHEEL_METADATA, name)]
        if len(metadata) != 1:
            raise Refused(
                f"{path} is not a wheel: it has no METADATA. Fix: build it with pip wheel --no-deps"
            )
        python = email.message_from_bytes(held[metadata[0]][0]).get("Requires-Python", "")
    allowance.take(len(wheel.content))
    found[os.path.basename(path)] = (wheel.content, False)
    return found, str(python)


def files_in_wheel(wheel: Archive) -> Files:
    """Return every file of a wheel by its name there. Raises Refused."""
    with opened(wheel.path):
        return from_zip(wheel, Allowance(wheel.path))
