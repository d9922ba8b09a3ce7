# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kai's code, read from what an operator has, and packed once for all hosts of a run."""

from __future__ import annotations

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
import tarfile
import tempfile
import zipfile
from typing import Any

from .programs import run_program
from .releases import digest_of_files
from .sources import (
    belongs_to_release,
    fault_of_member,
    is_git_url,
    without_common_directory,
)

WHEEL_DATA = re.compile(r"[^/]+\.data/data/")
# content and whether it is executable, by path inside the release
Files = dict[str, tuple[bytes, bool]]


class Refused(Exception):
    """A source that cannot be used, with the reason and what to do."""


def git(*arguments: str) -> bytes:
    """Return what a git command prints. Raises Refused with git's own words."""
    # what a checkout says of itself runs nothing
    inert = ["-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}"]
    command = ["git", "-c", "safe.directory=*", *inert, *arguments]
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
    try:
        ended = run_program(command, 600, text=False, errors=None, env=environment)
    except FileNotFoundError as error:
        raise Refused("git is not installed on the machine that runs Ansible") from error
    if ended.returncode != 0:
        raise Refused(f"git failed: {ended.stderr.decode(errors='replace').strip()}")
    said: bytes = ended.stdout
    return said


def tracked(path: str) -> list[str] | None:
    """Return what git tracks below a directory, None when that is nothing."""
    try:
        names = git("-C", path, "ls-files", "-z").split(b"\0")
    except Refused:
        # what says that it is a checkout must be readable as one
        if os.path.exists(os.path.join(path, ".git")):
            raise
        return None
    return [os.fsdecode(name) for name in names if name] or None


def walked(path: str) -> list[str]:
    """Return every file and link below a directory."""
    return [
        os.path.relpath(os.path.join(parent, name), path)
        for parent, directories, files in os.walk(path)
        for name in [*files, *directories]
        if name in files or os.path.islink(os.path.join(parent, name))
    ]


def matched(path: str, patterns: list[str]) -> list[str]:
    """Return the files below a directory that paths and globs name. Raises Refused."""
    found: list[str] = []
    for pattern in patterns:
        fault = fault_of_member(pattern)
        if fault:
            raise Refused(f"kai_install_source_files: {pattern!r} {fault}; name it from {path}")
        names = glob.glob(os.path.join(glob.escape(path), pattern), recursive=True)
        if not names:
            raise Refused(f"kai_install_source_files: nothing in {path} matches {pattern!r}")
        for name in names:
            inner = walked(name) if os.path.isdir(name) and not os.path.islink(name) else [""]
            found += [os.path.relpath(os.path.join(name, part), path) for part in inner]
    return found


def from_directory(path: str, patterns: list[str]) -> Files:
    """Return what was asked for, else what a checkout tracks, else what a directory holds."""
    names = matched(path, patterns) if patterns else tracked(path)
    found = {}
    for name in walked(path) if names is None else names:
        full = os.path.join(path, name)
        # tracked, but deleted by whoever works in the checkout
        if not belongs_to_release(name) or not os.path.lexists(full):
            continue
        if os.path.islink(full) or not os.path.isfile(full):
            raise Refused(
                f"{full} is a link, a submodule or a device; a release holds files only. Name what "
                f"belongs to it in kai_install_source_files"
            )
        with open(full, "rb") as handle:
            found[name] = (handle.read(), os.access(full, os.X_OK))
    return found


def from_zip(path: str) -> Files:
    """Return the files of a zip archive. Raises Refused for anything but files."""
    found: Files = {}
    with zipfile.ZipFile(path) as packed:
        for entry in packed.infolist():
            mode = entry.external_attr >> 16
            if entry.is_dir():
                continue
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
                raise Refused(f"{path}: {entry.filename} is not a file; a release holds files only")
            found[entry.filename] = (packed.read(entry), bool(mode & 0o100))
    return found


def from_tar(path: str) -> Files:
    """Return the files of a tar archive. Raises Refused for anything but files."""
    found: Files = {}
    with tarfile.open(path) as packed:
        for member in packed:
            if member.isdir():
                continue
            handle = packed.extractfile(member) if member.isreg() else None
            if handle is None:
                raise Refused(f"{path}: {member.name} is not a file; a release holds files only")
            found[member.name] = (handle.read(), bool(member.mode & 0o100))
    return found


