#!/usr/bin/python
# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check what the bot can do on a host, and return its log."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kai_checkup
short_description: Check what the bot can do on a host, and return its log
version_added: 0.1.0
description:
  - Runs commands as the service user and reports the failed ones with their output.
  - Checks whether each account can work in its own directories, and in no other account's.
  - Checks the whole policy of sudo with visudo.
  - Returns the end of the unit's log since its start, with secrets redacted.
  - Must run as root. Each command has a time limit. Changes nothing.
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
    description: Environment of the service and of the commands.
    type: dict
    default: {}
  secret_keys:
    description: Keys of the environment file whose values are redacted.
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
        description: The part of the installation that fails with the command.
        type: str
        required: true
      what:
        description: The permission that the command tests.
        type: str
        required: true
      argv:
        description: The command.
        type: list
        elements: str
        required: true
      only_if_exists:
        description: A path; without it the command is skipped.
        type: str
      account:
        description: The account for which sudo is asked about O(commands[].program).
        type: str
        default: ""
      program:
        description: The program about which sudo is asked.
        type: str
        default: ""
  visudo:
    description: Path of visudo. Without it the policy is not checked.
    type: str
extends_documentation_fragment: [kai.bot.options.private_directories]
attributes:
  check_mode:
    support: full
    description: Changes nothing.
  diff_mode:
    support: none
    description: There is nothing to compare.
author: the kai-ansible authors (@kai-ansible)
"""

EXAMPLES = r"""
- name: Check what the bot can do
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
  description: The results of the checks.
  returned: success
  type: dict
  contains:
    faults:
      description: Stage, what and argv of each failed command, and its output.
      type: list
      elements: dict
    trespasses:
      description: Where an account cannot work in its own directory, or can in another account's.
      type: list
      elements: str
    policy:
      description: The complaint of visudo about the policy, empty without one.
      type: str
    log:
      description: The last lines of the unit's log since it was started, oldest first.
      type: list
      elements: str
"""

import concurrent.futures
import os
from typing import TYPE_CHECKING

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.host.bot_account import BotAccount
from ..module_utils.host.files import Damaged, look
from ..module_utils.host.isolation import concerned, trespasses
from ..module_utils.host.service import deployed_env
from ..module_utils.host.subprocesses import run_bounded
from ..module_utils.host.system import account_of, last_starts, log_of, service_state
from ..module_utils.rules.option_specs import entries
from ..module_utils.rules.problems import Refused, problem_of_error
from ..module_utils.rules.proof_arguments import COMMANDS, PRIVATE_DIRECTORIES
from ..module_utils.rules.redact import masked
from ..module_utils.rules.sanitize import printable

if TYPE_CHECKING:
    from ..module_utils.rules import checkup

LOG_LINES = 200
LINE_CHARACTERS = 500
VISUDO_SECONDS = 20


class Checkup:
    """One checkup of a host."""

    def __init__(self, parameters: checkup.CheckupRequest) -> None:
        self.parameters = parameters
        self.knows_secrets = True
        try:
            self.env = deployed_env(parameters["env_file"])
        except (OSError, Refused):
            # the probe reports that it is no file
            self.env = {}
            self.knows_secrets = False
        self.secrets = [self.env[key] for key in parameters["secret_keys"] if self.env.get(key)]

    def run(self) -> checkup.Checkup:
        """Return the results of all checks. Raises OSError."""
        return {
            "faults": self.faults(),
            "trespasses": self.trespasses(),
            "policy": self.policy(),
            "log": self.log(),
        }

    def shown(self, text: str, most: int = LINE_CHARACTERS) -> str:
        """Return text of a program, redacted, printable and not too long."""
        return printable(masked(text, self.secrets), most)

    def faults(self) -> list[checkup.FailedCheck]:
        """Return the failed commands with their output."""
        if not self.parameters["service_user"]:
            return []
        try:
            bot = BotAccount(
                self.parameters["service_user"],
                self.parameters["environment"],
                self.parameters["secret_keys"],
                self.env,
            )
        except PermissionError:
            # root under another name: nothing runs as it, and kai_probe reports its UID
            return []
        commands = [
            command
            for command in self.parameters["commands"]
            # a command that reads a pipe waits for a writer, and one of a huge file for its end
            if not command["only_if_exists"] or _ends_soon(command["only_if_exists"])
        ]
        with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
            faults = list(pool.map(bot.fault_of_command, [one["argv"] for one in commands]))
        return [
            {
                "stage": command["stage"],
                "what": command["what"],
                "argv": command["argv"],
                "said": self.shown(fault),
            }
            for command, fault in zip(commands, faults)
            if fault
        ]

    def trespasses(self) -> list[str]:
        """Return where an account cannot work in its own directory, or can in another one."""
        directories = self.parameters["private_directories"]
        found, unknown = trespasses(directories, concerned(directories))
        return [*found, *unknown]

    def policy(self) -> str:
        """Return the complaint of visudo about the policy, empty without one."""
        visudo = self.parameters["visudo"]
        if not visudo:
            return ""
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
        code, said = run_bounded([visudo, "--check"], environment, VISUDO_SECONDS, errors=True)
        if code == 0:
            return ""
        end = f"exit code {code}" if code is not None else f"no answer within {VISUDO_SECONDS} s"
        return self.shown(said.strip()) or end

    def log(self) -> list[str]:
        """Return the end of the unit's log, nothing where its secrets are unknown."""
        # an account that is not root may be refused the journal, which would end the run
        if not self.knows_secrets or os.geteuid() != 0:
            return []
        unit = self.parameters["unit"]
        # of an account that is unknown, nothing is believed
        account = account_of(service_state(unit).user or "root")
        uid = account.pw_uid if account else 0
        lines = log_of(last_starts(unit), LOG_LINES, uid=uid, dated=True).splitlines()
        # redacted before it is cut off: a line may end in the beginning of a secret
        return [self.shown(line) for line in lines]


def _ends_soon(path: str) -> bool:
    """Return whether a path is a file that a program soon has read to its end."""
    try:
        return look(path, links=True).content is not None
    except (Damaged, PermissionError):
        return False


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "service_user": {"type": "str"},
            "unit": {"type": "str", "required": True},
            "env_file": {"type": "path", "required": True},
            "environment": {"type": "dict", "default": {}},
            "secret_keys": {"type": "list", "elements": "str", "default": [], "no_log": False},
            "commands": entries(stage={"type": "str", "required": True}, **COMMANDS["options"]),
            "private_directories": PRIVATE_DIRECTORIES,
            "visudo": {"type": "str"},
        },
        supports_check_mode=True,
    )
    try:
        module.exit_json(changed=False, checkup=Checkup(module.params).run())
    except OSError as error:
        module.fail_json(msg=str(problem_of_error(error, "a program")))


if __name__ == "__main__":
    main()
