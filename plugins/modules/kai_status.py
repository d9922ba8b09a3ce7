#!/usr/bin/python
# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Return what is installed on a host, and its health."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kai_status
short_description: Return what is installed on a host, and its health
version_added: 0.1.0
description:
  - Returns the state of the service, the live release, every release and every proven install.
  - Must run as root, who owns the records.
options:
  install_dir:
    description: The directory of releases and records.
    type: path
    required: true
  unit:
    description: Name of the systemd unit without its suffix.
    type: str
    required: true
  env_file:
    description: The bot's environment file.
    type: path
    required: true
  port_key:
    description: The key of the environment file that gives the bot its port.
    type: str
    required: true
  default_port:
    description: The port without that key.
    type: int
    required: true
  host:
    description: Address on which the bot answers.
    type: str
    default: 127.0.0.1
  health_path:
    description: Path of the health route.
    type: str
    default: /health
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
- name: Look up the installs of the host
  kai.bot.kai_status:
    install_dir: /opt/kai
    unit: kai
    env_file: /etc/kai/env
    port_key: WEBHOOK_PORT
    default_port: 8080
  register: status
"""

RETURN = r"""
status:
  description: The state of the host.
  returned: success
  type: dict
  contains:
    service:
      description: Name of the unit, and whether it is active and enabled.
      type: dict
    health:
      description: The status that the bot answers on its health path, null when it does not.
      type: int
    live:
      description: The live release, null without one.
      type: str
    unfinished:
      description: Release and time of an install that was neither proven nor reverted, or null.
      type: dict
    releases:
      description: Every release with its id, its state (good, failed, unproven, incomplete or
        unknown) and whether it is live.
      type: list
      elements: dict
    installs:
      description: Every proven install with its number, release, time, who installed, whether the
        database was kept before it, and the install that it repeats.
      type: list
      elements: dict
    damaged:
      description: Each damaged record of the installs, as in M(kai.bot.kai_probe).
      type: list
      elements: dict
    problems:
      description: The problems of the installation.
      type: list
      elements: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.host.install_probe import known_installs
from ..module_utils.host.records import Installs
from ..module_utils.host.root_places import refuse_places
from ..module_utils.host.service import (
    deployed_env,
    deployed_port,
    health,
)
from ..module_utils.host.system import service_state
from ..module_utils.rules.installs import judged
from ..module_utils.rules.problems import Refused, problem_of_error


def answer(parameters: dict[str, Any]) -> int | None:
    """Return the status of the health route, None without an answer."""
    env = deployed_env(parameters["env_file"])
    port = deployed_port(env, parameters["port_key"], parameters["default_port"])
    try:
        return health(parameters["host"], port, parameters["health_path"])
    except OSError:
        return None


def look_around(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return the state of the host. Raises OSError and Refused."""
    state = service_state(parameters["unit"])
    seen: dict[str, Any] = {
        "service": {
            "unit": parameters["unit"],
            "active": state.active,
            "enabled": state.enabled,
        },
        "health": answer(parameters),
        **known_installs(Installs(parameters["install_dir"])),
    }
    return {**seen, "problems": [problem.as_dict() for problem in judged(seen)]}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "install_dir": {"type": "path", "required": True},
            "unit": {"type": "str", "required": True},
            "env_file": {"type": "path", "required": True},
            "port_key": {"type": "str", "required": True, "no_log": False},
            "default_port": {"type": "int", "required": True},
            "host": {"type": "str", "default": "127.0.0.1"},
            "health_path": {"type": "str", "default": "/health"},
        },
        supports_check_mode=True,
    )
    try:
        refuse_places(module.params["install_dir"])
        module.exit_json(changed=False, status=look_around(module.params))
    except Refused as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=str(problem_of_error(error, "a file")))


if __name__ == "__main__":
    main()
