#!/usr/bin/python
# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of a proven install, and the removal of old ones."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kai_installs
short_description: What was proven is on record, and only the last good releases are left
version_added: 0.1.0
description:
  - Turns the journal that M(kai.bot.kai_switch) opened into the record of a proven install, below
    C(installs) of O(install_dir), for root alone.
  - Then removes every release but the last O(keep_releases) that were proven, with the records of
    those removed. The live release always stays.
  - The install of Kai's own installer is a release as well, V(flat). It is put on record when
    another release takes its place, and goes like any other.
  - Without a journal nothing is changed.
options:
  install_dir:
    description: Where releases and records live.
    type: path
    required: true
  keep_releases:
    description: How many releases stay, the live one counted.
    type: int
    required: true
  flat_parts:
    description: Paths below O(install_dir) that Kai's own installer makes, in the order in which
      they are removed; nothing else of the release V(flat) is.
    type: list
    elements: str
    default: []
  flat_proof:
    description: The arguments of M(kai.bot.kai_proof) with which the release V(flat) can be proven.
    type: dict
    default: {}
  proof:
    description: The arguments of M(kai.bot.kai_proof) with which the install was proven. They are
      kept, so they must not hold secrets.
    type: dict
    required: true
  by:
    description: Who installed, as user@host; kept as well.
    type: str
    default: ""
attributes:
  check_mode:
    support: full
    description: Says whether a record would be made.
  diff_mode:
    support: none
    description: There is nothing to compare.
author: the kai-ansible authors (@kai-ansible)
"""

EXAMPLES = r"""
- name: The install is on record
  kai.bot.kai_installs:
    install_dir: /opt/kai
    keep_releases: 3
    proof:
      unit: kai
      service_user: kai
"""

RETURN = r"""
number:
  description: The number of the install, null when there was no journal.
  returned: always
  type: int
removed_releases:
  description: The releases that were removed.
  returned: always
  type: list
  elements: str
left_paths:
  description: What is left of the release V(flat) when it was removed.
  returned: always
  type: list
  elements: str
removed_installs:
  description: The numbers of the records that were removed.
  returned: always
  type: list
  elements: int
"""

import shutil
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.install_records import Installs
from ..module_utils.installs import FLAT, kept_releases
from ..module_utils.kernel_lock import Busy, only_worker
from ..module_utils.layout_journal import LayoutJournal
from ..module_utils.root_files import Refused


def prune(installs: Installs, keep: int, live: str, flat_parts: list[str]) -> dict[str, Any]:
    """Remove what is not to be kept, and return it."""
    records = installs.records()
    kept = kept_releases(records, keep, live)
    releases = [name for name in sorted(installs.built()) if name not in {*kept, FLAT}]
    numbers = [record["number"] for record in records if record["release"] not in kept]
    left = []
    # what was never on record was not adopted, and is nobody's to remove. The record goes last,
    # so that the next run ends what is cut off here.
    flat_goes = FLAT in {record["release"] for record in records} - set(kept)
    if flat_goes:
        installs.remove_flat(flat_parts)
        left = installs.others()
    # records first: one without its release could not be gone back to
    for number in numbers:
        installs.remove_record(number)
    for release in releases:
        shutil.rmtree(installs.release_path(release))
    return {
        "removed_releases": [*releases, *([FLAT] if flat_goes else [])],
        "removed_installs": numbers,
        "left_paths": left,
    }


def keep(parameters: dict[str, Any], dry: bool) -> dict[str, Any]:
    """Keep what was proven and remove what is too old; returns the result of the module."""
    installs = Installs(parameters["install_dir"])
    journal = installs.journal()
    result: dict[str, Any] = {
        "changed": journal is not None,
        "number": None,
        "removed_releases": [],
        "removed_installs": [],
        "left_paths": [],
    }
    if dry:
        return result
    layout = LayoutJournal(installs.directory)
    if journal is None:
        layout.discard()
        return result
    installs.adopt(journal, parameters["flat_proof"])
    number = installs.keep_journal(journal, parameters["proof"], parameters["by"])
    layout.discard()
    for record in installs.numbers():
        installs.forget_former(record)
    pruned = prune(installs, parameters["keep_releases"], journal.release, parameters["flat_parts"])
    return {**result, "number": number, **pruned}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "install_dir": {"type": "path", "required": True},
            "keep_releases": {"type": "int", "required": True},
            "flat_parts": {"type": "list", "elements": "str", "default": []},
            "flat_proof": {"type": "dict", "default": {}},
            "proof": {"type": "dict", "required": True},
            "by": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    try:
        with only_worker(dry=module.check_mode):
            result = keep(module.params, module.check_mode)
    except (Refused, Busy) as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"{error.filename or 'a file'}: {error.strerror}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
