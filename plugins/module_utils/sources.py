# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where Kai's own code may come from."""

from __future__ import annotations

import re

_GIT_URL = re.compile(r"(https?://|ssh://|git://|file://|[^/@\s]+@[^/:\s]+:)\S+\Z")


def is_git_url(source: str) -> bool:
    """Return whether git would clone from ``source``."""
    return bool(_GIT_URL.match(source))


def fault_of_source(source: str) -> str | None:
    """Return why ``source`` cannot be one, or None when it can.

    A relative path would mean another place for every command that reads it.
    """
    if is_git_url(source) or source.startswith("/"):
        return None
    return "is neither an absolute path nor a git URL"
