# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check paths for sudoers, the unit and the environment file."""

from __future__ import annotations

import re

# a glob, a quote or a backslash cannot be escaped in the command of a sudoers rule: its lexer knows
# only \, \: \= \# and escaped blanks
_UNSAFE = re.compile(r"""[\x00-\x1f\x7f-\x9f\u2028\u2029*?\[\]!"'`$;|&<>(){}\\]""")


def fault_of_path(path: object) -> str | None:
    """Return why ``path`` cannot be used as an absolute path, or None when it can.

    Everything that passes can be written so that sudo, systemd and Kai's reader mean exactly it.
    """
    if not isinstance(path, str):
        return "is not text; put it in quotes"
    if path.startswith("~"):
        return "begins with ~, which means another directory for every account"
    if not path.startswith("/"):
        return "is not absolute"
    if path == "/":
        return "is the root directory"
    if path.endswith("/"):
        return "ends in /"
    if any(part in ("", ".", "..") for part in path.split("/")[1:]):
        return "has an empty, . or .. part"
    if _UNSAFE.search(path):
        return "has a control character, quote, backslash, glob or shell character"
    try:
        encoded = path.encode("utf-8")
    except UnicodeEncodeError:
        return "is not valid UTF-8"
    # PATH_MAX counts the NUL behind the path
    if len(encoded) > 4095 or any(len(part) > 255 for part in encoded.split(b"/")):
        return "is longer than a path can be"
    return None


def fault_of_search_directory(path: str) -> str | None:
    """Return why a directory cannot be part of PATH and secure_path, or None when it can."""
    if ":" in path:
        return "has a colon, which separates directories in PATH"
    return fault_of_path(path)
