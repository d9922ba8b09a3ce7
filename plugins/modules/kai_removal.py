#!/usr/bin/python
# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove everything that installs created, and nothing else."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kai_removal
short_description: Remove releases, records and directories that installs have made
version_added: 0.1.0
description:
  - Removes every release, the records of the installs and the directories and first files that
    M(kai.bot.kai_user_tree) has made, and restores the owner and mode of paths that it changed.
  - Keeps data, accounts, and files that another account has put there or changed, and reports them.
  - Follows no link.
  - M(kai.bot.kai_switch) with O(kai.bot.kai_switch#module:state=original) comes first.
options:
  install_dir:
    description: The directory of releases and records.
    type: path
    required: true
  service_user:
    description: The account that owns the data.
    type: str
    required: true
  data_dir:
    description: The data directory.
    type: path
    required: true
  bot_files:
    description: Other paths that belong to the data, such as files that the bot writes in
      directories of an install, and the directory of models.
    type: list
    elements: path
    default: []
  purge:
    description:
      - Whether to remove O(data_dir), O(bot_files) and the account of O(service_user) as well,
        where an install has made them or their directory. OS users stay.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: Reports the removals, as if M(kai.bot.kai_switch) had done its part.
  diff_mode:
    support: none
    description: There is nothing to compare.
author: the kai-ansible authors (@kai-ansible)
"""

EXAMPLES = r"""
- name: Remove the bot, but not its data
  kai.bot.kai_removal:
    install_dir: /opt/kai
    service_user: kai
    data_dir: /var/lib/kai
"""

RETURN = r"""
changes:
  description: Paths that were removed, or whose owner and mode were restored, one line each.
  returned: always
  type: list
  elements: str
left:
  description: Paths and accounts that stay, with the reason, one line each.
  returned: always
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.host.flock import only_worker
from ..module_utils.host.layout_journal import LayoutJournal
from ..module_utils.host.records import Installs
from ..module_utils.host.removal import Removal
from ..module_utils.host.root_places import refuse_places
from ..module_utils.rules.problems import Refused, reason_of


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "install_dir": {"type": "path", "required": True},
            "service_user": {"type": "str", "required": True},
            "data_dir": {"type": "path", "required": True},
            "bot_files": {"type": "list", "elements": "path", "default": []},
            "purge": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    installs = Installs(module.params["install_dir"])
    removal = Removal(
        installs,
        LayoutJournal(installs.directory),
        module.check_mode,
        module.params["service_user"],
        module.params["data_dir"],
        module.params["bot_files"],
        module.params["purge"],
    )
    try:
        refuse_places(module.params["install_dir"], module.params["data_dir"])
        with only_worker(dry=module.check_mode):
            removal.run()
    except (OSError, Refused) as error:
        module.fail_json(msg=reason_of(error, "a file"))
    module.exit_json(
        changed=bool(removal.changes), changes=removal.changes, left=sorted({*removal.left})
    )


if __name__ == "__main__":
    main()
