#!/usr/bin/python
# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let a user into the Workshop of Kai."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kai_enrolment
short_description: Let a user into the Workshop of Kai
version_added: 0.2.0
description:
  - Stops the bot, runs the command of Kai that issues an enrolment, as the service user, and starts
    the bot again, also when the command fails. A bot that did not run is left so.
  - The command writes to the database of the bot, which is lost to the bot if it runs meanwhile.
  - Its action plugin writes the token to a private file of the controller and returns everything
    else, so that no result and no log has the token.
options:
  user:
    description: Name, Telegram ID or runtime profile of the user.
    type: str
    required: true
  users:
    description: The users of the bot, each with C(name) and C(key), the Telegram ID or profile.
    type: list
    elements: dict
    required: true
  dest:
    description: The new file of the controller that gets the token, with mode 0600.
    type: path
    required: true
  unit:
    description: Name of the unit without its suffix.
    type: str
    required: true
  service_user:
    description: The account of the bot.
    type: str
    required: true
  argv:
    description: The command.
    type: list
    elements: str
    required: true
  argv_of:
    description:
      - How the command goes on, for a user of C(telegram) and of the C(workshop) alone.
      - V({telegram_id}), V({principal}) and V({channel}) stand for the user.
    type: dict
    required: true
  database:
    description: The database and what is asked of it, as O(kai.bot.kai_probe#module:workshop).
    type: dict
  environment:
    description: Environment of the command, besides C(HOME).
    type: dict
    default: {}
attributes:
  check_mode:
    support: full
    description: It finds the user, and neither stops the bot nor issues anything.
  diff_mode:
    support: none
    description: There is nothing to compare.
author: the kai-ansible authors (@kai-ansible)
"""

EXAMPLES = r"""
- name: Let Alice into the Workshop
  kai.bot.kai_enrolment:
    user: Alice
    users: [{name: Alice, key: 123456789}]
    dest: /run/user/1000/token
    unit: kai
    service_user: kai
    argv:
      - /opt/kai/current/venv/bin/python
      - -m
      - kai
      - workshop
      - client-access
      - issue-enrollment
    argv_of:
      telegram: [--telegram-user-id, "{telegram_id}"]
    environment:
      PATH: /usr/bin:/bin
      KAI_INSTALL_DIR: /opt/kai/current
      KAI_DATA_DIR: /var/lib/kai
"""

RETURN = r"""
user:
  description: The name of the user who is let in.
  returned: success
  type: str
expires:
  description: When the token expires, as Kai writes it; empty in check mode.
  returned: success
  type: str
restarted:
  description: Whether the bot was stopped and started again.
  returned: success
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.host.enrolment import enrol
from ..module_utils.host.flock import only_worker
from ..module_utils.host.system import account_of
from ..module_utils.host.workshop import workshop_seen
from ..module_utils.rules.enrolment import argv_for, chosen_user
from ..module_utils.rules.problems import Problem, Refused, reason_of


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "user": {"type": "str", "required": True},
            "users": {"type": "list", "elements": "dict", "required": True},
            "dest": {"type": "path", "required": True},
            "unit": {"type": "str", "required": True},
            "service_user": {"type": "str", "required": True},
            "argv": {"type": "list", "elements": "str", "required": True},
            "argv_of": {"type": "dict", "required": True},
            "database": {"type": "dict"},
            "environment": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    given = module.params
    user = chosen_user(given["users"], given["user"])
    if isinstance(user, Problem):
        module.fail_json(msg=str(user))
        return
    if module.check_mode:
        module.exit_json(changed=True, user=user["name"], expires="", restarted=False)
    account = account_of(given["service_user"])
    if account is None:
        msg = f"the host has no account {given['service_user']}. Fix: kai-ansible install"
        module.fail_json(msg=msg)
        return
    environment = {"HOME": account.pw_dir, **given["environment"]}
    try:
        seen = workshop_seen(given["database"], account) if given["database"] else None
        argv = argv_for(given["argv"], given["argv_of"], user, seen)
        with only_worker():
            found, restarted = enrol(given["unit"], account, argv, environment)
    except (OSError, Refused) as error:
        module.fail_json(msg=reason_of(error, given["argv"][0]))
    module.exit_json(
        changed=True,
        user=user["name"],
        expires=found.expires,
        restarted=restarted,
        token=found.token,
    )


if __name__ == "__main__":
    main()
