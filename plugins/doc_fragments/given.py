# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the filters that judge the variables of a host have in common."""

from __future__ import annotations


class ModuleDocFragment:
    """The input, the contract and the users' own file."""

    DOCUMENTATION = r"""
options:
  _input:
    description: The variables of the role by name, those that begin with C(kai_install_).
    type: dict
    required: true
  contract:
    description: The contract of a release line of Kai, as the role's C(vars/kai_1.yml) has it.
    type: dict
    required: true
  users_file:
    description: The text of the operator's own users.yaml, if there is one.
    type: str
"""
