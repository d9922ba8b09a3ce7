# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How users reach Kai 2: through Telegram, through its own Workshop, or both."""

from __future__ import annotations

import ipaddress

from .problems import listed

ADAPTERS = ("telegram", "workshop")
# what Kai takes besides depends on the Python that runs it
_PRIVATE = tuple(
    ipaddress.IPv4Network(network) for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
)


class BadAdapters(ValueError):
    """A value with which Kai does not start; the message says why."""


def read_adapters(value: str | None) -> frozenset[str]:
    """Return the adapters that KAI_ENABLED_ADAPTERS enables. Raises BadAdapters.

    None is an absent key, which enables all.
    """
    if value is None:
        return frozenset(ADAPTERS)
    found = {part.strip().lower() for part in value.split(",") if part.strip()}
    if not found:
        raise BadAdapters(f"it names none of {listed(ADAPTERS)}")
    unknown = sorted(found - set(ADAPTERS))
    if unknown:
        raise BadAdapters(f"{listed(unknown)} is none of {listed(ADAPTERS)}")
    return frozenset(found)


def fault_of_lan_host(value: str, adapters: frozenset[str]) -> str | None:
    """Return why Kai does not listen at an address besides its own host's, or None when it does."""
    address = value.strip()
    if not address:
        return None
    try:
        found = ipaddress.IPv4Address(address)
    except ValueError:
        return "is no IPv4 address"
    if not any(found in network for network in _PRIVATE):
        return "is no address of a private network (10/8, 172.16/12, 192.168/16)"
    if "workshop" not in adapters:
        return "is of use to the Workshop alone, which is not enabled"
    return None
