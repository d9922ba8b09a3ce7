# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing values of unit files (systemd.syntax(7), systemd.exec(5), systemd.service(5))."""

from __future__ import annotations


def unit_path(path: str) -> str:
    """Return a path for a directive that takes the rest of its line, such as WorkingDirectory."""
    return path.replace("%", "%%")


def unit_word(text: str) -> str:
    """Return ``text`` as one quoted word of Environment, taken literally.

    ``%`` begins a specifier; quotes and backslashes are C-escaped inside double quotes.
    """
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") + '"'


def unit_argument(text: str) -> str:
    """Return ``text`` as one word of ExecStart, where ``$`` would begin a variable as well."""
    return unit_word(text).replace("$", "$$")
