#!/usr/bin/python
# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What installs have made is gone, and nothing else."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kai_removal
short_description: Releases, records and directories that installs have made are gone
version_added: 0.1.0
description:
  - Removes every release, the records of the installs and the directories and first files that
    M(kai.bot.kai_user_tree) has made, and gives what it mended its former owner and mode.
  - Keeps data, accounts, and whatever somebody else has put there or written to, and tells it.
  - Follows no link.
  - M(kai.bot.kai_switch) with O(kai.bot.kai_switch#module:state=original) comes first.
options:
  install_dir:
    description: Where releases and records live.
    type: path
    required: true
  service_user:
    description: The account that owns the data.
    type: str
    required: true
  data_dir:
    description: Where the data lives.
    type: path
    required: true
  bot_files:
    description: What else belongs to the data, such as files that the bot writes in directories
      of an install, and the directory of models.
    type: list
    elements: path
    default: []
  purge:
    description:
      - Whether O(data_dir), O(bot_files) and the account of O(service_user) go as well, where an
        install has made them or their directory. The accounts of people stay.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: Says what would be removed, as if M(kai.bot.kai_switch) had done its part.
  diff_mode:
    support: none
    description: There is nothing to compare.
author: the kai-ansible authors (@kai-ansible)
"""

EXAMPLES = r"""
- name: Nothing of the bot is left but its data
  kai.bot.kai_removal:
    install_dir: /opt/kai
    service_user: kai
    data_dir: /var/lib/kai
"""

RETURN = r"""
changes:
  description: What was removed or got its former owner and mode, one line each.
  returned: always
  type: list
  elements: str
left:
  description: What stays, and why, one line each.
  returned: always
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.install_records import Installs
from ..module_utils.kernel_lock import Busy, only_worker
from ..module_utils.layout_journal import LayoutJournal
from ..module_utils.problems import problem_of_error
from ..module_utils.removal import Removal
from ..module_utils.root_files import Refused
from ..module_utils.root_places import refuse_places


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
    except (Refused, Busy) as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=str(problem_of_error(error, "a file")))
    module.exit_json(
        changed=bool(removal.changes), changes=removal.changes, left=sorted({*removal.left})
    )


if __name__ == "__main__":
    main()
