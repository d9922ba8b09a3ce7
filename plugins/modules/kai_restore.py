#!/usr/bin/python
# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check a backup, and unpack its data beside the data of the host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kai_restore
short_description: Check a backup, and unpack its data beside the data of the host
version_added: 0.1.0
description:
  - Checks a whole backup of M(kai.bot.kai_backup), and unpacks its data beside the data of the
    host, readable by root alone. M(kai.bot.kai_switch) then exchanges the two.
  - The controller decrypts the backup, and needs the Python package C(pyrage).
options:
  state:
    description:
      - V(checked) reads the whole backup, checks whether the host has the accounts and the free
        space, and changes nothing. V(laid) unpacks it. V(received) is internal to that task.
    type: str
    choices: [checked, received, laid]
    default: checked
  archive:
    description: The file of the controller that contains the backup.
    type: path
  offset:
    description:
      - The offset of the backup in O(archive); with O(state=received), the offset of the piece.
    type: int
    default: 0
  length:
    description: The size of the backup in O(archive); without it, all bytes that follow.
    type: int
  identity_file:
    description: File of the controller with the age identity that decrypts it.
    type: path
  install_dir:
    description: The directory of releases and records.
    type: path
    required: true
  data_dir:
    description: The data directory.
    type: path
    required: true
  accounts:
    description: Accounts that will be created before the data is unpacked.
    type: list
    elements: str
    default: []
  config_files:
    description: The deployed files to keep with the data, each with its mode.
    type: dict
    default: {}
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
    description: Path of the release, which has the content of first files.
    type: path
  summary:
    description: The summary of the backup, as O(state=checked) returns it.
    type: dict
    default: {}
  content:
    description: A piece of the backup in base64.
    type: str
    default: ""
attributes:
  check_mode:
    support: full
    description: Checks everything and unpacks nothing.
  diff_mode:
    support: full
    description: Shows that the data is replaced.
  action:
    support: full
    description: The controller reads, decrypts and sends.
author: the kai-ansible authors (@kai-ansible)
"""

EXAMPLES = r"""
- name: Check the backup and whether it fits the host
  kai.bot.kai_restore:
    archive: /srv/backups/bot.tar.gz.age
    identity_file: /srv/backups/identity
    install_dir: /opt/kai
    data_dir: /var/lib/kai
"""

RETURN = r"""
summary:
  description:
    - Host, time, release and accounts of the backup, its numbers of members and bytes, and the
      digest of its plain text.
  returned: with O(state=checked)
  type: dict
problems:
  description: Problems that prevent the restore, as where, found, expected and fix.
  returned: with O(state=checked)
  type: list
  elements: dict
notes:
  description:
    - Attributes of the backup that the host cannot keep, and paths that were moved aside.
  returned: with O(state=laid)
  type: list
  elements: str
unfinished:
  description: Whether an unfinished restore has exchanged the data.
  returned: with O(state=checked)
  type: bool
