#!/usr/bin/python
# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Record a verified install, and remove old releases."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kai_installs
short_description: Record a verified install, and remove old releases
version_added: 0.1.0
description:
  - Turns the journal that M(kai.bot.kai_switch) opened into the record of a verified install, below
    C(installs) of O(install_dir), for root alone.
  - Then removes every release but the last O(keep_releases) that were verified, with the records of
    those removed. The live release always stays.
  - A damaged record stays until it is older than all that stay.
  - The install of Kai's own installer is a release as well, V(flat). It is recorded when another
    release replaces it, and removed like any other.
  - Without a journal nothing changes.
options:
  install_dir:
    description: The directory of releases and records.
    type: path
    required: true
  keep_releases:
    description: How many releases stay, the live one included.
    type: int
    required: true
  flat_parts:
    description: Paths below O(install_dir) that Kai's own installer makes, in the order of their
      removal; other files stay when the release V(flat) is removed.
    type: list
    elements: str
    default: []
  release:
    description: The release that goes live, for check mode, which has no journal.
    type: str
  proof:
    description: The arguments of M(kai.bot.kai_proof) that proved the install. They are recorded,
      so they must not hold secrets.
    type: dict
    required: true
  by:
    description: The user who installed, as user@host; recorded as well.
    type: str
    default: ""
attributes:
  check_mode:
    support: full
    description: Reports which records and releases would stay and go. Without O(release), nothing.
  diff_mode:
    support: full
    description: Shows which records and releases come and go.
author: the kai-ansible authors (@kai-ansible)
"""

EXAMPLES = r"""
- name: Record the install
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
  description: Paths that are left of the release V(flat) after its removal.
  returned: always
  type: list
  elements: str
left_data:
  description: Which data of before a restore, and which old release, could not be removed, and
    why. The next run removes it.
  returned: always
  type: list
  elements: str
removed_installs:
  description: The numbers of the records that were removed.
  returned: always
  type: list
  elements: int
"""

from typing import TYPE_CHECKING

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.host.data_copy import StagingArea
from ..module_utils.host.flock import only_worker
from ..module_utils.host.layout_journal import LayoutJournal
from ..module_utils.host.records import Installs, Journal
from ..module_utils.host.root_places import refuse_places
from ..module_utils.host.tree_removal import remove_filled
from ..module_utils.rules.diff import difference
from ..module_utils.rules.installs import FLAT, kept_releases
from ..module_utils.rules.problems import Refused, reason_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..module_utils.rules.module_arguments import ProofPlan, RecordArguments
    from ..module_utils.rules.probe import VerifiedRelease
    from ..module_utils.rules.run_results import Recorded


def too_old(
    installs: Installs, records: Sequence[VerifiedRelease], keep: int, live: str
) -> tuple[list[str], list[int]]:
    """Return the releases and the numbers of the records to remove."""
    kept = kept_releases(records, keep, live)
    releases = [name for name in installs.names() if name not in kept]
    # a flat release without a record was not adopted, and stays
    flat = [FLAT] if FLAT in {record["release"] for record in records} - set(kept) else []
    whole = {record["number"]: record["release"] in kept for record in records}
    oldest = min((number for number, stays in whole.items() if stays), default=0)
    damaged = [n for n in installs.numbers() if n not in whole and n < oldest]
    gone = [number for number, stays in whole.items() if not stays]
    return [*releases, *flat], sorted([*damaged, *gone])


def prune(installs: Installs, keep: int, live: str, flat_parts: list[str]) -> Recorded:
    """Remove old releases and records; return them, and what of them stays until the next run."""
    releases, numbers = too_old(installs, installs.records(), keep, live)
    left, held = [], []
    # its record goes after it, so that the next run finishes a removal that is cut off
    if FLAT in releases:
        installs.remove_flat(flat_parts)
        left = installs.others()
    # records first: a record without its release would allow no rollback
    for number in numbers:
        installs.remove_record(number)
    for release in releases:
        if release != FLAT:
            try:
                remove_filled(installs.release_path(release))
            except Refused as stays:
                held.append(f"{installs.release_path(release)} ({stays})")
    return {
        "removed_releases": releases,
        "removed_installs": numbers,
        "left_paths": left,
        "left_data": held,
    }


def foreseen(installs: Installs, journal: Journal | None, release: str, keep: int) -> Recorded:
    """Return the result of recording the install of a release that is not live yet."""
    records: list[VerifiedRelease] = [*installs.records()]
    number = installs.next_number()
    former = journal.former_release if journal else installs.live()
    if former == FLAT and FLAT not in {record["release"] for record in records}:
        records.append({"number": number, "release": FLAT})
        number += 1
    records.append({"number": number, "release": release})
    releases, numbers = too_old(installs, records, keep, release)
    return {"number": number, "removed_releases": releases, "removed_installs": numbers}


def differences(installs: Installs, result: Recorded) -> list[dict[str, str]]:
    """Return the diff of records and releases."""
    return [
        difference(f"{installs.directory}/{result['number']}", "", "kept"),
        *(difference(f"{installs.directory}/{n}", "kept", "") for n in result["removed_installs"]),
        *(
            difference(installs.release_path(release), f"release {release}", "")
            for release in result["removed_releases"]
        ),
    ]


def keep(parameters: RecordArguments, dry: bool) -> Recorded:
    """Record the verified install and remove old ones; return the result of the module."""
    installs = Installs(parameters["install_dir"])
    journal = installs.journal()
    result: Recorded = {
        "changed": journal is not None,
        "number": None,
        "removed_releases": [],
        "removed_installs": [],
        "left_paths": [],
        "left_data": [],
    }
    if dry:
        release = parameters["release"]
        if not release:
            return result
        more = foreseen(installs, journal, release, parameters["keep_releases"])
        return {**result, **more, "changed": True}
    layout = LayoutJournal(installs.directory)
    if journal is None:
        layout.prove()
        return result
    installs.remember_original()
    # the release flat has only its health verified: its sudo rules may name missing agents
    proof = parameters["proof"]
    health: ProofPlan = {**proof, "commands": [], "agents": [], "private_directories": []}
    installs.adopt(journal, health)
    number = installs.keep_journal(journal, proof, parameters["by"])
    layout.prove()
    # the install is recorded, so data that stays must not let it fail
    left = StagingArea(journal.data_dir).discard() if journal.data_dir else []
    for record in installs.numbers():
        installs.forget_former(record)
    pruned = prune(installs, parameters["keep_releases"], journal.release, parameters["flat_parts"])
    return {**result, **pruned, "number": number, "left_data": [*left, *pruned["left_data"]]}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "install_dir": {"type": "path", "required": True},
            "keep_releases": {"type": "int", "required": True},
            "flat_parts": {"type": "list", "elements": "str", "default": []},
            "release": {"type": "str"},
            "proof": {"type": "dict", "required": True},
            "by": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    try:
        refuse_places(module.params["install_dir"])
        with only_worker(dry=module.check_mode):
            result = keep(module.params, module.check_mode)
    except (OSError, Refused) as error:
        module.fail_json(msg=reason_of(error, "a file"))
    if module._diff and result["changed"]:
        result["diff"] = differences(Installs(module.params["install_dir"]), result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
