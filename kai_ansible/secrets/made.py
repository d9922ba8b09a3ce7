"""Make secrets."""

from __future__ import annotations

import secrets

SECRET_BYTES = 32


def made_secret() -> str:
    """Return a new secret: 32 random bytes as 64 hexadecimal digits."""
    return secrets.token_hex(SECRET_BYTES)
