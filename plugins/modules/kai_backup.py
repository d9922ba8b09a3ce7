#!/usr/bin/python
# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make an encrypted backup of a bot on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kai_backup
short_description: Make an encrypted backup of a bot on the controller
version_added: 0.1.0
description:
  - Copies the deployed files, the data directory and a checked snapshot of the database while the
    bot runs, and changes none of them.
  - The copy is made beside the data directory, readable by root alone, and removed when the task
    ends. The controller fetches it in pieces and encrypts it with age before it is written there.
  - The controller needs the Python package C(pyrage).
options:
  dest:
    description:
      - File of the controller to which the backup is appended; it is created with mode 0600. When
        the task fails, its former length is restored.
    type: path
    required: true
  recipient:
    description: The age recipient (X25519) of the backup.
    type: str
    required: true
  install_dir:
    description: The directory of releases and records.
    type: path
    required: true
  data_dir:
    description: The data directory. Without it there is nothing to back up.
    type: path
    required: true
  service_user:
    description: The account that reads the database.
    type: str
    required: true
  database:
    description: Path of the bot's database.
    type: path
    required: true
  config_files:
    description: The deployed files; those that exist are copied.
    type: list
    elements: path
    required: true
  host:
    description: The name of the host in the inventory.
    type: str
    required: true
  host_vars:
    description: Texts of the host's variable files by name, secrets encrypted.
    type: dict
    default: {}
  complete:
    description: Whether to fail when a limit keeps some of the data out of the backup.
    type: bool
    default: false
  identity_file:
    description:
      - File of the controller with the age identity that decrypts the backup. The written backup is
        then read back.
    type: path
  state:
    description:
      - The step that the module does on the host. Only V(made) is for playbooks; the others are
        internal to that task.
    type: str
    choices: [made, read, absent]
    default: made
  offset:
    description: With O(state=read), the offset of the piece.
    type: int
    default: 0
  length:
    description: With O(state=read), the largest size of the piece.
    type: int
    default: 0
attributes:
  check_mode:
    support: none
    description: The task is skipped.
  diff_mode:
    support: none
    description: There is nothing to compare.
  action:
    support: full
    description: The controller fetches, encrypts and writes.
author: the kai-ansible authors (@kai-ansible)
"""

EXAMPLES = r"""
- name: Make a backup on the controller
  kai.bot.kai_backup:
    dest: /srv/backups/bot.tar.gz.age
    recipient: age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p
    install_dir: /opt/kai
    data_dir: /var/lib/kai
    service_user: kai
    database: /var/lib/kai/kai.db
    config_files: [/etc/kai/env, /etc/kai/users.yaml]
    host: bot
"""

RETURN = r"""
size:
  description: Bytes of the backup before it was encrypted, 0 when there was nothing to back up.
  returned: always
  type: int
sha256:
  description: Its digest.
  returned: when there was something
  type: str
members:
  description: How many files, directories and links are in it.
  returned: when there was something
  type: int
left:
  description: Paths that were left out, with the reason, one line each.
  returned: when there was something
  type: list
  elements: str
complete:
  description: Whether no limit kept some of the data out of the backup.
  returned: when there was something
  type: bool
release:
  description: The live release, null when none is.
  returned: when there was something
  type: str
