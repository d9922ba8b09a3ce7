#!/usr/bin/python
# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Create and change many directories in one call, without following links of accounts."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kai_user_tree
short_description: Create directories with their owner and mode, and the first files of users
version_added: 0.1.0
description:
  - Creates directories and first files where accounts other than root may own the parents.
  - A path is walked one part at a time from the root directory. A link is followed only where
    root alone could have made it, so that no account can lead root elsewhere.
  - Existing files are never written to or removed.
  - Every change is recorded before it happens, and can be undone.
options:
  state:
    description:
      - V(present) creates or changes the directories and first files.
      - V(restored) undoes the changes in O(journal), unless an account has changed a path or put
        something into it meanwhile, and closes the journal.
    type: str
    choices: [present, restored]
    default: present
  journal:
    description:
      - Directory of the journal, for root alone. Without it nothing is recorded.
      - The journal stays open until M(kai.bot.kai_installs) or O(state=restored) closes it.
    type: path
  accounts:
    description: Accounts that are about to be created; they are only recorded.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the account.
        type: str
        required: true
      comment:
        description: The comment that it will have, which identifies it later.
        type: str
        required: true
  directories:
    description: Directories that must exist, parents before children.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: str
        required: true
      owner:
        description: The account that owns it.
        type: str
        required: true
      group_of:
        description: The account whose primary group owns it; the owner's own by default.
        type: str
      mode:
        description: Octal mode. Without it an existing directory stays as it is.
        type: str
      reader:
        description:
          - An account besides the owner that reads in it, also what the owner adds later.
          - Its primary group owns the directory when that has no other members. Otherwise an access
            list grants it, and the file system must support access lists.
        type: str
      listed:
        description: Whether an access list grants it in any case.
        type: bool
        default: false
      former:
        description:
          - A directory of which it becomes a copy when it is created; the directory itself stays.
          - Sockets, pipes and devices are left out.
        type: path
      renames:
        description: Files that get another place in the copy, by their former one.
        type: dict
        default: {}
  seeds:
    description: Files that are created where they do not exist.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: str
        required: true
      source:
        description: Path below O(release) of the content.
        type: str
      fallback:
        description: The content when the release has no such file; without it no file is created.
        type: str
      owner:
        description: The account that owns it.
        type: str
        required: true
      group_of:
        description: The account whose primary group owns it; the owner's own by default.
        type: str
      mode:
        description: Octal mode.
        type: str
        required: true
      narrow:
        description: Whether to remove permissions beyond O(seeds[].mode) from an existing file.
        type: bool
        default: false
  private_directories:
    description:
      - Those of O(directories) that only their own account may enter. A directory that an account
        opens again is closed again a few times, and then noted. One that is open although every
        owner and mode is right is refused.
  release:
    description: The release that has the content of seeds.
    type: path
extends_documentation_fragment: [kai.bot.options.private_directories]
attributes:
  check_mode:
    support: full
    description: Reports the changes, and makes none.
  diff_mode:
    support: full
    description: Shows owner and mode before and after.
author: the kai-ansible authors (@kai-ansible)
"""

EXAMPLES = r"""
- name: Create the directories of the users
  kai.bot.kai_user_tree:
    directories:
      - path: /var/lib/kai
        owner: kai
        mode: "0711"
      - path: /var/lib/kai/memory/123456789
        owner: alice
        group_of: kai
        mode: "2750"

- name: Undo the directories and accounts of a failed install
  kai.bot.kai_user_tree:
    state: restored
    journal: /opt/kai/installs
"""

RETURN = r"""
changes:
  description: Everything that was created, changed or undone, one line each.
  returned: always
  type: list
  elements: str
unverified:
  description: Whether the journal has entries, of this call or of an earlier one.
  returned: when O(state=present)
  type: bool
notes:
  description: Directories that an account opens again and again, and checks without an answer.
  returned: when O(state=present)
  type: list
  elements: str
left:
  description: Everything that was not undone, with the reason.
  returned: when O(state=restored)
  type: list
  elements: str
