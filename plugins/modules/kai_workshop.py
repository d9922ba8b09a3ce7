#!/usr/bin/python
# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait until the bot is ready, and read the ids that its first start made."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kai_workshop
short_description: Wait for the first start of Kai and read the ids of its users
version_added: 0.2.0
description:
  - Waits until the unit's own process answers and says that it is ready, and reads the ids of its
    workshop and its users from its database, as the service user and without writing to it.
  - The directories of the users are named by them.
options:
  service_user:
    description: The account of the bot.
    type: str
    required: true
  workshop:
    description: The database and what is asked of it, as in M(kai.bot.kai_probe).
    type: dict
    required: true
extends_documentation_fragment: [kai.bot.options.wait]
attributes:
  check_mode:
    support: none
    description: There is nothing to wait for where nothing was started.
  diff_mode:
    support: none
    description: There is nothing to compare.
author: the kai-ansible authors (@kai-ansible)
"""

EXAMPLES = r"""
- name: Wait for the first start
  kai.bot.kai_workshop:
    wait: {unit: kai, env_file: /etc/kai/env, port_key: WEBHOOK_PORT, default_port: 8080}
    service_user: kai
    workshop:
      database: /var/lib/kai/kai.db
      workshop: SELECT id FROM workshops
      assigned: SELECT runtime_profile_id FROM channel_agent_runtime_assignments
      owners: SELECT runtime_profile_id, principal_id, channel_id FROM assignments
      archived: SELECT id FROM channels WHERE archived_at IS NOT NULL
"""

RETURN = r"""
workshop:
  description: What the database says, as M(kai.bot.kai_probe) returns it.
  returned: success
  type: dict
pid:
  description: The unit's process that answered.
  returned: success
  type: int
"""

import time

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.host.proof import Wait
from ..module_utils.host.service import deployed_env
from ..module_utils.host.system import account_of
from ..module_utils.host.workshop import workshop_seen
from ..module_utils.rules.option_specs import WAIT
from ..module_utils.rules.problems import Problem, Refused, reason_of
from ..module_utils.rules.readiness import LOG_OF_START
from ..module_utils.rules.sanitize import printable

MOST_ASKED = 5


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **WAIT,
            "service_user": {"type": "str", "required": True},
            "workshop": {"type": "dict", "required": True},
        }
    )
    module.params.update(module.params["wait"])
    parameters = module.params
    try:
        wait = Wait(parameters, deployed_env(parameters["env_file"]))
        pid, reason = wait.for_answer()
        if pid is None:
            log = printable(wait.last_log())
            said = f"\n{LOG_OF_START}\n{log}" if log else ""
            module.fail_json(
                msg=f"{parameters['unit']} is not ready: {reason}. "
                f"Fix: kai-ansible doctor finds out why{said}"
            )
        account = account_of(parameters["service_user"])
        for _attempt in range(MOST_ASKED):
            seen = workshop_seen(parameters["workshop"], account)
            if seen["id"]:
                break
            # a busy host answers late
            time.sleep(1)
    except (OSError, Refused) as error:
        module.fail_json(msg=reason_of(error, "a file"))
    if seen["id"] is None:
        problem = Problem(
            parameters["workshop"]["database"],
            seen["fault"] or "no workshop",
            "the workshop that the bot makes at its first start",
            "read the log of the bot: kai-ansible logs",
        )
        module.fail_json(msg=str(problem))
    module.exit_json(changed=False, workshop=seen, pid=pid)


if __name__ == "__main__":
    main()
