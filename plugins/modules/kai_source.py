#!/usr/bin/python
# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kai's own code, as one archive whose name follows from its content."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kai_source
short_description: A release of Kai is identified, and packed when asked for
version_added: 0.1.0
description:
  - Reads Kai's code from a checkout, a directory, an archive or a git URL.
  - The same content gives the same identifier and the same bytes, whoever packs it and when.
  - Runs on the controller; delegate it to localhost.
options:
  source:
    description: A directory, an archive (tar or zip) or a git URL.
    type: str
    required: true
  version:
    description: Branch, tag or commit; only for a git URL.
    type: str
  extras:
    description: Optional dependency groups, which are part of a release's identity.
    type: list
    elements: str
    default: []
  python:
    description: The interpreter asked for, which is part of a release's identity.
    type: str
    default: ""
  dest:
    description: Where to write the archive; without it nothing is written.
    type: path
attributes:
  check_mode:
    support: full
    description: Writes only O(dest), a temporary file of the caller.
  diff_mode:
    support: none
    description: There is nothing to compare.
author: the kai-ansible authors (@kai-ansible)
"""

EXAMPLES = r"""
- name: The release is identified
  kai.bot.kai_source:
    source: /home/me/kai
    extras: [memory]
  delegate_to: localhost
  register: source
"""

RETURN = r"""
release:
  description: Identifier of the release, twelve hexadecimal digits.
  returned: always
  type: str
  sample: 0a1b2c3d4e5f
requires_python:
  description: What pyproject.toml asks for, empty when it does not say.
  returned: always
  type: str
  sample: ">=3.13"
files:
  description: How many files the release has.
  returned: always
  type: int
"""

import gzip
import hashlib
import io
import json
import os
import re
import subprocess
import tarfile
import tempfile
import zipfile
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.sources import is_git_url

LEFT_OUT = re.compile(
    r"(^|/)(\.git|\.venv|venv|__pycache__|build|dist|\.env|install\.conf|users\.yaml|[^/]*\.egg-info)(/|$)"
    r"|\.pyc$"
)
# content and whether it is executable, by path inside the release
Files = dict


class Refused(Exception):
    """A source that cannot be read, with the reason and what to do."""


def git(*arguments: str) -> bytes:
    """Return what a git command prints. Raises Refused with git's own words."""
    command = ["git", "-c", "safe.directory=*", *arguments]
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
    try:
        run = subprocess.run(
            command, capture_output=True, check=False, timeout=600, env=environment
        )
    except FileNotFoundError as error:
        raise Refused("git is not installed on the machine that runs Ansible") from error
    if run.returncode != 0:
        raise Refused(f"git {arguments[0]}: {run.stderr.decode(errors='replace').strip()}")
    return run.stdout


def from_directory(path: str) -> Files:
    """Return what a checkout tracks, or what a plain directory holds without build products."""
    if os.path.exists(os.path.join(path, ".git")) or inside_checkout(path):
        names = [
            os.fsdecode(name) for name in git("-C", path, "ls-files", "-z").split(b"\0") if name
        ]
    else:
        names = [
            os.path.relpath(os.path.join(parent, name), path)
            for parent, directories, files in os.walk(path)
            for name in files
        ]
        names = [name for name in names if not LEFT_OUT.search(name)]
    found = {}
    for name in names:
        full = os.path.join(path, name)
        if os.path.islink(full):
            raise Refused(f"{full} is a link; a release holds files only")
        if os.path.isfile(full):
            with open(full, "rb") as handle:
                found[name] = (handle.read(), os.access(full, os.X_OK))
    return found


def inside_checkout(path: str) -> bool:
    """Return whether a directory is part of what a checkout tracks."""
    try:
        return bool(git("-C", path, "ls-files", "-z"))
    except Refused:
        return False


