# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a run may keep files on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
name: run_directory
short_description: The directory of this run on the controller
version_added: 0.1.0
description:
  - Returns Ansible's own temporary directory of the run. It has the mode 0700, is the same for
    every host and task, and Ansible removes it when the run ends, failed or not.
  - The lookup P(ansible.builtin.config#lookup) cannot be used for it, as it makes a new directory
    each time.
author: the kai-ansible authors (@kai-ansible)
"""

EXAMPLES = r"""
- name: The directory is shown
  ansible.builtin.debug:
    msg: "{{ lookup('kai.bot.run_directory') }}"
"""

RETURN = r"""
_raw:
  description: The path of the directory.
  type: list
  elements: str
"""

from typing import Any

from ansible import constants
from ansible.plugins.lookup import LookupBase


class LookupModule(LookupBase):
    """The lookup of the run's directory."""

    def run(self, terms: Any, variables: Any = None, **kwargs: Any) -> list[str]:
        """Return the directory, whatever the terms are."""
        return [constants.DEFAULT_LOCAL_TMP]
