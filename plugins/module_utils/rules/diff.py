# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module shows of what it changes, in the form that Ansible prints with --diff."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .env_file import read_env
from .redact import fingerprint, masked

if TYPE_CHECKING:
    from collections.abc import Container

ABSENT = "absent"


def difference(what: str, before: str, after: str) -> dict[str, str]:
    """Return the diff of a one-line description; empty text means that it is absent."""
    return {
        "before_header": what,
        "after_header": what,
        "before": f"{before}\n" if before else "",
        "after": f"{after}\n" if after else "",
    }


def shown_env(text: str, shown: Container[str]) -> str:
    """Return an environment file for a diff: a line per key, any but ``shown`` by fingerprint."""
    return "".join(
        f"{key}={_shown_value(value, key in shown)}\n"
        for key, value in sorted(read_env(text).items())
    )


def shown_opaque(text: str) -> str:
    """Return a file for a diff that may only say whether it is another one."""
    return f"fingerprint {fingerprint(text)}\n"


def _shown_value(value: str, readable: bool) -> str:
    mark = f"fingerprint {fingerprint(value)}"
    if not readable:
        return mark
    seen = masked(value, ())
    # what is left out of it may be all that differs
    return value if seen == value else f"{seen} ({mark})"
