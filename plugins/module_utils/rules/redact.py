# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text that others wrote, without the secrets that they may have put into it."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Iterable

MASK = "********"
# RFC 3986, section 3.2.1: the part between the scheme and the host of a URL
_USERINFO = re.compile(r"(?<=://)[^\s/]+@")


def fingerprint(secret: str) -> str:
    """Return a mark that distinguishes two secrets and reveals neither."""
    digest = hashlib.scrypt(
        secret.encode("utf-8", "surrogateescape"), salt=b"kai-ansible", n=2**12, r=8, p=1
    )
    return digest.hex()[:8]


def masked(text: str, secrets: Iterable[str]) -> str:
    """Return a text without secrets: neither as plain text nor as in a URL or quoted text.

    Redacts credentials in URLs as well, of any owner.
    """
    forms = {
        form
        for secret in secrets
        for form in (
            secret,
            quote(secret),
            quote(secret, safe=""),
            quote_plus(secret),
            json.dumps(secret)[1:-1],
            repr(secret)[1:-1],
        )
        if form
    }
    # a secret may be a part of another one
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, MASK)
    return _USERINFO.sub(f"{MASK}@", text)