"""

import base64
import os
import shlex
from typing import TYPE_CHECKING

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.host.backup_laying import Laying, lay_out_rest, missing_accounts
from ..module_utils.host.data_copy import StagingArea
from ..module_utils.host.files import digest_of
from ..module_utils.host.flock import only_worker
from ..module_utils.host.records import Installs
from ..module_utils.host.root_places import place_problems, refuse_places
from ..module_utils.host.system import advice_to_create, mounts_below
from ..module_utils.rules.backup_archive import BadArchive
from ..module_utils.rules.diff import difference
from ..module_utils.rules.problems import Problem, Refused, listed, reason_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..module_utils.rules.module_arguments import RestoreArguments
    from ..module_utils.rules.run_results import Checked, LaidOut


def check(parameters: RestoreArguments) -> Checked:
    """Check whether the backup can be unpacked on the host; return the result of the module."""
    journal = Installs(parameters["install_dir"]).journal()
    return {
        "changed": False,
        "problems": [problem.as_dict() for problem in problems_of(parameters)],
        "unfinished": bool(journal and journal.data_dir),
    }


def problems_of(parameters: RestoreArguments) -> Iterator[Problem]:
    """Yield what keeps the backup from being unpacked on the host."""
    place, summary = StagingArea(parameters["data_dir"]), parameters["summary"]
    yield from place_problems(parameters["install_dir"], parameters["data_dir"])
    # a rename does not move them
    mounts = mounts_below(place.data_dir)
    if mounts:
        yield Problem(
            "kai_install_data_dir",
            f"a mount at {listed(mounts)}",
            "data on the file system of the directory above it, as a rename replaces it",
            "mount it one level higher, or unmount it on the host, and run this again: "
            f"umount {shlex.join(mounts)}",
        )
    lacking = missing_accounts(summary, parameters["accounts"])
    if lacking:
        yield Problem(
            "the host",
            f"no {listed(lacking)}",
            "every account that owns some of the data",
            f"create them {advice_to_create(groups=True)}, or let the install create the OS "
            "users with kai_install_create_os_users: true",
        )
    # the backup and its data need space at the same time
    wanted = summary["disk_bytes"] + summary["bytes"]
    if place.free_bytes() < wanted:
        yield Problem(
            place.parent,
            f"{place.free_bytes() >> 20} MB free",
            f"{wanted >> 20} MB free for the data of the backup",
            f"free some; df -h {place.parent} shows how much is free",
        )
    inodes = os.statvfs(place.parent)
    # a file system that creates inodes as needed counts none
    if inodes.f_files and inodes.f_favail < summary["members"]:
        yield Problem(
            place.parent,
            f"{inodes.f_favail} free inodes",
            f"{summary['members']} free inodes for the files of the backup",
            f"remove some files; df -i {place.parent} shows how many inodes are free",
        )


def receive(parameters: RestoreArguments) -> LaidOut:
    """Append a piece of the backup; return the result of the module."""
    place = StagingArea(parameters["data_dir"])
    offset = parameters["offset"]
    if offset == 0:
        if Installs(parameters["install_dir"]).journal() is None:
            # data of a run that was killed after its restore was verified
            place.discard()
        place.make()
    flags = os.O_WRONLY | os.O_NOFOLLOW | (os.O_CREAT | os.O_EXCL if offset == 0 else 0)
    with os.fdopen(os.open(place.archive, flags, 0o600), "wb") as handle:
        handle.seek(offset)
        handle.write(base64.b64decode(parameters["content"]))
    return {"changed": True}


def lay(parameters: RestoreArguments) -> LaidOut:
    """Unpack the backup if it is the checked one; return the result. Raises Refused."""
    place = StagingArea(parameters["data_dir"])
    with open(place.archive, "rb") as handle:
        if digest_of(handle) != parameters["summary"]["sha256"]:
            raise Refused("the backup differs from the one that was checked. Fix: run this again")
        handle.seek(0)
        laying = Laying(place, parameters["config_files"])
        laying.run(handle)
    os.unlink(place.archive)
    moved = lay_out_rest(
        place, parameters["directories"], parameters["seeds"], parameters["release"]
    )
    return {**laid(parameters), "notes": [*moved, *laying.notes.lines]}


def laid(parameters: RestoreArguments) -> LaidOut:
    """Return the result of data that is laid out, or would be."""
    path = parameters["data_dir"]
    before = "the present data" if os.path.isdir(path) else ""
    return {"changed": True, "diff": [difference(path, before, "the data of the backup")]}


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
            "config_files": {"type": "dict", "default": {}},
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
        module.exit_json(**(laid(module.params) if state == "laid" else {"changed": True}))
    try:
        if state != "checked":
            refuse_places(module.params["install_dir"], module.params["data_dir"])
        with only_worker(dry=state == "checked"):
            result = {"checked": check, "received": receive, "laid": lay}[state](module.params)
    except (OSError, Refused, BadArchive) as error:
        module.fail_json(msg=reason_of(error, "a file"))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