"""

import base64
import errno
import os
from typing import TYPE_CHECKING

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.host import database
from ..module_utils.host.backup_copying import Copying, add_config, add_snapshot
from ..module_utils.host.backup_laying import Laying
from ..module_utils.host.data_copy import StagingArea
from ..module_utils.host.files import digest_of
from ..module_utils.host.flock import only_worker
from ..module_utils.host.records import Installs, now
from ..module_utils.host.root_places import refuse_places
from ..module_utils.host.system import opened
from ..module_utils.host.tree_walk import DIRECTORY
from ..module_utils.rules.backup_archive import CONFIG, ArchiveWriter, BadArchive, Meta
from ..module_utils.rules.problems import Refused, problem_of_error

if TYPE_CHECKING:
    from ..module_utils.rules.module_arguments import BackupArguments
    from ..module_utils.rules.run_results import BackedUp

SNAPSHOT = "kai.db"


def make(parameters: BackupArguments) -> BackedUp:
    """Write the backup beside the data directory; return the result. Raises Refused and OSError."""
    installs = Installs(parameters["install_dir"])
    place = StagingArea(parameters["data_dir"])
    try:
        os.lstat(place.data_dir)
    except FileNotFoundError:
        return {"changed": False, "size": 0}
    journal = installs.journal()
    if journal and journal.data_dir:
        raise Refused(
            f"a restore was cut short, and the data in {place.data_dir} is unverified. Fix: run it "
            "again, or kai-ansible rollback, and then this"
        )
    if journal is None:
        # data of a run that was killed after its restore was verified
        place.discard()
    place.make()
    live = installs.live()
    with open(place.archive, "xb") as target:
        os.fchmod(target.fileno(), 0o600)
        meta = Meta(
            parameters["host"], now(), live, parameters["data_dir"], parameters["host_vars"]
        )
        writer = ArchiveWriter(target, meta)
        copying = copy(parameters, place, writer)
        writer.finish()
        target.flush()
        os.fsync(target.fileno())
    if parameters["complete"] and copying.missing.count:
        raise Refused(
            "\n".join(
                [
                    f"The backup would lack some of {place.data_dir}:",
                    *copying.missing.lines,
                    "Fix: move it away on the host, or free some space, and run this again; or go "
                    "without a backup: kai-ansible uninstall --purge --no-backup",
                ]
            )
        )
    # a backup must be one that can be unpacked
    with open(place.archive, "rb") as handle:
        laying = Laying(place, {}, proof=True)
        laying.run(handle)
        handle.seek(0)
        digest = digest_of(handle)
    return {
        "changed": False,
        "size": os.path.getsize(place.archive),
        "sha256": digest,
        "members": writer.members,
        "left": [*copying.missing.lines, *copying.skipped.lines, *laying.notes.lines],
        "complete": copying.missing.count == 0,
        "release": live,
    }


def copy(parameters: BackupArguments, place: StagingArea, writer: ArchiveWriter) -> Copying:
    """Add the deployed files and the data; return the copy with the paths that were left out."""
    # the path that the bot opens, all links resolved
    name = os.path.basename(parameters["database"])
    main = os.path.join(place.data_dir, name)
    snapshot = os.path.join(place.path, SNAPSHOT)
    with opened(place.data_dir, DIRECTORY) as root:
        copying = Copying(writer, root, place)
        for path in parameters["config_files"]:
            add_config(copying, CONFIG + path, path)
        try:
            if database.has_content(main):
                # a directory of root's own that the service user can pass through
                database.save(main, snapshot, parameters["service_user"], place.parent)
                copying.replace(
                    name, database.COMPANIONS, lambda: add_snapshot(copying, snapshot, main)
                )
        except database.NotKept as error:
            copying.skipped.add(
                os.fsencode(main), f"no snapshot, but the files as they are ({error.fault})"
            )
        except Refused:
            # a link or the like is copied as it is
            pass
        copying.measure()
        copying.run()
    return copying


def read(parameters: BackupArguments) -> BackedUp:
    """Return a piece of the backup."""
    with open(StagingArea(parameters["data_dir"]).archive, "rb") as handle:
        handle.seek(parameters["offset"])
        content = handle.read(parameters["length"])
    return {"changed": False, "content": base64.b64encode(content).decode()}


def remove(parameters: BackupArguments) -> BackedUp:
    """Remove the backup that ``make`` has made."""
    StagingArea(parameters["data_dir"]).remove()
    return {"changed": False}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "dest": {"type": "path", "required": True},
            "recipient": {"type": "str", "required": True},
            "install_dir": {"type": "path", "required": True},
            "data_dir": {"type": "path", "required": True},
            "service_user": {"type": "str", "required": True},
            "database": {"type": "path", "required": True},
            "config_files": {"type": "list", "elements": "path", "required": True},
            "host": {"type": "str", "required": True},
            # it must not be in the journal of the host
            "host_vars": {"type": "dict", "default": {}, "no_log": True},
            "complete": {"type": "bool", "default": False},
            "identity_file": {"type": "path"},
            "state": {"type": "str", "choices": ["made", "read", "absent"], "default": "made"},
            "offset": {"type": "int", "default": 0},
            "length": {"type": "int", "default": 0},
        },
    )
    os.umask(0o077)
    work = {"made": make, "read": read, "absent": remove}[module.params["state"]]
    try:
        refuse_places(module.params["install_dir"], module.params["data_dir"])
        with only_worker(dry=module.params["state"] == "read"):
            result = work(module.params)
    except (Refused, BadArchive) as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        if error.errno == errno.ENOSPC:
            parent = StagingArea(module.params["data_dir"]).parent
            module.fail_json(
                msg=f"{parent}: the file system is full. Fix: free some space (df -h {parent}), "
                "and run this again"
            )
        module.fail_json(msg=str(problem_of_error(error, "a file")))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
