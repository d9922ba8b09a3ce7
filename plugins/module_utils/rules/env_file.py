# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""/etc/kai/env as Kai's reader understands it.

The reader takes one line at a time, strips it, splits it at the first ``=``, strips both sides and
removes one pair of equal outer quotes. It knows no escapes, no comments behind a value and no
``$`` (Kai runtime contract, section 0, trap 1).
"""

from __future__ import annotations

import re

_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
# everything at which str.splitlines ends a line, and NUL, which no environment can hold
_SEPARATORS = frozenset("\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029\x00")
# execve(2): key, equals sign, value and NUL have to fit into MAX_ARG_STRLEN, 32 pages
_LONGEST_KEY = 255
_LONGEST_VALUE = 32 * 4096 - _LONGEST_KEY - 2


class UnwritableValue(ValueError):
    """A value or key that no line of the file can carry."""


def fault_of_value(value: str) -> str | None:
    """Return why no line can carry ``value``, or None when one can."""
    if any(character in _SEPARATORS for character in value):
        return "has a line break or NUL, which a line of /etc/kai/env cannot carry"
    try:
        encoded = value.encode("utf-8")
    except UnicodeEncodeError:
        return "is not valid UTF-8"
    if len(encoded) > _LONGEST_VALUE:
        return f"has more than {_LONGEST_VALUE} bytes, with which Linux starts no program"
    return None


def fault_of_key(key: str) -> str | None:
    """Return why ``key`` cannot name an environment variable, or None when it can."""
    if not _KEY.match(key):
        return "is not the name of an environment variable"
    return "is too long" if len(key) > _LONGEST_KEY else None


def env_line(key: str, value: str) -> str:
    """Return the line that makes Kai's reader see exactly ``value`` under ``key``.

    Raises UnwritableValue when no line can.
    """
    fault = fault_of_key(key)
    if fault:
        raise UnwritableValue(f"{key!r} {fault}")
    fault = fault_of_value(value)
    if fault:
        raise UnwritableValue(f"the value of {key} {fault}")
    # JSON reads better in single quotes, and python-dotenv then agrees with the protected reader
    quote = "'" if '"' in value and "'" not in value else '"'
    return f"{key}={quote}{value}{quote}"


def read_env(text: str) -> dict[str, str]:
    """Return what Kai's reader makes of the file's text, the first of two equal keys winning."""
    found: dict[str, str] = {}
    for raw in text.splitlines():
        line = raw.strip()
        if not line or line.startswith("#") or "=" not in line:
            continue
        if line.startswith("export "):
            line = line[len("export ") :]
        key, value = (side.strip() for side in line.split("=", 1))
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        found.setdefault(key, value)
    return found
