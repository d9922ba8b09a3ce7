# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of modules that wait for the bot."""

from __future__ import annotations


class ModuleDocFragment:
    """The options of a wait; module_utils/rules/option_specs.py has them as WAIT."""

    DOCUMENTATION = r"""
options:
  unit:
    description: Name of the systemd unit without its suffix.
    type: str
    required: true
  host:
    description: Address on which the bot answers.
    type: str
    default: 127.0.0.1
  health_path:
    description: Path of the health route.
    type: str
    default: /health
  port_key:
    description: The key of the environment file that gives the bot its port.
    type: str
    required: true
  default_port:
    description: The port without that key.
    type: int
    required: true
  env_file:
    description: The bot's environment file, which gives it its port and its secrets.
    type: path
    required: true
  readiness:
    description:
      - Places of the health page that must be true, keys joined by dots; C(*) stands for every key.
      - Without any, an answer of 200 says enough.
    type: list
    elements: str
    default: []
  final_lines:
    description: Regular expressions of lines in the log of a start after which the bot will never
      be ready, so that the wait ends.
    type: list
    elements: str
    default: []
  timeout:
    description: How many seconds the bot may take to answer.
    type: int
    default: 120
  accounts:
    description: Accounts whose processes are ended when they hold the port of the bot; its own and
      the accounts of its agents.
    type: list
    elements: str
    default: []
"""
