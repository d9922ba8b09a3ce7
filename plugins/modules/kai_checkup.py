#!/usr/bin/python
# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the bot may do on a host and what it logged, without a change."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kai_checkup
short_description: What the bot may do on a host and what it logged, without a change
version_added: 0.1.0
description:
  - Runs commands as the service user and tells which of them fail, with what they said.
  - Looks whether accounts can work in their own directories, and in nobody else's.
  - Has visudo judge the whole policy of sudo.
  - Returns the end of what the unit logged since it was started, without secrets.
  - Needs to be root. It waits for nothing but these commands, and each has a limit.
options:
  service_user:
    description: The account that runs the bot. Without it no commands are run.
    type: str
  unit:
    description: Name of the systemd unit without its suffix.
    type: str
    required: true
  env_file:
    description: The bot's environment file, which gives it its secrets.
    type: path
    required: true
  environment:
    description: Environment of the service, with which commands are run.
    type: dict
    default: {}
  secret_keys:
    description: Keys of the environment file whose values must not appear in what is reported.
    type: list
    elements: str
    default: []
  commands:
    description: Commands that should succeed as the service user.
    type: list
    elements: dict
    default: []
    suboptions:
      stage:
        description: What does not work when the command fails.
        type: str
        required: true
      what:
        description: What the command shows when it succeeds.
        type: str
        required: true
      argv:
        description: The command.
        type: list
        elements: str
        required: true
      only_if_exists:
        description: A path; when nothing is there the command is left out.
        type: str
  private_directories:
    description: Directories of which no account sees anything but the one that each is kept for.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: The directory.
        type: path
        required: true
      account:
        description: The account that it is kept for; none for the service user alone.
        type: str
      only_reads:
        description: Whether that account reads there and does not write.
        type: bool
        default: false
  visudo:
    description: Where visudo is. Without it the policy is not judged.
    type: str
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
- name: What the bot may do is known
  kai.bot.kai_checkup:
    service_user: kai
    unit: kai
    env_file: /etc/kai/env
    commands:
      - stage: sudo
        what: the bot reads /etc/kai/env
        argv: [sudo, -n, cat, /etc/kai/env]
    visudo: /usr/sbin/visudo
  register: checkup
"""

RETURN = r"""
checkup:
  description: What was seen.
  returned: success
  type: dict
  contains:
    faults:
      description: Stage, what and argv of each command that failed, and what it said.
      type: list
      elements: dict
    trespasses:
      description: Where an account cannot work in its own directory, or can in that of another.
      type: list
      elements: str
    policy:
      description: What visudo has against the policy of sudo, empty when it has nothing.
      type: str
    log:
      description: The last lines of the unit's log since it was started, oldest first.
      type: list
      elements: str
"""

import concurrent.futures
import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.host.bot_account import BotAccount
from ..module_utils.host.isolation import concerned, trespasses
from ..module_utils.host.service import deployed_env
from ..module_utils.host.subprocesses import run_bounded
from ..module_utils.host.system import last_starts, log_of
from ..module_utils.rules.problems import Refused, problem_of_error
from ..module_utils.rules.proof_arguments import PRIVATE_DIRECTORIES
from ..module_utils.rules.redact import masked
from ..module_utils.rules.sanitize import printable

LOG_LINES = 200
LINE_CHARACTERS = 500
VISUDO_SECONDS = 20


class Checkup:
    """A look at what the bot can do."""

    def __init__(self, parameters: dict[str, Any]) -> None:
        self.parameters = parameters
        self.knows_secrets = True
        try:
            self.env = deployed_env(parameters["env_file"])
        except (OSError, Refused):
            # somebody else told that it is no file
            self.env = {}
            self.knows_secrets = False
        self.secrets = [self.env[key] for key in parameters["secret_keys"] if self.env.get(key)]

    def look(self) -> dict[str, Any]:
        """Return everything that was seen."""
        return {
            "faults": self.faults(),
            "trespasses": self.trespasses(),
            "policy": self.policy(),
            "log": self.log(),
        }

    def told(self, text: str, most: int = LINE_CHARACTERS) -> str:
        """Return what a program said, so that it can be shown to anybody."""
        return printable(masked(text, self.secrets), most)

    def faults(self) -> list[dict[str, Any]]:
        """Return the commands that fail."""
        if not self.parameters["service_user"]:
            return []
        try:
            bot = BotAccount(self.parameters, self.env)
        except PermissionError:
            # root under another name: nothing is tried as it, and kai_probe tells of its UID
            return []
        commands = [
            command
            for command in self.parameters["commands"]
            # whoever reads a pipe that lies there waits for somebody at its other end
            if not command["only_if_exists"] or os.path.isfile(command["only_if_exists"])
        ]
        with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
            faults = list(pool.map(bot.fault_of_command, commands))
        return [
            {
                **{name: command[name] for name in ("stage", "what", "argv")},
                "said": self.told(fault),
            }
            for command, fault in zip(commands, faults)
            if fault
        ]

    def trespasses(self) -> list[str]:
        """Return where an account cannot work in its own directory, or can in that of another."""
        directories = self.parameters["private_directories"]
        found, unknown = trespasses(directories, concerned(directories))
        return [*found, *unknown]

    def policy(self) -> str:
        """Return what visudo has against the policy."""
        visudo = self.parameters["visudo"]
        if not visudo:
            return ""
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
        code, said = run_bounded([visudo, "--check"], environment, VISUDO_SECONDS, errors=True)
        if code == 0:
            return ""
        end = f"exit code {code}" if code is not None else f"no answer within {VISUDO_SECONDS} s"
        return self.told(said.strip()) or end

    def log(self) -> list[str]:
        """Return the end of the unit's log, nothing where a secret in it could not be masked."""
        if not self.knows_secrets:
            return []
        lines = log_of(last_starts(self.parameters["unit"]), LOG_LINES, dated=True).splitlines()
        # a line may hold only the beginning of a secret, so it is cut off after that was looked for
        return [self.told(line) for line in lines]


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "service_user": {"type": "str"},
            "unit": {"type": "str", "required": True},
            "env_file": {"type": "path", "required": True},
            "environment": {"type": "dict", "default": {}},
            "secret_keys": {"type": "list", "elements": "str", "default": [], "no_log": False},
            "commands": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "stage": {"type": "str", "required": True},
                    "what": {"type": "str", "required": True},
                    "argv": {"type": "list", "elements": "str", "required": True},
                    "only_if_exists": {"type": "str"},
                },
            },
            "private_directories": PRIVATE_DIRECTORIES,
            "visudo": {"type": "str"},
        },
        supports_check_mode=True,
    )
    try:
        module.exit_json(changed=False, checkup=Checkup(module.params).look())
    except OSError as error:
        module.fail_json(msg=str(problem_of_error(error, "a program")))


if __name__ == "__main__":
    main()
