# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pack the operator's source once for all hosts of a run."""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import io
import json
import os
import tarfile
from typing import TYPE_CHECKING

from ..rules.network_environment import of_words
from ..rules.problems import Refused
from ..rules.release_line import AUTO, Found, problem_of_release
from ..rules.releases import digest_of_files
from ..rules.sources import is_git_url
from .contracts import lines_of
from .git_source import fetched
from .source_files import (
    Archive,
    Files,
    NotAFile,
    files_of,
    from_archive,
    from_wheel,
    names_below,
    read_archive,
)
from .source_limits import Allowance, content_of
from .source_line import found_in_files, found_in_wheel, found_line, no_source

if TYPE_CHECKING:
    from ..rules.module_arguments import SourceArguments
    from ..rules.run_results import PackedSource, SourceMetadata

# filters of git, which would fetch the file, never run
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"


def verify(archive: Archive, checksum: str) -> None:
    """Compare a file with its checksum, ``sha256:`` and digits. Raises Refused for another one."""
    found = f"sha256:{hashlib.sha256(archive.content).hexdigest()}"
    if found != checksum:
        raise Refused(
            f"{archive.path} has the checksum {found}, and kai_install_source_checksum expects "
            f"{checksum}. Fix: get the file that was meant, or set the checksum of this one"
        )


def requires_python(pyproject: bytes) -> str:
    """Return the interpreter range of a pyproject.toml, empty when it names none."""
    # every controller has it; a host that imports this file may not
    import tomllib

    try:
        return str(tomllib.loads(pyproject.decode()).get("project", {}).get("requires-python", ""))
    except (ValueError, AttributeError, RecursionError) as error:
        raise Refused(
            f"pyproject.toml cannot be read: {error}. Fix: get the source again; Kai's own is valid"
        ) from error


def read_source(parameters: SourceArguments) -> tuple[Files, SourceMetadata]:
    """Return the files of a source of any kind, and its metadata. Raises Refused."""
    source, version = parameters["source"], parameters["version"]
    directory = parameters.get("lines")
    environment = of_words(parameters.get("environment") or ())
    if version and not is_git_url(source):
        raise Refused(
            f"kai_install_version is {version!r}, but {source} is not a git URL. Fix: remove it, "
            f"or name a repository as kai_install_source"
        )
    if parameters["files"] and not os.path.isdir(source):
        raise Refused(
            f"kai_install_source_files is given, but {source} is not a directory. Fix: remove it, "
            f"or name a checkout as kai_install_source"
        )
    if parameters["checksum"] and not os.path.isfile(source):
        raise Refused(
            f"kai_install_source_checksum is given, but {source} is not an archive or a wheel. "
            f"Fix: remove it; a git URL is pinned by a commit in kai_install_version"
        )
    wheel = os.path.basename(source) if source.endswith(".whl") else ""
    if not (is_git_url(source) or os.path.exists(source)):
        raise Refused(no_source(source))
    try:
        if is_git_url(source):
            with fetched(source, version, environment) as (tree, names):
                files = files_of(tree, names, Allowance(source))
        elif os.path.isdir(source):
            files = files_of(source, names_below(source, parameters["files"]))
        elif not os.path.isfile(source):
            raise Refused(
                f"{source} is neither a directory nor a file. Fix: name a checkout of Kai, an "
                f"archive of it, or a git URL"
            )
        else:
            archive = read_archive(source)
            if parameters["checksum"]:
                verify(archive, parameters["checksum"])
            if wheel:
                files, python = from_wheel(archive)
            else:
                files = from_archive(archive)
    except NotAFile:
        # another line of Kai is the better reason than a file that no release of this one can hold
        if directory:
            found = found_line(
                lines_of(directory), source, version, parameters["files"], environment
            )
            refuse_other_line(parameters, found)
        raise
    if not wheel:
        if "pyproject.toml" not in files:
            raise Refused(
                f"{source} has no pyproject.toml at its top, so it is not Kai's code. Fix: name "
                f"the directory that holds it"
            )
        python = requires_python(files["pyproject.toml"][0])
    for name, (content, _executable) in files.items():
        if content.startswith(_LFS_POINTER):
            raise Refused(
                f"{source}: found a pointer of git-lfs as {name}, expected the file. Fix: run git "
                f"lfs pull in a checkout, and name that as kai_install_source"
            )
    found = Found(None)
    if directory:
        lines = lines_of(directory)
        found = found_in_wheel(lines, archive) if wheel else found_in_files(lines, files)
        refuse_other_line(parameters, found)
    if parameters["constraints"]:
        given, _executable = content_of(parameters["constraints"], Allowance(source))
        files[parameters["constraints_path"]] = (given, False)
    return files, {
        "requires_python": python,
        "wheel": wheel,
        "constrained": parameters["constraints_path"] in files,
        "line": found.line,
        "features": sorted(found.features),
        "mode_variable": found.mode_variable,
        "digest": digest_of_files(files),
    }


def refuse_other_line(parameters: SourceArguments, found: Found) -> None:
    """Raise Refused for a tree that is not of the wanted line of Kai, as far as lines are known."""
    directory, release = parameters.get("lines"), parameters.get("line") or AUTO
    if not directory:
        return
    problem = problem_of_release(lines_of(directory), found, release, parameters["source"])
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


def packed_once(parameters: SourceArguments) -> PackedSource:
    """Return the metadata of a source and its archive; the first call reads the source."""
    asked = [
        parameters["source"],
        parameters["version"],
        parameters["checksum"],
        parameters["files"],
        parameters["constraints"],
    ]
    key = hashlib.sha256(json.dumps(asked).encode(errors="surrogateescape")).hexdigest()[:16]
    archive = os.path.join(parameters["cache"], f"kai-source-{key}.tar.gz")
    # the plays of several hosts run at once
    with open(f"{archive}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.exists(f"{archive}.json"):
            with open(f"{archive}.json", encoding="utf-8") as handle:
                metadata: SourceMetadata = json.load(handle)
            # hosts of one run may want different lines
            refuse_other_line(parameters, Found(metadata["line"]))
            return {**metadata, "archive": archive, "packed": False}
        files, metadata = read_source(parameters)
        with open(archive, "wb") as handle:
            handle.write(pack(files))
        with open(f"{archive}.json", "w", encoding="utf-8") as note:
            json.dump(metadata, note)
    return {**metadata, "archive": archive, "packed": True}
