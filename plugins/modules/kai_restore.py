#!/usr/bin/python
# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The data of a backup waits beside that of the host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kai_restore
short_description: The data of a backup waits beside that of the host
version_added: 0.1.0
description:
  - Checks a backup of M(kai.bot.kai_backup) from its first byte to its last, and lays out its data
    beside that of the host, for root alone. M(kai.bot.kai_switch) then exchanges the two.
  - The controller decrypts it on its way, and needs the Python package C(pyrage).
options:
  state:
    description:
      - V(checked) reads the whole backup and asks the host whether it has the accounts and the
        room, and changes nothing; V(laid) lays it out. V(received) is what that task asks for by
        itself.
    type: str
    choices: [checked, received, laid]
    default: checked
  archive:
    description: The file of the controller that is a backup, or has one in it.
    type: path
  offset:
    description:
      - Where in O(archive) the backup begins; with O(state=received), where the piece belongs.
    type: int
    default: 0
  length:
    description: How many bytes of O(archive) it has; without it, all that follow.
    type: int
  identity_file:
    description: File of the controller with the age identity that opens it.
    type: path
  install_dir:
    description: Where releases and records live.
    type: path
    required: true
  data_dir:
    description: Where the data lives.
    type: path
    required: true
  accounts:
    description: Accounts that will be made before the data is laid out.
    type: list
    elements: str
    default: []
  config_files:
    description: The deployed files that wait with the data.
    type: list
    elements: path
    default: []
  directories:
    description: Directories of the installation, as O(kai.bot.kai_user_tree#module:directories).
    type: list
    elements: dict
    default: []
  seeds:
    description: First files of the installation, as O(kai.bot.kai_user_tree#module:seeds).
    type: list
    elements: dict
    default: []
  release:
    description: Path of the release, which has texts of first files.
    type: path
  summary:
    description: What was found in the backup, as O(state=checked) returns it.
    type: dict
    default: {}
  content:
    description: A piece of the backup in base64.
    type: str
    default: ""
attributes:
  check_mode:
    support: full
    description: Checks everything and lays out nothing.
  diff_mode:
    support: none
    description: There is nothing to compare.
  action:
    support: full
    description: The controller reads, decrypts and sends.
author: the kai-ansible authors (@kai-ansible)
"""

EXAMPLES = r"""
- name: The backup is whole, and fits the host
  kai.bot.kai_restore:
    archive: /srv/backups/bot.tar.gz.age
    identity_file: /srv/backups/identity
    install_dir: /opt/kai
    data_dir: /var/lib/kai
"""

RETURN = r"""
summary:
  description:
    - What was found in the backup; its host, time, release and accounts, how many members and
      bytes, and the digest of what was encrypted.
  returned: with O(state=checked)
  type: dict
problems:
  description: What stands in the way, as where, found, expected and fix.
  returned: with O(state=checked)
  type: list
  elements: dict
notes:
  description:
    - What the host cannot keep of the backup, and what of it was moved aside, one line each.
  returned: with O(state=laid)
  type: list
  elements: str
unfinished:
  description: Whether a restore was cut short after it had exchanged the data.
  returned: with O(state=checked)
  type: bool
"""

import base64
import hashlib
import os
import shlex
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.backup_archive import BadArchive
from ..module_utils.backup_laying import Laying, lay_out_rest, missing_accounts
from ..module_utils.data_copy import Place
from ..module_utils.install_records import Installs
from ..module_utils.kernel_lock import Busy, only_worker
from ..module_utils.problems import Problem, listed, problem_of_error
from ..module_utils.root_files import Refused
from ..module_utils.root_places import place_problems, refuse_places

PIECE = 1 << 20


def check(parameters: dict[str, Any]) -> dict[str, Any]:
    """Ask the host whether the backup can be laid out there."""
    place, summary = Place(parameters["data_dir"]), parameters["summary"]
    journal = Installs(parameters["install_dir"]).journal()
    found = place_problems(parameters["install_dir"], parameters["data_dir"])
    mounts = place.mounts()
    if mounts:
        found.append(
            Problem(
                "kai_install_data_dir",
                f"what is mounted at {listed(mounts)}",
                "data on the file system of the directory above it, as one takes the other's place",
                "mount it one level higher, or unmount it on the host, and run this again: "
                f"umount {shlex.join(mounts)}",
            )
        )
    lacking = missing_accounts(
        summary["owners"], summary["groups"], summary["numbers"], parameters["accounts"]
    )
    if lacking:
        found.append(
            Problem(
                "the host",
                f"no {listed(lacking)}",
                "every account that owns some of the data",
                "make them with useradd and groupadd, or let the install make the accounts of "
                "people with kai_install_create_os_users: true",
            )
        )
    # what was sent lies beside what is made of it
    wanted = summary["room"] + summary["bytes"]
    if place.room() < wanted:
        found.append(
            Problem(
                place.parent,
                f"room for {place.room() >> 20} MB",
                f"{wanted >> 20} MB for the data of the backup",
                f"make some; df -h {place.parent} shows how much there is",
            )
        )
    inodes = os.statvfs(place.parent)
    # a file system that makes them when they are needed tells of none
    if inodes.f_files and inodes.f_favail < summary["members"]:
        found.append(
            Problem(
                place.parent,
                f"{inodes.f_favail} free inodes",
                f"{summary['members']} for the files of the backup",
                f"remove some files; df -i {place.parent} shows how many there are",
            )
        )
    return {
        "changed": False,
        "problems": [problem.as_dict() for problem in found],
        "unfinished": bool(journal and journal.data_dir),
    }


def receive(parameters: dict[str, Any]) -> dict[str, Any]:
    """Add a piece of the backup to what was sent before."""
    place = Place(parameters["data_dir"])
    offset = parameters["offset"]
    if offset == 0:
        if Installs(parameters["install_dir"]).journal() is None:
            # what a run left that was killed after its restore was proven
            place.discard()
        place.make()
    flags = os.O_WRONLY | os.O_NOFOLLOW | (os.O_CREAT | os.O_EXCL if offset == 0 else 0)
    with os.fdopen(os.open(place.archive, flags, 0o600), "wb") as handle:
        handle.seek(offset)
        handle.write(base64.b64decode(parameters["content"]))
    return {"changed": True}


def lay(parameters: dict[str, Any]) -> dict[str, Any]:
    """Lay out what was sent, if it is what was checked."""
    place = Place(parameters["data_dir"])
    with open(place.archive, "rb") as handle:
        found = hashlib.sha256()
        while True:
            piece = handle.read(PIECE)
            if not piece:
                break
            found.update(piece)
        if found.hexdigest() != parameters["summary"]["sha256"]:
            raise Refused("the backup is another one than the one that was checked; run this again")
        handle.seek(0)
        laying = Laying(place, parameters["config_files"])
        laying.run(handle)
    os.unlink(place.archive)
    moved = lay_out_rest(
        place, parameters["directories"], parameters["seeds"], parameters["release"]
    )
    return {"changed": True, "notes": [*moved, *laying.notes.lines]}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "state": {
                "type": "str",
                "choices": ["checked", "received", "laid"],
                "default": "checked",
            },
            "archive": {"type": "path"},
            "offset": {"type": "int", "default": 0},
            "length": {"type": "int"},
            "identity_file": {"type": "path"},
            "install_dir": {"type": "path", "required": True},
            "data_dir": {"type": "path", "required": True},
            "accounts": {"type": "list", "elements": "str", "default": []},
            "config_files": {"type": "list", "elements": "path", "default": []},
            "directories": {"type": "list", "elements": "dict", "default": []},
            "seeds": {"type": "list", "elements": "dict", "default": []},
            "release": {"type": "path"},
            "summary": {"type": "dict", "default": {}},
            "content": {"type": "str", "default": "", "no_log": True},
        },
        supports_check_mode=True,
    )
    os.umask(0o077)
    state = module.params["state"]
    if module.check_mode and state != "checked":
        module.exit_json(changed=True)
    try:
        if state != "checked":
            refuse_places(module.params["install_dir"], module.params["data_dir"])
        with only_worker(dry=state == "checked"):
            result = {"checked": check, "received": receive, "laid": lay}[state](module.params)
    except (Refused, BadArchive, Busy) as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=str(problem_of_error(error, "a file")))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