def from_archive(path: str) -> Files:
    """Return the files of a tar or zip archive; one directory that holds everything is cut off."""
    found: Files = {}
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as packed:
            for entry in packed.infolist():
                if not entry.is_dir():
                    executable = bool(entry.external_attr >> 16 & 0o100)
                    found[entry.filename] = (packed.read(entry), executable)
    elif tarfile.is_tarfile(path):
        with tarfile.open(path) as packed:
            for member in packed:
                if member.isfile():
                    handle = packed.extractfile(member)
                    found[member.name] = (
                        handle.read() if handle else b"",
                        bool(member.mode & 0o100),
                    )
                elif not member.isdir():
                    raise Refused(f"{path}: {member.name} is a link; a release holds files only")
    else:
        raise Refused(f"{path} is neither a directory nor a tar or zip archive")
    found = {os.path.normpath(name): content for name, content in found.items()}
    for name in found:
        if name.startswith("/") or name.split("/")[0] == "..":
            raise Refused(f"{path}: {name} leads out of the archive")
    tops = {name.split("/")[0] for name in found}
    if len(tops) == 1 and all("/" in name for name in found):
        found = {name.split("/", 1)[1]: content for name, content in found.items()}
    return {name: content for name, content in found.items() if not LEFT_OUT.search(name)}


def from_git(url: str, version: str | None) -> Files:
    """Return the files of a ref of a git repository."""
    with tempfile.TemporaryDirectory(prefix="kai-source-") as scratch:
        git("init", "--quiet", scratch)
        git("-C", scratch, "fetch", "--quiet", "--depth=1", "--", url, version or "HEAD")
        packed = os.path.join(scratch, "source.tar")
        git("-C", scratch, "archive", "--format=tar", f"--output={packed}", "FETCH_HEAD")
        return from_archive(packed)


def files_of(source: str, version: str | None) -> Files:
    """Return the files of a source of any kind. Raises Refused."""
    if is_git_url(source):
        return from_git(source, version)
    if version:
        raise Refused(f"version {version!r} is given, but {source} is not a git URL")
    if os.path.isdir(source):
        return from_directory(source)
    if os.path.isfile(source):
        return from_archive(source)
    raise Refused(f"{source} does not exist on the machine that runs Ansible")


def requires_python(pyproject: bytes) -> str:
    """Return the interpreter range of a pyproject.toml, empty when it names none."""
    match = re.search(rb"""(?m)^requires-python\s*=\s*["']([^"']*)["']""", pyproject)
    return match[1].decode() if match else ""


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
    return gzip.compress(packed.getvalue(), mtime=0)


def identify(files: Files, extras: list[str], python: str) -> str:
    """Return the identifier of a release."""
    identity = hashlib.sha256(json.dumps([sorted(extras), python]).encode())
    for name in sorted(files):
        content, executable = files[name]
        identity.update(
            f"\0{name}\0{executable:d}{len(content)}\0".encode(errors="surrogateescape")
        )
        identity.update(content)
    return identity.hexdigest()[:12]


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "source": {"type": "str", "required": True},
            "version": {"type": "str"},
            "extras": {"type": "list", "elements": "str", "default": []},
            "python": {"type": "str", "default": ""},
            "dest": {"type": "path"},
        },
        supports_check_mode=True,
    )
    parameters: dict[str, Any] = module.params
    try:
        files = files_of(parameters["source"], parameters["version"])
    except Refused as error:
        module.fail_json(msg=f"kai_install_source: {error}")
    except (OSError, tarfile.TarError, zipfile.BadZipFile) as error:
        module.fail_json(msg=f"kai_install_source: {parameters['source']} cannot be read: {error}")
    if "pyproject.toml" not in files:
        module.fail_json(
            msg=f"kai_install_source: {parameters['source']} has no pyproject.toml at its top, so "
            f"it is not Kai's code; name the directory that holds it"
        )
    if parameters["dest"]:
        with open(parameters["dest"], "wb") as handle:
            handle.write(pack(files))
    module.exit_json(
        changed=False,
        release=identify(files, parameters["extras"], parameters["python"]),
        requires_python=requires_python(files["pyproject.toml"][0]),
        files=len(files),
    )


if __name__ == "__main__":
    main()
