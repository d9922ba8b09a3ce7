#!/usr/bin/python
# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Switch files, live release and service together, or back."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kai_switch
short_description: Switch the bot to other files or another release, or back
version_added: 0.1.0
description:
  - Records the former state, writes every file that differs beside its target, checks sudoers
    drop-ins with visudo within the whole policy, and only then renames the files into place, points
    C(current) to the release and restarts the bot. Until the bot has started, the former rules of
    sudo are in force as well.
  - Keeps the former state in C(installs/pending) below O(install_dir), readable by root alone,
    until M(kai.bot.kai_installs) or O(state=restored) closes that journal. While it is open, the
    state before it stays the former one, however often the switch is tried.
  - Takes a checked snapshot of the database before another release goes live.
  - Changes nothing when the bot needs a restart and the file system of its database is full.
options:
  state:
    description:
      - V(switched) switches to the desired state; V(restored) restores the state before the journal
        was opened, the service included, and closes the journal; V(original) restores the state
        before the first install. A bot of Kai's own installer then runs again if its release is
        still there.
    type: str
    choices: [switched, restored, original]
    default: switched
  install_dir:
    description: Where releases and records live.
    type: path
    required: true
  unit:
    description: Name of the systemd unit without its suffix.
    type: str
    required: true
  unit_file:
    description: Path of the unit; systemd reloads it when it changes.
    type: path
    required: true
  release:
    description: The release to switch to, unless O(record) names it.
    type: str
  line:
    description:
      - The release line of O(release), unless O(record) names it.
      - Where the last verified install has another one, the bot is stopped before the snapshot of
        its database is taken, and O(state=restored) restores that snapshot.
    type: str
  code_signs:
    description:
      - How a bot that Kai's own installer left in O(install_dir) is known to be of a release line,
        as long as no install has recorded it.
    type: list
    elements: dict
    default: []
    suboptions:
      line:
        description: The release line.
        type: str
        required: true
      has:
        description: The files below O(install_dir) that each bot of the line has.
        type: list
        elements: str
        required: true
      lacks:
        description: The files that none has.
        type: list
        elements: str
        required: true
  files:
    description: The files to deploy, unless O(record) names them.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path; the directory must exist and belong to root.
        type: str
        required: true
      content:
        description: The text of the file, unless O(secret_contents) has it.
        type: str
      mode:
        description: Octal mode.
        type: str
        required: true
      given:
        description: Whether the file is managed; otherwise it stays as it is.
        type: bool
        default: true
      absent:
        description: Whether nothing may be there.
        type: bool
        default: false
  secret_contents:
    description:
      - The texts of files that hold secrets, by path.
      - They are not part of O(files), because Ansible writes the arguments of a module to the log
        of the host, and redacts a secret only where it is an argument of its own.
    type: dict
    default: {}
  record:
    description: The number of a verified install whose files and release to switch to.
    type: int
  sudoers_files:
    description: The files that are sudoers drop-ins; the bot does not read them.
    type: list
    elements: path
    default: []
  unread_files:
    description: The files that the bot does not read, so a change of them restarts nothing.
    type: list
    elements: path
    default: []
  secret_files:
    description: The files that are environment files with secrets.
    type: list
    elements: path
    default: []
  shown_variables:
    description: The variables of O(secret_files) whose values a diff may show.
    type: list
    elements: str
    default: []
  opaque_files:
    description: The files of which a diff may only report that they differ.
    type: list
    elements: path
    default: []
  visudo:
    description: Where visudo may be; the first that exists is used.
    type: list
    elements: path
    default: [/usr/sbin/visudo, /usr/bin/visudo]
  service_user:
    description: The account that owns the database.
    type: str
  database:
    description: Path of the bot's database.
    type: path
  with_database:
    description:
      - The number of the install whose snapshot of the database is restored as well. V(0) lets the
        bot start without a database. The database that is replaced stays beside it.
    type: int
  data_dir:
    description: Where the data lives.
    type: path
  turns:
    description: The directory in which the bot keeps a file for each user whom it is answering.
    type: path
  with_data:
    description:
      - Whether the data that M(kai.bot.kai_restore) unpacked beside O(data_dir) replaces it, with
        the deployed files of the same backup that O(files) does not have. The former data stays
        beside it until the journal is closed.
    type: bool
    default: false
  restart:
    description: Whether to restart the bot although nothing else changes, because it hangs.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: Checks the drop-ins as well, and leaves no files behind.
  diff_mode:
    support: full
    description: Shows secrets by their fingerprint, and the changes of the live release, the
      service and the database.
author: the kai-ansible authors (@kai-ansible)
"""

EXAMPLES = r"""
- name: Switch to the new release
  kai.bot.kai_switch:
    install_dir: /opt/kai
    unit: kai
    unit_file: /etc/systemd/system/kai.service
    release: 0a1b2c3d4e5f
    sudoers_files: [/etc/sudoers.d/kai]
    files:
      - path: /etc/sudoers.d/kai
        content: "{{ lookup('ansible.builtin.template', 'sudoers.j2') }}"
        mode: "0440"

