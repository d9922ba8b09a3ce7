# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Adopt a bot of Kai's own installer: report the adoption, and lose nothing."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from .installs import FLAT
from .problems import Problem, listed
from .users import os_users

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from .configuration import Configuration
    from .probe import Probe

_RULE = re.compile(
    r"(?P<user>\S+)\s+ALL\s*=\s*\((?P<runas>[^)\s]+)\)\s*(?P<enters>CWD=\*\s+)?"
    r"(?P<tags>(?:[A-Z]+:\s*)*)"
    r"(?P<command>/[^\s,\\]+)(?:\s+(?P<argument>\S+))?",
    re.ASCII,
)


def adoption_notes(configuration: Configuration, probe: Probe) -> list[str]:
    """Return the notes of an adoption, none without one.

    probe: the result of kai_probe.
    """
    contract = configuration.contract
    former = probe["former_install"]
    if former is None:
        return []
    install_dir = configuration.host["install_dir"]
    known = {
        *(posixpath.join(install_dir, part.split("/")[0]) for part in contract.own_installer.parts),
        *(entry.path for entry in contract.protected_files.values()),
        *(helper.path for helper in contract.helpers),
        contract.record.path,
        contract.sudoers.path,
    }
    others = [path for path in [*former["paths"], *former["drop_ins"]] if path not in known]
    notes = [
        f"The bot of Kai's own installer in {install_dir} is adopted: it stays there as the "
        f"release {FLAT}, and kai-ansible rollback goes back to it and to its files."
    ]
    if others:
        notes.append(f"Kept, because it may be your own: {listed(others)}.")
    matches = (_RULE.fullmatch(text) for _line, text in former["rules"])
    accounts = {match["runas"] for match in matches if match} - {"root"}
    unused = sorted(accounts - set(os_users(configuration.users)))
    if unused:
        notes.append(
            f"The rules for {listed(unused)} in {contract.sudoers.path} are removed: no "
            f"agent runs as that account."
        )
    return notes


def lost_rules(
    configuration: Configuration, probe: Probe, helpers: Collection[str]
) -> Iterator[Problem]:
    """Yield a problem for each statement of the drop-in that Kai's own installer did not write.

    helpers: the programs that this install writes; a rule for another one is a problem as well.
    Source: Kai 1.x installer, section 6; Kai 2 installer facts, section 5. The drop-in is replaced
    as a whole.
    """
    path, former = configuration.contract.sudoers.path, probe["former_install"]
    for number, text in former["rules"] if former else ():
        if not _is_of_the_installer(configuration, text, helpers):
            yield Problem(
                f"{path}:{number}",
                f"{text!r}, which this install does not write",
                "a file with only the rules that this install writes",
                f"move it to a file of its own (visudo -f {path}-local), or remove it "
                f"(visudo -f {path})",
            )


def _is_of_the_installer(configuration: Configuration, text: str, helpers: Collection[str]) -> bool:
    contract = configuration.contract
    match = _RULE.fullmatch(text)
    if not match or match["user"] != configuration.host["service_user"]:
        return False
    tags = match["tags"].replace(":", " ").split()
    name = posixpath.basename(match["command"])
    is_agents = match["runas"] != "root" and name != "kill"
    if match["enters"] and not (is_agents and contract.sudoers.enters):
        return False
    if match["runas"] == "root" and match["command"] in helpers:
        return tags == ["NOPASSWD"] and match["argument"] == "*"
    if match["runas"] == "root":
        access = {entry.path: entry.access for entry in contract.protected_files.values()}.get(
            match["argument"], ()
        )
        return tags == ["NOPASSWD"] and {"cat": "read", "tee": "write"}.get(name) in access
    if match["argument"] or match["runas"] == "ALL":
        return False
    if name == "kill":
        return tags == ["NOPASSWD"]
    binaries = [backend.binary for backend in contract.backends.values()]
    return tags == ["SETENV", "NOPASSWD"] and (
        name in {binary.name for binary in binaries}
        or match["command"] in {configuration.chosen.get(one.setting) for one in binaries}
    )
