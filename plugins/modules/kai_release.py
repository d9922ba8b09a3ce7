#!/usr/bin/python
# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build a release of Kai on a host: its code and its virtual environment."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kai_release
short_description: Build a release in a directory of its own
version_added: 0.1.0
description:
  - Unpacks an archive made by M(kai.bot.kai_source) and builds its virtual environment beside the
    live release, which is not touched.
  - A release is complete only when every step succeeded and its modules could be imported as the
    service user. The release of an interrupted build is built again.
  - Installs packages with uv where the host has it, else with pip, with the same result. The
    caller's environment and the host's configuration of pip and uv do not affect it, except the
    proxies in C(http_proxy), C(https_proxy) and C(no_proxy).
  - One build runs at a time. A build waits for the build of an earlier run that was cut off.
options:
  path:
    description: The release's directory. Its parent exists.
    type: path
    required: true
  archive:
    description: The archive on the host; the module removes it.
    type: path
    required: true
  python:
    description: The interpreter for the virtual environment.
    type: path
    required: true
  wheel:
    description: Path of a wheel below the release, installed in place of the release's own code.
    type: str
    default: ""
  extras:
    description: Optional dependency groups to install.
    type: list
    elements: str
    default: []
  constraints:
    description: Path of pip constraints below the release, used when it exists.
    type: str
    required: true
  index_url:
    description: The package index in place of PyPI; it may hold a password.
    type: str
  environment:
    description: Variables of the network for pip and uv, each as NAME=value.
    type: list
    elements: str
    default: []
  wheelhouse:
    description:
      - A directory on the host with every package that is needed, so that no index is asked.
      - Root alone must be able to write to it.
    type: path
  module:
    description: The module that starts the bot.
    type: str
    required: true
  modules:
    description: More modules that must be importable.
    type: list
    elements: str
    default: []
  service_user:
    description: The account that must be able to import them; nobody while it does not exist.
    type: str
    required: true
attributes:
  check_mode:
    support: full
    description: Reports whether a release would be built.
  diff_mode:
    support: full
    description: Reports that there was no release.
author: the kai-ansible authors (@kai-ansible)
"""

EXAMPLES = r"""
- name: Build the release
  kai.bot.kai_release:
    path: /opt/kai/releases/0a1b2c3d4e5f
    archive: /opt/kai/releases/.0a1b2c3d4e5f.tar.gz
    python: /usr/bin/python3.13
    extras: [memory]
    constraints: requirements/constraints.txt
    module: kai
    modules: [mem0]
    service_user: kai
"""

RETURN = r"""
installed:
  description: The packages of the virtual environment, as in a requirements file.
  returned: when built
  type: list
  elements: str
  sample: [kai==1.2.0, pyyaml==6.0.3]
installer:
  description: The installer.
  returned: when built
  type: str
  sample: uv
seconds:
  description: How long the build took.
  returned: when built
  type: float
"""

import os
import tarfile
from typing import TYPE_CHECKING

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.host import system
from ..module_utils.host.build import build
from ..module_utils.host.built_release import is_complete
from ..module_utils.host.flock import held
from ..module_utils.rules.diff import difference
from ..module_utils.rules.network_environment import logins_in, of_words, secrets_of
from ..module_utils.rules.problems import Refused, problem_of_error
from ..module_utils.rules.sanitize import printable

if TYPE_CHECKING:
    from ..module_utils.rules.run_results import Built

LOCK_SECONDS = 900


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "archive": {"type": "path", "required": True},
            "python": {"type": "path", "required": True},
            "wheel": {"type": "str", "default": ""},
            "extras": {"type": "list", "elements": "str", "default": []},
            "constraints": {"type": "str", "required": True},
            "index_url": {"type": "str", "no_log": True},
            "wheelhouse": {"type": "path"},
            # each word as a whole is hidden, and not what a value has in common with the output
            "environment": {"type": "list", "elements": "str", "default": [], "no_log": True},
            "module": {"type": "str", "required": True},
            "modules": {"type": "list", "elements": "str", "default": []},
            "service_user": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    parameters = module.params
    diff = {"diff": difference(parameters["path"], "", "built")} if module._diff else {}
    if module.check_mode:
        missing = not is_complete(parameters["path"])
        module.exit_json(changed=missing, **(diff if missing else {}))
    os.umask(0o022)
    if parameters["index_url"]:
        # pip and uv may repeat a part of it
        module.no_log_values.update({parameters["index_url"], *logins_in(parameters["index_url"])})
    module.no_log_values.update(secrets_of(of_words(parameters["environment"])))
    try:
        with open(parameters["archive"], "rb") as archive:
            # nothing else needs it, and this process may be killed
            os.unlink(parameters["archive"])
            # every account may lock what it can read
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
            with held(system.BUILD_LOCK, flags, LOCK_SECONDS) as lock:
                result: Built = {"changed": False}
                if not is_complete(parameters["path"]):
                    result = build(parameters, archive, lock)
    except OSError as error:
        module.fail_json(msg=str(problem_of_error(error, parameters["path"])))
    except (Refused, tarfile.TarError) as error:
        module.fail_json(msg=printable(str(error)))
    module.exit_json(**result, **(diff if result["changed"] else {}))


if __name__ == "__main__":
    main()
