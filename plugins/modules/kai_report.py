#!/usr/bin/python
# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation of the action plugin kai_report."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kai_report
short_description: Publish the report of a run
version_added: 0.1.0
description:
  - Writes the report of a run from the plan and from the results of its tasks, and publishes it in
    the custom stats, under C(kai_install_reports), by host.
  - With O(run=failure) it fails, and says why the run failed and how it left the host.
  - Runs on the controller.
options:
  run:
    description: The kind of the run.
    type: str
    choices: [install, restore, rollback, uninstall, restart, failure]
    required: true
  planned:
    description: The result C(report) of M(kai.bot.kai_plan).
    type: dict
    default: {}
  switched:
    description: The result of M(kai.bot.kai_switch) that switched forward.
    type: dict
    default: {}
  laid_out:
    description: The result of M(kai.bot.kai_user_tree).
    type: dict
    default: {}
  verified:
    description: The result of M(kai.bot.kai_proof).
    type: dict
    default: {}
  recorded:
    description: The result of M(kai.bot.kai_installs).
    type: dict
    default: {}
  reverted:
    description: The result of M(kai.bot.kai_switch) that restored a former state.
    type: dict
    default: {}
  removed:
    description: The result of M(kai.bot.kai_removal), or of M(kai.bot.kai_user_tree) after a
      failure.
    type: dict
    default: {}
  backup:
    description: The result of M(kai.bot.kai_backup) before an uninstall.
    type: dict
    default: {}
  backup_checked:
    description: The result of M(kai.bot.kai_restore) that checked the backup.
    type: dict
    default: {}
  data_laid_out:
    description: The result of M(kai.bot.kai_restore) that laid out the data.
    type: dict
    default: {}
  number:
    description: The install that a rollback restored; none if it reverted an unfinished one.
    type: int
  failure:
    description: The task that failed, and its message.
    type: str
    default: ""
  install_dir:
    description: Where releases live.
    type: str
    default: ""
  role_path:
    description: The directory of the role; with O(run=failure).
    type: str
    default: ""
  line:
    description: The release line of Kai; with O(run=failure).
    type: str
    default: ""
attributes:
  check_mode:
    support: full
    description: The report says that the run was a check.
  diff_mode:
    support: none
    description: There is nothing to compare.
author: the kai-ansible authors (@kai-ansible)
"""

EXAMPLES = r"""
- name: Publish the report
  kai.bot.kai_report:
    run: install
    planned: "{{ plan.report }}"
    switched: "{{ switched }}"
    verified: "{{ verified }}"
    recorded: "{{ recorded }}"
"""

RETURN = r"""
report:
  description: The report.
  returned: success
  type: dict
lines:
  description: Notes for the operator.
  returned: success
  type: list
  elements: str
restored:
  description: Whether the host is as before the run that failed, its bot included.
  returned: with O(run=failure)
  type: bool
"""
