# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names of Ansible variables."""

from __future__ import annotations

PREFIX = "kai_install_"


def variable(name: str) -> str:
    """Return the Ansible variable of an env key or of a host setting."""
    return PREFIX + name.lower()