"""

import os
from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.host.flock import only_worker
from ..module_utils.host.isolation import close
from ..module_utils.host.layout import Tree, problem_of
from ..module_utils.host.layout_journal import LayoutJournal
from ..module_utils.host.layout_undo import LayoutUndo
from ..module_utils.host.root_places import refuse_places
from ..module_utils.rules.diff import difference
from ..module_utils.rules.option_specs import entries
from ..module_utils.rules.problems import Problem, Refused, reason_of
from ..module_utils.rules.proof_arguments import PRIVATE_DIRECTORIES

if TYPE_CHECKING:
    from ..module_utils.rules.module_arguments import TreeArguments
    from ..module_utils.rules.run_results import LaidOut


def present(
    parameters: TreeArguments, journal: LayoutJournal | None, dry: bool
) -> tuple[LaidOut, list[Problem]]:
    """Create and change everything; return the result, and the problems of paths that failed."""
    tree = Tree(parameters["release"], dry, journal)
    for account in parameters["accounts"]:
        tree.account(account)
    failed = tree.ensure(parameters["directories"], parameters["seeds"])
    problems = [problem_of(*each) for each in failed]
    notes: list[str] = []
    if not (dry or problems):
        opened, notes = close(parameters["private_directories"], lambda: settles(parameters))
        problems = list(map(problem_of_trespass, opened))
    unverified = bool(journal and journal.entries())
    diff = [difference(path, *states) for path, states in tree.found.items()]
    result: LaidOut = {
        "changes": tree.changes,
        "unverified": unverified,
        "notes": notes,
        "diff": diff,
    }
    return result, problems


def settles(parameters: TreeArguments) -> bool:
    """Set owners and modes of the directories again; return whether one differed."""
    tree = Tree(None, dry=False)
    tree.ensure(parameters["directories"], [])
    return bool(tree.changes)


def problem_of_trespass(fault: str) -> Problem:
    """Return the problem of a directory that is less private than its owner and mode."""
    return Problem(
        "the directories of the users",
        fault,
        "each account in its own directories and in no other account's",
        "owners and modes are right, so check the groups of that account (id) and the directories "
        "above (namei -l), and run this again",
    )


def places_of_root(parameters: TreeArguments) -> list[str]:
    """Return the paths that only root may change: the journal, and the sources of seeds."""
    places = [parameters["journal"]] if parameters["journal"] else []
    release = parameters["release"]
    if release:
        sources = [entry["source"] for entry in parameters["seeds"]]
        places += [os.path.join(release, source) for source in sources if source]
    return places


def restored(journal: LayoutJournal, dry: bool) -> LaidOut:
    """Undo the journal; return the result of the module."""
    undo = LayoutUndo(journal, dry)
    undo.run()
    changes = [change.partition(": ") for change in undo.changes]
    diff = [difference(place, "", then) for place, _colon, then in changes]
    return {"changes": undo.changes, "left": undo.left, "diff": diff}


def main() -> None:
    """Run the module."""
    owner: dict[str, Any] = {
        "path": {"type": "str", "required": True},
        "owner": {"type": "str", "required": True},
        "group_of": {"type": "str"},
    }
    module = AnsibleModule(
        argument_spec={
            "directories": entries(
                **owner,
                mode={"type": "str"},
                reader={"type": "str"},
                listed={"type": "bool", "default": False},
                former={"type": "path"},
                renames={"type": "dict", "default": {}},
            ),
            "seeds": entries(
                **owner,
                mode={"type": "str", "required": True},
                source={"type": "str"},
                fallback={"type": "str"},
                narrow={"type": "bool", "default": False},
            ),
            "private_directories": PRIVATE_DIRECTORIES,
            "release": {"type": "path"},
            "state": {"type": "str", "choices": ["present", "restored"], "default": "present"},
            "journal": {"type": "path"},
            "accounts": entries(
                name={"type": "str", "required": True},
                comment={"type": "str", "required": True},
            ),
        },
        required_if=[("state", "restored", ["journal"])],
        supports_check_mode=True,
    )
    directory, dry = module.params["journal"], module.check_mode
    journal = LayoutJournal(directory) if directory else None
    refusals: list[Problem] = []
    try:
        refuse_places(directories=places_of_root(module.params))
        with only_worker(dry=dry):
            if journal and module.params["state"] == "restored":
                result = restored(journal, dry)
            else:
                result, refusals = present(module.params, journal, dry)
    except (OSError, Refused) as error:
        module.fail_json(msg=reason_of(error, module.params["journal"] or "a path"))
    changes = result["changes"]
    result["changed"] = bool(changes)
    if not module._diff:
        del result["diff"]
    if refusals:
        # a fault of a directory above several paths is reported once
        lines = "\n".join(dict.fromkeys(map(str, refusals)))
        module.fail_json(msg=f"These paths were not changed:\n{lines}", **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
