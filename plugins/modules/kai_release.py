#!/usr/bin/python
# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One release of Kai on a host: its code and its virtual environment."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kai_release
short_description: A release is built in a directory of its own
version_added: 0.1.0
description:
  - Unpacks an archive made by M(kai.bot.kai_source) and builds its virtual environment beside the
    live release, which is not touched.
  - A release counts as complete only when everything succeeded; what an interrupted build left is
    built anew.
options:
  path:
    description: The release's directory.
    type: path
    required: true
  archive:
    description: The archive on the host; it is removed afterwards.
    type: path
    required: true
  python:
    description: The interpreter for the virtual environment.
    type: path
    required: true
  extras:
    description: Optional dependency groups to install.
    type: list
    elements: str
    default: []
  constraints:
    description: Path of pip constraints inside the release, used when it exists.
    type: str
    default: requirements/constraints.txt
attributes:
  check_mode:
    support: full
    description: Says whether a release would be built.
  diff_mode:
    support: none
    description: There is nothing to compare.
author: the kai-ansible authors (@kai-ansible)
"""

EXAMPLES = r"""
- name: The release is built
  kai.bot.kai_release:
    path: /opt/kai/releases/0a1b2c3d4e5f
    archive: /opt/kai/releases/.0a1b2c3d4e5f.tar.gz
    python: /usr/bin/python3.13
    extras: [memory]
"""

RETURN = r"""
seconds:
  description: How long the build took.
  returned: when built
  type: float
"""

import os
import shutil
import subprocess
import tarfile
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule

MARKER = ".complete"
LAST_LINES = 15


class BuildFailed(Exception):
    """A step of a build that failed, with the end of what it said."""


def step(name: str, *command: str) -> None:
    """Run one command of a build. Raises BuildFailed."""
    # nothing of the caller's environment may steer what root installs, except how to reach an index
    environment = {
        key: value
        for key, value in os.environ.items()
        if key.startswith("PIP_") or key.lower() in ("http_proxy", "https_proxy", "no_proxy")
    }
    environment.update(PATH="/usr/local/bin:/usr/bin:/bin", HOME="/root", LANG="C.UTF-8")
    run = subprocess.run(
        list(command), capture_output=True, text=True, check=False, env=environment, cwd="/"
    )
    if run.returncode != 0:
        said = (run.stdout + run.stderr).strip().splitlines()[-LAST_LINES:]
        raise BuildFailed(f"{name} failed ({' '.join(command)}):\n" + "\n".join(said))


def unpack(archive: str, path: str) -> None:
    """Unpack an archive of kai_source, owned by root, with the modes it carries."""
    with tarfile.open(archive) as packed:
        for member in packed:
            target = os.path.join(path, member.name)
            os.makedirs(os.path.dirname(target), mode=0o755, exist_ok=True)
            content = packed.extractfile(member)
            if content is None:
                raise BuildFailed(f"{archive}: {member.name} is not a file")
            with open(target, "xb") as handle:
                shutil.copyfileobj(content, handle)
                os.fchmod(handle.fileno(), member.mode)


def build(parameters: dict[str, Any]) -> None:
    """Build a release from nothing. Raises BuildFailed."""
    path = parameters["path"]
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path, mode=0o755)
    unpack(parameters["archive"], path)
    environment = os.path.join(path, "venv")
    step("making the virtual environment", parameters["python"], "-I", "-m", "venv", environment)
    extras = ",".join(parameters["extras"])
    requirement = f"{path}[{extras}]" if extras else path
    constraints = os.path.join(path, parameters["constraints"])
    step(
        "installing Kai",
        os.path.join(environment, "bin", "python"),
        *("-I", "-m", "pip", "install", "--no-input", "--quiet", "--disable-pip-version-check"),
        *(("--constraint", constraints) if os.path.exists(constraints) else ()),
        requirement,
    )
    for leftover in ("build", *(name for name in os.listdir(path) if name.endswith(".egg-info"))):
        shutil.rmtree(os.path.join(path, leftover), ignore_errors=True)
    with open(os.path.join(path, MARKER), "x", encoding="utf-8"):
        pass


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "archive": {"type": "path", "required": True},
            "python": {"type": "path", "required": True},
            "extras": {"type": "list", "elements": "str", "default": []},
            "constraints": {"type": "str", "default": "requirements/constraints.txt"},
        },
        supports_check_mode=True,
    )
    parameters = module.params
    if os.path.exists(os.path.join(parameters["path"], MARKER)):
        module.exit_json(changed=False)
    if module.check_mode:
        module.exit_json(changed=True)
    os.umask(0o022)
    started = time.monotonic()
    try:
        build(parameters)
    except (BuildFailed, OSError, tarfile.TarError) as error:
        shutil.rmtree(parameters["path"], ignore_errors=True)
        module.fail_json(msg=str(error))
    finally:
        if os.path.exists(parameters["archive"]):
            os.unlink(parameters["archive"])
    module.exit_json(changed=True, seconds=round(time.monotonic() - started, 1))


if __name__ == "__main__":
    main()
