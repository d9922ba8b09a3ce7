# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The identifiers by which Kai 2 names its users, their channels and their runtime profiles.

Kai derives them, so they are known as soon as the workshop is: its random id is made at the first
start. Directories of users are named by them.
"""

from __future__ import annotations

import hashlib
import re
import uuid

_HEX = "[0-9a-f]{32}"
_TRANSPORT = "telegram"


def is_id(prefix: str, value: object) -> bool:
    """Return whether a value is an identifier of a kind: ``rtp``, ``wsp``, ``prn``, ``chn``."""
    return isinstance(value, str) and re.fullmatch(f"{prefix}_{_HEX}", value) is not None


def principal_of_telegram(workshop: str, telegram_id: int) -> str:
    """Return the principal of a Telegram user, which names the directories of that user."""
    return _derived(workshop, "prn", f"human:{_token(telegram_id)}")


def channel_of_telegram(workshop: str, telegram_id: int) -> str:
    """Return the direct channel of a Telegram user, which names the history of that user."""
    return _derived(workshop, "chn", f"direct-channel:{_token(telegram_id)}")


def principal_of_key(workshop: str, provisioning_key: str) -> str:
    """Return the principal of a user who was provisioned by a key and has no Telegram."""
    return _derived(workshop, "prn", f"operator-human:{provisioning_key}")


def profile_of_key(workshop: str, provisioning_key: str) -> str:
    """Return the first runtime profile of a user who was provisioned by a key."""
    return _derived(workshop, "rtp", f"initial-runtime:{provisioning_key}")


def profile_of_telegram(telegram_id: int) -> str:
    """Return the runtime profile of a Telegram user, which is the same in every workshop."""
    digest = hashlib.sha256(b"kai-workshop-runtime-profile:v1\0" + _number(telegram_id).encode())
    return f"rtp_{digest.hexdigest()[:32]}"


def key_of_profile(profile: str) -> int:
    """Return the number under which Kai keeps the state of a profile that names none.

    A profile of a Telegram user names one, which is the Telegram ID.
    """
    if not is_id("rtp", profile):
        raise ValueError(f"{profile!r} is not a runtime profile")
    digest = hashlib.sha256(b"kai-workshop-runtime-compatibility-key:v1\0" + profile.encode())
    # SQLite keeps signed integers of 64 bits
    return int.from_bytes(digest.digest()[:8], "big") & ((1 << 63) - 1) or 1


def _token(telegram_id: int) -> str:
    content = f"{_TRANSPORT}\0{_number(telegram_id)}"
    return hashlib.sha256(content.encode()).hexdigest()


def _number(telegram_id: int) -> str:
    if isinstance(telegram_id, bool) or not isinstance(telegram_id, int) or telegram_id <= 0:
        raise ValueError(f"{telegram_id!r} is not a Telegram ID")
    return str(telegram_id)


def _derived(workshop: str, prefix: str, name: str) -> str:
    if not is_id("wsp", workshop):
        raise ValueError(f"{workshop!r} is not the id of a workshop")
    return f"{prefix}_{uuid.uuid5(uuid.UUID(hex=workshop[4:]), f'{prefix}:{name}').hex}"
