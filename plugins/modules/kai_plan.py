#!/usr/bin/python
# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation of the action plugin kai_plan."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kai_plan
short_description: Compute the plan of a run
version_added: 0.1.0
description:
  - Reads the contract of the release line, the variables whose names begin with C(kai_install_) and
    the operator's own files, and decides everything that the role does.
  - Without O(probe) it validates the configuration and returns the arguments of
    M(kai.bot.kai_probe). With O(probe) it returns the desired state and all problems as well.
  - Runs on the controller and changes nothing. Use C(no_log), because the result has the
    environment of the bot.
options:
  purpose:
    description:
      - The purpose of the plan.
      - V(install) and V(logins) need a valid configuration. V(status), V(doctor), V(rollback),
        V(uninstall) and V(host), for a backup and the like, need only to know where the
        installation is.
    type: str
    choices: [install, logins, status, doctor, rollback, uninstall, host]
    required: true
  role_path:
    description: The directory of the role, which has contracts and templates.
    type: path
    required: true
  variables:
    description:
      - The result RV(variables) of an earlier plan of this run. Without it, this plan reads them.
      - What a host has answered since then cannot change them.
    type: dict
  probe:
    description: The result C(probe) of M(kai.bot.kai_probe).
    type: dict
  source:
    description: The result of M(kai.bot.kai_source); for V(install) with O(probe).
    type: dict
    default: {}
  workshop:
    description: What the database says after the first start, from M(kai.bot.kai_workshop).
    type: dict
  with_data:
    description: Whether the data of a backup goes live, and with it another workshop.
    type: bool
    default: false
  agreed:
    description: The plan that the report of an earlier check has. Another plan is a problem.
    type: dict
  checkup:
    description: The result C(checkup) of M(kai.bot.kai_checkup); for V(doctor).
    type: dict
  rollback_to:
    description: The number of a verified install, or a release. Without it, the previous install.
    type: str
    default: ""
  rollback_database:
    description: Whether to restore the database as well.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: It never changes anything.
  diff_mode:
    support: none
    description: There is nothing to compare.
author: the kai-ansible authors (@kai-ansible)
"""

EXAMPLES = r"""
- name: Read the configuration
  kai.bot.kai_plan:
    purpose: install
    role_path: "{{ role_path }}"
  register: plan
  no_log: true

- name: Compute the desired state
  kai.bot.kai_plan:
    purpose: install
    role_path: "{{ role_path }}"
    variables: "{{ plan.variables }}"
    probe: "{{ probed.probe }}"
    source: "{{ source }}"
  register: plan
  no_log: true
"""

RETURN = r"""
problems:
  description: The problems of the run, each with where, found, expected and fix. With problems of
    the configuration nothing else is returned.
  returned: always
  type: list
  elements: dict
variables:
  description: The variables C(kai_install_*) as C(values), and C(problems) of those that cannot be
    evaluated.
  returned: without problems of the configuration
  type: dict
host:
  description: The settings of the installation, with defaults.
  returned: without problems of the configuration
  type: dict
probe:
  description: The arguments of M(kai.bot.kai_probe).
  returned: without problems of the configuration
  type: dict
probes_others:
  description: Whether the probe found users whom only the host knows, so that it is worth a second
    one with the arguments above.
  returned: without problems of the configuration
  type: bool
changes:
  description: Whether an install has anything to change on the host.
  returned: for V(install) with O(probe)
  type: bool
release:
  description: Name, path, archive and directories of the release, the Python that builds it, and
    whether it is built.
  returned: for V(install) with O(probe)
  type: dict
files:
  description: The files of the installation, as M(kai.bot.kai_switch) takes them.
  returned: for V(install) with O(probe)
  type: list
  elements: dict
secret_contents:
  description: The texts of files that hold secrets, by path.
  returned: for V(install) with O(probe)
  type: dict
policy:
  description: The sudo rules, and whether visudo has to check them.
  returned: for V(install) with O(probe)
  type: dict
new_accounts:
  description: The accounts that an install creates.
  returned: for V(install) with O(probe)
  type: dict
directories:
  description: The directories, as M(kai.bot.kai_user_tree) takes them; seeds and
    private_directories likewise.
  returned: for V(install) with O(probe)
  type: list
  elements: dict
proof:
  description: How M(kai.bot.kai_proof) verifies the bot.
  returned: for V(install) with O(probe)
  type: dict
report:
  description: The part of the plan for M(kai.bot.kai_report).
  returned: for V(install) with O(probe)
  type: dict
rollback:
  description: The install to go back to, and the install whose snapshot has its database.
  returned: for V(rollback) with O(probe)
  type: dict
logins_report:
  description: The missing logins, each with its account and its command.
  returned: for V(logins) with O(probe)
  type: dict
status:
  description: Whether the host is healthy, and where it differs from its variables.
  returned: for V(status) with O(probe)
  type: dict
checkup:
  description: The arguments of M(kai.bot.kai_checkup).
  returned: for V(doctor) with O(probe) and without O(checkup)
  type: dict
findings:
  description: The findings about a bot that does not work.
  returned: for V(doctor) with O(checkup)
  type: list
  elements: dict
lines:
  description: The status or the findings, one line each.
  returned: for V(status) and V(doctor)
  type: list
  elements: str
"""