def from_archive(path: str) -> Files:
    """Return the files of an archive; one directory that holds everything is cut off."""
    if zipfile.is_zipfile(path):
        found = from_zip(path)
    elif tarfile.is_tarfile(path):
        found = from_tar(path)
    else:
        raise Refused(f"{path} is neither a directory nor a wheel, a tar or a zip archive")
    for name in found:
        fault = fault_of_member(name)
        if fault:
            raise Refused(f"{path}: {name} {fault}")
    files = without_common_directory(found)
    return {name: content for name, content in files.items() if belongs_to_release(name)}


def from_wheel(path: str) -> tuple[Files, str]:
    """Return a wheel and its data files, which lie where a checkout has them; and what it asks for.

    What it asks for is a range of Python versions, empty when it does not say.
    """
    held = from_zip(path)
    found = {
        WHEEL_DATA.sub("", name): content
        for name, content in held.items()
        if WHEEL_DATA.match(name)
    }
    for name in found:
        fault = fault_of_member(name)
        if fault:
            raise Refused(f"{path}: {name} {fault}")
    metadata = [name for name in held if re.fullmatch(r"[^/]+\.dist-info/METADATA", name)]
    if len(metadata) != 1:
        raise Refused(f"{path} is not a wheel: it has no METADATA")
    with open(path, "rb") as handle:
        found[os.path.basename(path)] = (handle.read(), False)
    return found, email.message_from_bytes(held[metadata[0]][0]).get("Requires-Python", "")


def from_git(url: str, version: str | None) -> Files:
    """Return the files of a ref of a git repository."""
    with tempfile.TemporaryDirectory(prefix="kai-source-") as scratch:
        git("init", "--quiet", scratch)
        git("-C", scratch, "fetch", "--quiet", "--depth=1", "--", url, version or "HEAD")
        # as in a checkout of the operator's, and not as archives are exported
        git("-C", scratch, "checkout", "--quiet", "--detach", "FETCH_HEAD")
        return from_directory(scratch, [])


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
    # every controller has it; what merely imports this file may not
    import tomllib

    try:
        return str(tomllib.loads(pyproject.decode()).get("project", {}).get("requires-python", ""))
    except ValueError as error:
        raise Refused(f"pyproject.toml cannot be read: {error}") from error


def read_source(parameters: dict[str, Any]) -> tuple[Files, dict[str, Any]]:
    """Return the files of a source of any kind, and what they say of themselves. Raises Refused."""
    source, version = parameters["source"], parameters["version"]
    if version and not is_git_url(source):
        raise Refused(f"kai_install_version is {version!r}, but {source} is not a git URL")
    if parameters["files"] and not os.path.isdir(source):
        raise Refused(f"kai_install_source_files is given, but {source} is not a directory")
    if parameters["checksum"]:
        verify(source, parameters["checksum"])
    wheel = os.path.basename(source) if source.endswith(".whl") else ""
    if is_git_url(source):
        files = from_git(source, version)
    elif os.path.isdir(source):
        files = from_directory(source, parameters["files"])
    elif not os.path.isfile(source):
        raise Refused(f"{source} does not exist on the machine that runs Ansible")
    elif wheel:
        files, python = from_wheel(source)
    else:
        files = from_archive(source)
    if not wheel:
        if "pyproject.toml" not in files:
            raise Refused(
                f"{source} has no pyproject.toml at its top, so it is not Kai's code; name the "
                f"directory that holds it"
            )
        python = requires_python(files["pyproject.toml"][0])
    if parameters["constraints"]:
        with open(parameters["constraints"], "rb") as handle:
            files[parameters["constraints_path"]] = (handle.read(), False)
    return files, {
        "requires_python": python,
        "wheel": wheel,
        "constrained": parameters["constraints_path"] in files,
        "digest": digest_of_files(files),
    }


def pack(files: Files) -> bytes:
    """Return the files as a tar.gz whose bytes follow from names, content and x bits alone."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in sorted(files):
            content, executable = files[name]
            member = tarfile.TarInfo(name)
            member.size = len(content)
            member.mode = 0o755 if executable else 0o644
            archive.addfile(member, io.BytesIO(content))
    # the fastest level: most runs only ask for the identifier
    return gzip.compress(packed.getvalue(), compresslevel=1, mtime=0)


def packed_once(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return what a source says of itself and its archive, read by the first call that asks."""
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
