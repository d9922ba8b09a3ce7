# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first user of a Kai 2 without Telegram, as the setting for the plan holds it.

Only Kai 2.1 reads it. No complete tree of Kai 2.1 was available, so this was compared only with
Kai's own module for the plan.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from typing import Any

from .principal_ids import is_id
from .problems import shortened

ROLES = ("admin", "member")
_PREFIX = "v1."
_KEYS = ("display_name", "provisioning_key", "role", "runtime_profile_id", "version", "workshop_id")
_LONGEST_NAME = 200
_PROVISIONING_KEY = re.compile(r"[a-z][a-z0-9_-]{0,63}")


class BadPlan(ValueError):
    """A plan that Kai does not start with; the message says why."""


@dataclass(frozen=True)
class BootstrapPlan:
    """The workshop and its first user."""

    workshop_id: str
    display_name: str
    runtime_profile_id: str
    provisioning_key: str
    role: str


def encode(plan: BootstrapPlan) -> str:
    """Return a plan as the value of its setting. Raises BadPlan."""
    _judge(plan)
    document = {**{name: getattr(plan, name) for name in _KEYS if name != "version"}, "version": 1}
    # nothing in it needs a quote or an escape where the environment file is read
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return _PREFIX + base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(value: str) -> BootstrapPlan:
    """Return the plan that a setting holds. Raises BadPlan for anything but what encode writes."""
    if not value.startswith(_PREFIX):
        raise BadPlan(f"it does not begin with {_PREFIX}")
    body = value[len(_PREFIX) :]
    try:
        content = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
        document: Any = json.loads(content.decode("utf-8"))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise BadPlan("it is not base64url of JSON") from error
    if not isinstance(document, dict) or sorted(document) != list(_KEYS):
        raise BadPlan(f"it does not have exactly the keys {', '.join(_KEYS)}")
    version = document.pop("version")
    # true and 1.0 equal 1, and Kai refuses them
    if isinstance(version, bool) or not isinstance(version, int) or version != 1:
        raise BadPlan("its version is not 1")
    if not all(isinstance(part, str) for part in document.values()):
        raise BadPlan("a value in it is not text")
    plan = BootstrapPlan(**document)
    _judge(plan)
    if encode(plan) != value:
        raise BadPlan("it is not written as Kai writes it")
    return plan


def fault_of_plan(value: str) -> str | None:
    """Return why Kai does not start with a value, None if it does."""
    try:
        decode(value)
    except BadPlan as error:
        return f"is not valid: {error}"
    return None


def _judge(plan: BootstrapPlan) -> None:
    if not is_id("wsp", plan.workshop_id):
        raise BadPlan("workshop_id is not wsp_ and 32 hexadecimal digits")
    if not is_id("rtp", plan.runtime_profile_id):
        raise BadPlan("runtime_profile_id is not rtp_ and 32 hexadecimal digits")
    if plan.role not in ROLES:
        raise BadPlan(f"role is {shortened(repr(plan.role))}, not one of {', '.join(ROLES)}")
    if _PROVISIONING_KEY.fullmatch(plan.provisioning_key) is None:
        raise BadPlan("provisioning_key is not up to 64 small letters, digits, _ and -")
    name = plan.display_name
    if not name.strip() or name != name.strip() or len(name) > _LONGEST_NAME:
        raise BadPlan(f"display_name is blank, or longer than {_LONGEST_NAME} characters")
