# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check the place of Kai's own code, and select the files of a release."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Mapping

_GIT_URL = re.compile(r"(https?://|ssh://|git://|file://|[^/@\s]+@[^/:\s]+:)\S+\Z")
# a token alone looks like a name, so over HTTP none is let through; a password may have an @ in it
_PASSWORD = re.compile(
    r"(?<=://)[^/\s]*:[^/\s]*(?=@)|(?<=http://)[^/\s]+(?=@)|(?<=https://)[^/\s]+(?=@)"
)
# of Linux; where a release is built the path is longer
_LONGEST_NAME = 255
_LONGEST_PATH = 1024
# what a build leaves anywhere, and what a build or Kai's own installer leaves at the top
_LEFT_OUT = re.compile(
    r"(.*/)?(\.git|__pycache__|[^/]*\.egg-info)(/.*)?|.*\.py[co]"
    r"|(build|dist|\.venv|venv)/.*|\.env|install\.conf|users\.yaml"
)


def is_git_url(source: str) -> bool:
    """Return whether git would clone from ``source``."""
    return bool(_GIT_URL.match(source))


def fault_of_source(source: str) -> str | None:
    """Return why ``source`` cannot be one, or None when it can.

    A relative path would mean another place for every command that reads it. A password would be
    seen by everybody who may look at the processes of the machine.
    """
    if _PASSWORD.search(source):
        return "has a password or a token in it; use ssh, or a credential helper of git"
    if is_git_url(source) or source.startswith("/"):
        return None
    return "is neither an absolute path nor a git URL"


def without_password(text: str) -> str:
    """Return text with no login of a URL that has a password or may be a token."""
    return _PASSWORD.sub("***", text)


def path_of_index(url: str) -> str:
    """Return the directory of a package index on the host itself, empty for another index."""
    scheme, _slashes, rest = url.partition("://")
    # pip and uv leave the host, a query and a fragment out
    path = re.split("[?#]", rest)[0].partition("/")[2]
    return f"/{unquote(path)}" if scheme == "file" else ""


def fault_of_member(name: str) -> str | None:
    """Return why a path cannot be one below a release's directory, or None when it can."""
    if name.startswith("/"):
        return "is absolute"
    if ".." in name.split("/"):
        return "leads out of the archive"
    if "\0" in name:
        return "has a NUL in it"
    raw = name.encode(errors="surrogatepass")
    if len(raw) > _LONGEST_PATH or any(len(part) > _LONGEST_NAME for part in raw.split(b"/")):
        return (
            f"is longer than a name can be ({_LONGEST_NAME} bytes, {_LONGEST_PATH} with its path)"
        )
    return None


def belongs_to_release(name: str) -> bool:
    """Return whether a file of a source is part of Kai, by its path below the source."""
    return _LEFT_OUT.fullmatch(name) is None


def without_common_directory(
    files: Mapping[str, tuple[bytes, bool]],
) -> dict[str, tuple[bytes, bool]]:
    """Return files with plain paths, and without the one directory that holds them all."""
    plain = {posixpath.normpath(name): content for name, content in files.items()}
    if len({name.split("/")[0] for name in plain}) == 1 and all("/" in name for name in plain):
        return {name.split("/", 1)[1]: content for name, content in plain.items()}
    return plain
