# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that is not root on its host: that is its only problem, as it sees almost nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .problems import Problem

if TYPE_CHECKING:
    from .probe import About

NOT_ROOT = Problem(
    "the privilege of Ansible on the host",
    "an account that is not root",
    "root: only root sees and changes an installation",
    "remove ansible_become: false and ansible_become_user from the inventory, as these playbooks "
    "become root by themselves; where sudo wants a password, add --ask-become-pass (-K)",
)


def without_privilege(probe: About) -> list[Problem]:
    """Return the problem of a run that is not root; nothing where the host is not supported.

    probe: the result of kai_probe.
    """
    return [NOT_ROOT] if probe.get("platform") and not probe["privileged"] else []
