# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that several modules have; module_utils/rules has them as AnsibleModule takes them."""

from __future__ import annotations


class ModuleDocFragment:
    """WAIT as option_specs.py has it, PRIVATE_DIRECTORIES as proof_arguments.py has it."""

    WAIT = r"""
options:
  wait:
    description: How the bot answers, and how long to wait for that.
    type: dict
    required: true
    suboptions:
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
      final_lines:
        description: Regular expressions of lines in the log of a start after which the bot will
          never be ready, so that the wait ends.
        type: list
        elements: str
        default: []
      timeout:
        description: How many seconds the bot may take to answer.
        type: int
        default: 120
      accounts:
        description: Accounts whose processes are ended when they hold the port of the bot; its own
          and the accounts of its agents.
        type: list
        elements: str
        default: []
  readiness:
    description:
      - Places of the health page that must be true, keys joined by dots; C(*) stands for every key.
      - Without any, an answer of 200 says enough.
    type: list
    elements: str
    default: []
"""

    PRIVATE_DIRECTORIES = r"""
options:
  private_directories:
    description: Directories that only their own account may enter.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: The directory.
        type: path
        required: true
      account:
        description: The account of the directory; none for the service user alone.
        type: str
      only_reads:
        description: Whether that account only reads there.
        type: bool
        default: false
"""
