# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing and reading unit files (systemd.syntax(7), systemd.exec(5), systemd.service(5))."""

from __future__ import annotations

import re
import shlex

# two sources of an override that are no file of the unit: a mask, and the manager's own environment
MASK = "mask"
MANAGER = "the environment of systemd"

_SHOWN = re.compile(r'"((?:\\.|[^"\\])*)"(?= |$)|(/.*?)(?= ["/]|$)|([^ ]+)', re.DOTALL)
_ESCAPED = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|([0-7]{3})|(.))", re.DOTALL)
_LETTERS = {
    b"a": b"\a",
    b"b": b"\b",
    b"f": b"\f",
    b"n": b"\n",
    b"r": b"\r",
    b"t": b"\t",
    b"v": b"\v",
    b"s": b" ",
}


def unit_path(path: str) -> str:
    """Return a path for a directive that takes the rest of its line, such as WorkingDirectory."""
    return path.replace("%", "%%")


def unit_word(text: str) -> str:
    """Return ``text`` as one quoted word of Environment, taken literally.

    ``%`` begins a specifier; quotes and backslashes are C-escaped inside double quotes.
    """
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") + '"'


def unit_argument(text: str) -> str:
    """Return ``text`` as one word of ExecStart, in which ``$`` would begin a variable too."""
    return unit_word(text).replace("$", "$$")


def shown_paths(value: str) -> list[str]:
    """Return the paths of a property with several, as ``systemctl show`` prints it.

    A path with a blank or another special character is in double quotes and C-escaped, byte by
    byte. Older versions quote nothing: what follows a blank and begins no path is part of a name.
    """
    return [
        _ESCAPED.sub(_unescaped, match[1].encode(errors="surrogateescape")).decode(
            errors="surrogateescape"
        )
        if match[1] is not None
        else match[0]
        for match in _SHOWN.finditer(value)
    ]


def _unescaped(match: re.Match[bytes]) -> bytes:
    if match[3] is not None:
        return _LETTERS.get(match[3], match[3])
    return bytes([int(match[1], 16) if match[1] else int(match[2], 8) & 0xFF])


def assignments_of(text: str) -> list[tuple[str, str]]:
    """Return name and value of each assignment in the section Service, in order.

    A line that ends in a backslash goes on in the next; a comment between them is passed over.
    """
    found = []
    section, whole = "", ""
    for line in text.splitlines():
        bare = line.strip()
        if bare.startswith(("#", ";")):
            continue
        whole += bare
        if whole.endswith("\\"):
            whole = whole[:-1] + " "
            continue
        if whole.startswith("["):
            section = whole
        elif section == "[Service]" and "=" in whole:
            name, _equals, value = whole.partition("=")
            found.append((name.strip(), value.strip()))
        whole = ""
    return found


def variables_in(value: str) -> dict[str, str]:
    """Return the variables of an assignment of Environment, none where it cannot be split."""
    try:
        words = shlex.split(value)
    except ValueError:
        return {}
    pairs = (word.replace("%%", "%").partition("=") for word in words)
    return {key: content for key, equals, content in pairs if equals}


def service_of(text: str) -> tuple[str | None, dict[str, str]]:
    """Return the account and the environment that a service unit gives to its process.

    Understands the units of this role and of Kai's own installer, which quotes nothing; a line that
    cannot be split into words is passed over, as systemd does.
    """
    account = None
    environment = {}
    for line in text.splitlines():
        name, _separator, value = line.partition("=")
        if name == "User":
            account = value.strip().replace("%%", "%") or None
        elif name == "Environment":
            environment.update(variables_in(value))
    return account, environment
