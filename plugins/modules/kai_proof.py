#!/usr/bin/python
# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prove that an installation works, with the commands that the bot itself will run."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kai_proof
short_description: Verify that the bot answers and that its agents start
version_added: 0.1.0
description:
  - Waits until the unit's own process answers its health path with 200. Ends a process of one of
    O(wait.accounts) that holds the port.
  - Reads each protected file as the service user through its sudo rule.
  - Starts each agent as the bot does, waits for its answer, and ends it as the bot does. No model
    is asked, and no login is needed. An agent writes the files that it writes at every start.
  - Reports everything that failed, with the output of the commands and, when the bot does not
    answer, the end of the log of this start.
options:
  service_user:
    description: The account that runs the bot; needed for O(commands) and O(agents).
    type: str
  data_dir:
    description: The directory of the bot's data; a full file system there is reported when the bot
      does not answer.
    type: path
  stopped_at:
    description: When the bot was stopped for this, on the host's monotonic clock, in seconds.
    type: float
  environment:
    description: Environment of the service and of the commands. Agents get the variables of the
      environment file as well.
    type: dict
    default: {}
  secret_keys:
    description: Keys of the environment file whose values are redacted.
    type: list
    elements: str
    default: []
  commands:
    description: Commands that must succeed as the service user.
    type: list
    elements: dict
    default: []
    suboptions:
      what:
        description: The permission that the command verifies.
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
        description: The account for which sudo is asked about O(commands[].program). A command
          without both is run in every run.
        type: str
        default: ""
      program:
        description: The program about which sudo is asked.
        type: str
        default: ""
  agents:
    description: Agents that the service user starts and ends.
    type: list
    elements: dict
    default: []
    suboptions:
      what:
        description: The ability that the start verifies.
        type: str
        required: true
      argv:
        description: The command, with sudo where the bot uses it.
        type: list
        elements: str
        required: true
      directory:
        description: The directory of the agent; the service user enters it.
        type: path
        required: true
      sets:
        description: Variables that the bot sets for the agent.
        type: dict
        default: {}
      copies:
        description: Variables that get the value of a key of the environment file, if it has one.
        type: dict
        default: {}
      kill:
        description: The command that signals the agent as its owner, before signal and process;
          empty where the service user itself owns it.
        type: list
        elements: str
        default: []
      say:
        description: A line for the agent. Without one its input is closed, and it must exit with 0.
        type: str
        default: ""
      hear:
        description: A JSON document that a line of the answer contains; it may contain more.
        type: dict
        default: {}
      account:
        description: The account of the agent.
        type: str
        default: ""
      program:
        description: The path of the agent; without it earlier starts do not count.
        type: str
        default: ""
  known:
    description:
      - A file of root's, below a directory that is empty after a boot, that caches proofs. Agents
        that were verified before, and whose dependencies have not changed since, are not started
        again, except one of each program, in turn; and so sudo is asked about O(commands[].program)
        for one O(commands[].account). Directories that were private before and have not changed are
        tried by the accounts of these agents alone.
      - Without it, without O(agents), and where more than the files of sudo's policy decides on a
        rule, such as a directory service, everything is verified, and nothing is cached.
    type: path
  anew:
    description: Whether to verify everything, regardless of O(known).
    type: bool
    default: false
  lenient:
    description:
      - Whether faults that an account can cause by itself are notes instead of failures, so that
        no account can block a switch. Such a fault is an agent that does not start although sudo
        lets the bot start it and the program starts elsewhere; and, with O(anew), the permissions
        of the account's own directories.
    type: bool
    default: false
  search_path:
    description: Where sudo and scripts find programs.
    type: list
    elements: str
    default: []
extends_documentation_fragment: [kai.bot.options.wait, kai.bot.options.private_directories]
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
- name: Prove that the bot answers and its agents start
  kai.bot.kai_proof:
    service_user: kai
    wait: {unit: kai, env_file: /etc/kai/env, port_key: WEBHOOK_PORT, default_port: 8080}
    commands:
      - what: the bot can read /etc/kai/env
        argv: [sudo, -n, cat, /etc/kai/env]
    agents:
      - what: the bot starts codex as alice, and ends it
        argv: [sudo, -H, -u, alice, --preserve-env=TMPDIR, --, /usr/local/bin/codex, app-server]
        directory: /var/lib/kai/home/1
        kill: [sudo, -n, -u, alice, /bin/kill]
        say: >-
          {"id": 1, "method": "initialize",
          "params": {"clientInfo": {"name": "kai-ansible", "version": "1"}}}
        hear: {id: 1, result: {}}
"""

RETURN = r"""
pid:
  description: The unit's process that answered.
  returned: success
  type: int
verified:
  description: The verified abilities.
  returned: success
  type: list
  elements: str
notes:
  description: Failures that do not count, because of O(lenient).
  returned: success
  type: list
  elements: str
seconds:
  description: How long the bot took to answer.
  returned: success
  type: float
seconds_without:
  description: The time from the stop of the bot until it answered, null when it was not stopped.
  returned: success
  type: float
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.host.proof import prove
from ..module_utils.rules.option_specs import WAIT
from ..module_utils.rules.problems import Refused, reason_of
from ..module_utils.rules.proof_arguments import AGENTS, COMMANDS, PRIVATE_DIRECTORIES


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **WAIT,
            "service_user": {"type": "str"},
            "data_dir": {"type": "path"},
            "stopped_at": {"type": "float"},
            "environment": {"type": "dict", "default": {}},
            "secret_keys": {"type": "list", "elements": "str", "default": [], "no_log": False},
            "commands": COMMANDS,
            "agents": AGENTS,
            "known": {"type": "path"},
            "anew": {"type": "bool", "default": False},
            "lenient": {"type": "bool", "default": False},
            "search_path": {"type": "list", "elements": "str", "default": []},
            "private_directories": PRIVATE_DIRECTORIES,
        },
        supports_check_mode=True,
    )
    module.params.update(module.params["wait"])
    needing = module.params["commands"] or module.params["agents"]
    if needing and not module.params["service_user"]:
        module.fail_json(msg="commands and agents need a service_user")
    if module.check_mode:
        module.params["accounts"] = []
    try:
        result = prove(module.params)
    except (OSError, Refused) as error:
        module.fail_json(msg=reason_of(error, "a file"))
    failures = result.pop("failures")
    if failures:
        module.fail_json(msg="\n".join(failures), seconds_without=result["seconds_without"])
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
