# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing and reading unit files (systemd.syntax(7), systemd.exec(5), systemd.service(5))."""

from __future__ import annotations

import shlex


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


def service_of(text: str) -> tuple[str | None, dict[str, str]]:
    """Return the account and the environment that a service unit gives to its process.

    Understands the units of this role and of Kai's own installer, which quotes nothing; a line that
    cannot be split into words is passed over, as systemd does.
    """
    account = None
    environment = {}
    for line in text.splitlines():
        name, separator, value = line.partition("=")
        if name == "User":
            account = value.strip().replace("%%", "%") or None
        elif name == "Environment":
            try:
                words = shlex.split(value)
            except ValueError:
                continue
            for word in words:
                key, separator, content = word.replace("%%", "%").partition("=")
                if separator:
                    environment[key] = content
    return account, environment
