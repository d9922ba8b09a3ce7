#!/usr/bin/python
# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restart the bot, or return the end of its log."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kai_service
short_description: Restart the bot, or return the end of its log
version_added: 0.1.0
description:
  - Restarts the unit in one job, so that a run that is killed in between leaves no bot stopped, and
    reports how many running turns it cut off.
  - Returns the log of the unit, of earlier starts too, with secrets redacted.
  - Must run as root.
options:
  unit:
    description: Name of the systemd unit without its suffix.
    type: str
    required: true
  state:
    description: What to do; V(restarted) restarts the unit, V(logged) returns the end of its log.
    type: str
    choices: [restarted, logged]
    required: true
  turns:
    description: The directory with a file for each user whom the bot is answering.
    type: path
  lines:
    description: How many lines of the log to return at most.
    type: int
    default: 100
  env_file:
    description: The bot's environment file, which gives it its secrets.
    type: path
  shown_variables:
    description: Keys of the environment file whose values are no secrets; the log shows no other
      value of it.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    support: full
    description: Restarts nothing.
  diff_mode:
    support: none
    description: There is nothing to compare.
author: the kai-ansible authors (@kai-ansible)
"""

EXAMPLES = r"""
- name: Restart the bot
  kai.bot.kai_service:
    unit: kai
    state: restarted
    turns: /var/lib/kai/in-flight
"""

RETURN = r"""
turns:
  description: How many users the bot was answering, none when that is unknown.
  returned: when O(state=restarted)
  type: int
stopped_at:
  description: When the bot was stopped, on the host's monotonic clock, in seconds.
  returned: when O(state=restarted) and it ran
  type: float
log:
  description: The end of the log.
  returned: when O(state=logged)
  type: str
"""

import time
from typing import TYPE_CHECKING

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.host.flock import only_worker
from ..module_utils.host.service import deployed_env, turns_in
from ..module_utils.host.system import log_of_unit, restart_service, service_state
from ..module_utils.rules.problems import Refused
from ..module_utils.rules.redact import masked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..module_utils.rules.run_results import Switched

# a shorter value of a key that the contract does not know would blacken every other word
SHORTEST_SECRET = 6


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "unit": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["restarted", "logged"], "required": True},
            "turns": {"type": "path"},
            "lines": {"type": "int", "default": 100},
            "env_file": {"type": "path"},
            "shown_variables": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    given = module.params
    unit = given["unit"]
    try:
        if given["state"] == "restarted":
            done = _restart(unit, given["turns"], check=module.check_mode)
            module.exit_json(changed=True, **done)
        log = _log(unit, given["lines"], given["env_file"], given["shown_variables"])
        module.exit_json(changed=False, log=log)
    except (OSError, Refused) as error:
        module.fail_json(msg=str(error))


def _restart(unit: str, turns: str | None, *, check: bool) -> Switched:
    state = service_state(unit)
    if state.state == "inactive" and not state.enabled:
        raise Refused(f"{unit}.service is not installed, or disabled. Fix: kai-ansible install")
    done: Switched = {
        "turns": turns_in(turns) if turns else 0,
        "stopped_at": time.monotonic() if state.active else None,
    }
    if not check:
        with only_worker():
            restart_service(unit, state)
    return done


def _log(unit: str, lines: int, env_file: str | None, shown: Sequence[str]) -> str:
    env = deployed_env(env_file) if env_file else {}
    secrets = [
        value for key, value in env.items() if key not in shown and len(value) >= SHORTEST_SECRET
    ]
    return masked(log_of_unit(unit, lines), secrets)


if __name__ == "__main__":
    main()
