# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read Kai's code from the operator's source, and pack it once for all hosts of a run."""

from __future__ import annotations

import contextlib
import email
import fcntl
import glob
import gzip
import hashlib
import io
import json
import os
import re
import stat
import sys
import tarfile
import zipfile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from ..host.trusted_paths import Accounts, found_by, way_to
from ..rules.contract import Line
from ..rules.network_environment import of_words
from ..rules.problems import Refused
from ..rules.program_trust import harmful, in_words
from ..rules.releases import digest_of_files
from ..rules.sources import (
    belongs_to_release,
    fault_of_member,
    is_git_url,
    problem_of_line,
    without_common_directory,
)
from ..rules.typed_data import read
from .git_source import fetched, tracked
from .source_limits import (
    MOST_UNPACKED,
    PIECE,
    Allowance,
    Bounded,
    content_of,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from ..host.trusted_paths import CheckedPath

WHEEL_DATA = r"[^/]+\.data/data/"
WHEEL_METADATA = r"[^/]+\.dist-info/METADATA\Z"
# a list of as many files as may be
_ZIP_DIRECTORY = 8 << 20
# filters of git, which would fetch the file, never run
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
# content and whether it is executable, by path inside the release
Files = dict[str, tuple[bytes, bool]]


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
            raise Refused(f"kai_install_source_files: {pattern!r} {fault}; name it from {path}")
        names = glob.glob(os.path.join(glob.escape(path), pattern), recursive=True)
        if not names:
            raise Refused(f"kai_install_source_files: nothing in {path} matches {pattern!r}")
        for name in names:
            inner = walked(name) if os.path.isdir(name) and not os.path.islink(name) else [""]
            for part in inner:
                yield os.path.relpath(os.path.join(name, part), path)


def from_directory(path: str, patterns: list[str]) -> Files:
    """Return the requested files, else those that git tracks, else the files of the directory."""
    if patterns:
        return files_of(path, matched(path, patterns))
    names = tracked(path)
    return files_of(path, walked(path) if names is None else names)


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
        # a link may also be a directory above it; an index that was not made by git can lead out
        if fault_of_member(name) or os.path.realpath(full) != full or not os.path.isfile(full):
            raise NotAFile(
                f"{full} is a link, a submodule or a device; a release holds files only. List its "
                f"files in kai_install_source_files"
            )
        found[name] = content_of(full, allowance)
    return found


def paths_of(source: str, patterns: list[str]) -> list[str]:
    """Return every path on the controller that a release is made from, nothing for a git URL."""
    if is_git_url(source):
        return []
    if not os.path.isdir(source):
        return [source]
    names = matched(source, patterns) if patterns else tracked(source)
    # the index determines the tracked files; in a worktree it is a file that names its place
    index = ".git/index" if os.path.isdir(os.path.join(source, ".git")) else ".git"
    found = walked(source) if names is None else [index, *names]
    return [os.path.join(source, name) for name in found]


def refuse_changeable(source: str, patterns: list[str], accounts: Collection[str]) -> None:
    """Raise Refused for a source that one of some accounts of this machine can change.

    A build runs it as root. Administrators may change it, as it is theirs.
    """

    def look() -> Iterator[CheckedPath]:
        yield from way_to(source)
        for path in paths_of(source, patterns):
            yield from way_to(path)

    found = harmful(found_by({source: look}, Accounts(accounts))[source], ["root"], accounts)
    if found:
        raise Refused(
            f"found {source}, which can be changed by {in_words(*found)}, expected a source that "
            "no account of the bot or of its users can change, because root builds it. Fix: copy "
            "it to a directory of root's or of an administrator, or accept it with "
            "kai_install_trust_user_binaries: true"
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


def from_zip(path: str, allowance: Allowance, wanted: str = "") -> Files:
    """Return the files of a zip archive whose name begins with a pattern.

    Raises Refused for anything but files, and when all of them are too much.
    """
    found: Files = {}
    with open(path, "rb") as file:
        bounded: Any = Bounded(file, path, _ZIP_DIRECTORY, sys.maxsize)
        with zipfile.ZipFile(bounded) as packed:
            for entry in packed.infolist():
                allowance.take(entry.file_size)
            for entry in packed.infolist():
                mode = entry.external_attr >> 16
                if entry.is_dir():
                    continue
                if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
                    raise Refused(
                        f"{path}: {entry.filename} is not a file; a release holds files only"
                    )
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
        file = open(name, "rb") if fileobj is None else fileobj  # noqa: SIM115 # it closes it
        bounded: Any = Bounded(file, str(name), PIECE, MOST_UNPACKED)
        opened_tar: BoundedTar = super().taropen(name, mode, bounded, **options)
        return opened_tar


def from_tar(path: str, allowance: Allowance) -> Files:
    """Return the files of a tar archive. Raises Refused for anything but files."""
    found: Files = {}
    try:
        packed = BoundedTar.open(path)
    except tarfile.ReadError as error:
        raise Refused(
            f"{path} is neither a directory nor a wheel, a tar or a zip archive"
        ) from error
    with packed:
        for member in packed:
            allowance.take(member.size)
            if member.isdir():
                continue
            handle = packed.extractfile(member) if member.isreg() else None
            if handle is None:
                raise Refused(f"{path}: {member.name} is not a file; a release holds files only")
            content = b"".join(iter(lambda: handle.read(PIECE), b""))  # noqa: B023
            found[member.name] = (content, bool(member.mode & 0o100))
    return found


def checked(path: str, found: Files) -> Files:
    """Return the files of an archive, whose names can be names below a directory."""
    for name in found:
        fault = fault_of_member(name)
        if fault:
            raise Refused(f"{path}: {name} {fault}")
    return found


def from_archive(path: str) -> Files:
    """Return the files of an archive; one directory that holds everything is cut off."""
    allowance = Allowance(path)
    with opened(path):
        read = from_zip if zipfile.is_zipfile(path) else from_tar
        files = without_common_directory(checked(path, read(path, allowance)))
    directories = {str(parent) for name in files for parent in PurePosixPath(name).parents} | {"."}
    for name in directories & set(files):
        raise Refused(f"{path}: {name} is a file and a directory. Fix: pack it again")
    return {name: content for name, content in files.items() if belongs_to_release(name)}


def from_wheel(path: str) -> tuple[Files, str]:
    """Return a wheel and its data files, at the places of a checkout, and its requirement.

    The requirement is a range of Python versions, empty if the wheel has none.
    """
    allowance = Allowance(path)
    with opened(path):
        held = from_zip(path, allowance, f"{WHEEL_DATA}|{WHEEL_METADATA}")
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
            raise Refused(f"{path} is not a wheel: it has no METADATA")
        python = email.message_from_bytes(held[metadata[0]][0]).get("Requires-Python", "")
    found[os.path.basename(path)] = content_of(path, allowance)
    return found, str(python)


def from_git(url: str, version: str | None, environment: Mapping[str, str]) -> Files:
    """Return the files of a ref of a git repository. Raises Refused."""
    with fetched(url, version or "HEAD", environment) as (tree, names):
        return files_of(tree, names, Allowance(url))


def names_in(
    source: str,
    version: str | None,
    patterns: list[str],
    environment: Mapping[str, str] | None = None,
) -> list[str]:
    """Return the names of a source's files, as a checkout has them. Raises Refused and OSError.

    environment: variables of the network for git.
    """
    if is_git_url(source):
        with fetched(source, version or "HEAD", environment or {}) as (_tree, names):
            return names
    if os.path.isdir(source):
        if patterns:
            return list(matched(source, patterns))
        names_of_git = tracked(source)
        return list(walked(source)) if names_of_git is None else names_of_git
    if source.endswith(".whl"):
        with opened(source):
            return [f"src/{name}" for name in from_zip(source, Allowance(source))]
    return list(from_archive(source))


def verify(path: str, checksum: str) -> None:
    """Compare a file with its checksum, ``sha256:`` and digits. Raises Refused for another one."""
    if not os.path.isfile(path):
        raise Refused(
            f"kai_install_source_checksum is given, but {path} is not an archive or a wheel; a git "
            f"URL is pinned by a commit in kai_install_version"
        )
    digest = hashlib.sha256()
    with open(path, "rb") as handle:
        for piece in iter(lambda: handle.read(1 << 20), b""):
            digest.update(piece)
    if f"sha256:{digest.hexdigest()}" != checksum:
        raise Refused(
            f"{path} has the checksum sha256:{digest.hexdigest()}, and kai_install_source_checksum "
            f"expects {checksum}; get the file that was meant, or set the checksum of this one"
        )


def requires_python(pyproject: bytes) -> str:
    """Return the interpreter range of a pyproject.toml, empty when it names none."""
    # every controller has it; a host that imports this file may not
    import tomllib

    try:
        return str(tomllib.loads(pyproject.decode()).get("project", {}).get("requires-python", ""))
    except (ValueError, AttributeError, RecursionError) as error:
        raise Refused(f"pyproject.toml cannot be read: {error}") from error


def read_source(parameters: dict[str, Any]) -> tuple[Files, dict[str, Any]]:
    """Return the files of a source of any kind, and its metadata. Raises Refused."""
    source, version = parameters["source"], parameters["version"]
    environment = of_words(parameters.get("environment") or ())
    if version and not is_git_url(source):
        raise Refused(f"kai_install_version is {version!r}, but {source} is not a git URL")
    if parameters["files"] and not os.path.isdir(source):
        raise Refused(f"kai_install_source_files is given, but {source} is not a directory")
    if parameters["checksum"]:
        verify(source, parameters["checksum"])
    wheel = os.path.basename(source) if source.endswith(".whl") else ""
    if not (is_git_url(source) or os.path.exists(source)):
        raise Refused(f"{source} does not exist on the machine that runs Ansible")
    try:
        if is_git_url(source):
            files = from_git(source, version, environment)
        elif os.path.isdir(source):
            files = from_directory(source, parameters["files"])
        elif not os.path.isfile(source):
            raise Refused(f"{source} is neither a directory nor a file")
        elif wheel:
            files, python = from_wheel(source)
        else:
            files = from_archive(source)
    except NotAFile:
        # another line of Kai is the better reason than a file that no release of this one can hold
        names = names_in(source, version, parameters["files"], environment)
        refuse_other_line(parameters, names)
        raise
    if not wheel:
        if "pyproject.toml" not in files:
            raise Refused(
                f"{source} has no pyproject.toml at its top, so it is not Kai's code; name the "
                f"directory that holds it"
            )
        python = requires_python(files["pyproject.toml"][0])
    for name, (content, _executable) in files.items():
        if content.startswith(_LFS_POINTER):
            raise Refused(
                f"{source}: found a pointer of git-lfs as {name}, expected the file. Fix: run git "
                f"lfs pull in a checkout, and name that as kai_install_source"
            )
    refuse_other_line(parameters, names_in(source, version, []) if wheel else list(files))
    if parameters["constraints"]:
        given, _executable = content_of(parameters["constraints"], Allowance(source))
        files[parameters["constraints_path"]] = (given, False)
    return files, {
        "requires_python": python,
        "wheel": wheel,
        "constrained": parameters["constraints_path"] in files,
        "digest": digest_of_files(files),
    }


def refuse_other_line(parameters: dict[str, Any], names: Collection[str]) -> None:
    """Raise Refused for a tree of these files that is not of the contract's line of Kai."""
    line = parameters.get("contract")
    problem = problem_of_line(read(Line, line), parameters["source"], names) if line else None
    if problem:
        raise Refused(problem)


def pack(files: Files) -> bytes:
    """Return the files as a tar.gz whose bytes follow from names, content and x bits alone."""
    packed = io.BytesIO()
    # the fastest level: most runs only ask for the identifier
    squeezed = gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1, mtime=0)
    with squeezed, tarfile.open(fileobj=squeezed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in sorted(files):
            content, executable = files[name]
            member = tarfile.TarInfo(name)
            member.size = len(content)
            member.mode = 0o755 if executable else 0o644
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def packed_once(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return the metadata of a source and its archive; the first call reads the source."""
    names = ("source", "version", "checksum", "files", "constraints")
    asked = [parameters[name] for name in names]
    key = hashlib.sha256(json.dumps(asked).encode(errors="surrogateescape")).hexdigest()[:16]
    archive = os.path.join(parameters["cache"], f"kai-source-{key}.tar.gz")
    # the plays of several hosts run at once
    with open(f"{archive}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.exists(f"{archive}.json"):
            with open(f"{archive}.json", encoding="utf-8") as handle:
                return {**json.load(handle), "archive": archive, "packed": False}
        files, told = read_source(parameters)
        with open(archive, "wb") as handle:
            handle.write(pack(files))
        with open(f"{archive}.json", "w", encoding="utf-8") as note:
            json.dump(told, note)
    return {**told, "archive": archive, "packed": True}