- name: Restore the former state
  kai.bot.kai_switch:
    state: restored
    install_dir: /opt/kai
    unit: kai
    unit_file: /etc/systemd/system/kai.service
"""

RETURN = r"""
changed_paths:
  description: The files that differed.
  returned: always
  type: list
  elements: str
removed_paths:
  description: Those of them that the former state does not have.
  returned: with O(state=restored) and O(state=original), if there is a former state
  type: list
  elements: str
former_release:
  description: The release that was live before, null when none was.
  returned: always
  type: str
release:
  description: The release that is live now, V(flat) for the one of Kai's own installer, null when
    none is.
  returned: always
  type: str
was_active:
  description: Whether the bot ran before.
  returned: always
  type: bool
starts:
  description: Whether the bot is restarted or started.
  returned: always
  type: bool
unfinished:
  description: Whether an earlier install was neither verified nor reverted.
  returned: always
  type: bool
left:
  description: Which data that is no longer needed could not be removed, and why. The next run
    removes it.
  returned: always
  type: list
  elements: str
cut_turns:
  description: How many answers the bot could not finish before it was stopped, null when unknown.
  returned: when the bot was started
  type: int
stopped_at:
  description: When the bot was stopped, on the monotonic clock; null when it did not run.
  returned: when the bot is restarted
  type: float
snapshot:
  description: Whether a snapshot of the database was taken.
  returned: when O(state=switched)
  type: bool
database:
  description: What happens to the database. V(kept) leaves it to the bot that starts, V(restored)
    replaces it by a snapshot, and V(none) moves it aside, because the bot that starts had none.
  returned: always
  type: str
proof:
  description: The arguments of the verification of O(record)'s install.
  returned: when O(record) is given
  type: dict
problems:
  description: The message as a problem, with where, found, expected and fix.
  returned: failure with a known fix
  type: list
  elements: dict
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.host.flock import only_worker
from ..module_utils.host.root_places import refuse_places, refuse_service_as_root
from ..module_utils.host.switch import Switch
from ..module_utils.host.system import VISUDO
from ..module_utils.rules.option_specs import entries
from ..module_utils.rules.problems import Refused, problem_of_error


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "state": {
                "type": "str",
                "choices": ["switched", "restored", "original"],
                "default": "switched",
            },
            "install_dir": {"type": "path", "required": True},
            "unit": {"type": "str", "required": True},
            "unit_file": {"type": "path", "required": True},
            "release": {"type": "str"},
            "line": {"type": "str"},
            "code_signs": entries(
                line={"type": "str", "required": True},
                has={"type": "list", "elements": "str", "required": True},
                lacks={"type": "list", "elements": "str", "required": True},
            ),
            "files": entries(
                path={"type": "str", "required": True},
                content={"type": "str"},
                mode={"type": "str", "required": True},
                given={"type": "bool", "default": True},
                absent={"type": "bool", "default": False},
            ),
            "secret_contents": {"type": "dict", "default": {}, "no_log": True},
            "record": {"type": "int"},
            "sudoers_files": {"type": "list", "elements": "path", "default": []},
            "unread_files": {"type": "list", "elements": "path", "default": []},
            "secret_files": {"type": "list", "elements": "path", "default": [], "no_log": False},
            "shown_variables": {"type": "list", "elements": "str", "default": []},
            "opaque_files": {"type": "list", "elements": "path", "default": []},
            "visudo": {"type": "list", "elements": "path", "default": list(VISUDO)},
            "service_user": {"type": "str"},
            "database": {"type": "path"},
            "with_database": {"type": "int"},
            "data_dir": {"type": "path"},
            "turns": {"type": "path"},
            "with_data": {"type": "bool", "default": False},
            "restart": {"type": "bool", "default": False},
        },
        mutually_exclusive=[("record", "release"), ("record", "files")],
        required_by={"with_database": ["record", "database"], "database": ["service_user"]},
        required_if=[("with_data", True, ["data_dir", "release"])],
        supports_check_mode=True,
    )
    if module.params["state"] == "switched" and not (
        module.params["release"] or module.params["record"]
    ):
        module.fail_json(msg="state=switched needs release or record")
    os.umask(0o077)
    try:
        if not module.check_mode:
            refuse_places(module.params["install_dir"], module.params["data_dir"] or "")
        if module.params["state"] == "switched":
            refuse_service_as_root(module.params["service_user"])
        with only_worker(dry=module.check_mode):
            result = Switch(module.params, dry=module.check_mode, diff=module._diff).run()
    except Refused as error:
        problems = {"problems": [error.problem.as_dict()]} if error.problem else {}
        module.fail_json(msg=str(error), **problems)
    except OSError as error:
        problem = problem_of_error(error, "a file")
        module.fail_json(msg=str(problem), problems=[problem.as_dict()])
    module.exit_json(**result)


if __name__ == "__main__":
    main()
