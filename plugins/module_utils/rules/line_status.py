# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say what status knows of parts that only some lines have: profiles, the workshop, the mode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .helper_programs import FEATURE
from .operator_files import UnreadableYaml, parse
from .problems import Problem
from .profile_merge import profile_held
from .profiles_of_host import VERSIONS
from .runtime_profiles import PROFILES
from .sudoers import commands_by_account
from .unit import service_of
from .user_places import marks, placed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .contract import Contract
    from .plans import SourceFacts
    from .probe import InstalledProbe, Probe
    from .users import User

COMPLETE, INCOMPLETE, UNKNOWN = "complete", "incomplete", "unknown"


def deployed_source(contract: Contract, probe: InstalledProbe) -> SourceFacts:
    """Return what the files of a host say of the source that they were installed from.

    A status has no source at hand. Without this, what an install took from it would look like
    drift: the variable of the mode, whose name comes from the source, profiles of version 2, and
    the programs that root runs.
    """
    document = deployed_profiles(contract, probe)
    version = (document or {}).get("version")
    features = {VERSIONS.get(version)} if isinstance(version, int) else set()
    files = probe["installed"]["files"]
    rules = (files.get(contract.sudoers.path) or {"kind": "unseen"}).get("text") or ""
    # who may read no rule can still see the programs
    named = {command for _account, command in commands_by_account(rules)}
    there = {path for path, file in files.items() if file["kind"] == "file"}
    if (named | there) & {helper.path for helper in contract.helpers}:
        features.add(FEATURE)
    return {
        "features": sorted(filter(None, features)),
        "mode_variable": _mode_variable(contract, probe),
    }


def _mode_variable(contract: Contract, probe: InstalledProbe) -> str | None:
    mode, unit = contract.deployment_mode, contract.platforms["linux"].unit
    seen = probe["installed"]["files"].get(unit.path)
    if mode is None or seen is None or not seen.get("text"):
        return None
    _account, environment = service_of(seen["text"] or "")
    named = [
        name
        for name, value in environment.items()
        if value == mode.value and name not in contract.process_environment
    ]
    return named[0] if len(named) == 1 else None


def deployed_profiles(contract: Contract, probe: Probe) -> Mapping[str, Any] | None:
    """Return the data of the deployed profiles, None where none can be read."""
    if contract.profiles is None:
        return None
    text = probe["texts"].get(contract.protected_files[contract.profiles].path)
    try:
        data = parse(text).data if text else None
    except UnreadableYaml:
        return None
    return data if isinstance(data, dict) and isinstance(data.get(PROFILES), dict) else None


def profile_of(
    document: Mapping[str, Any] | None, entry: Mapping[str, Any], user: User
) -> str | None:
    """Return the id of the deployed profile of a user, None without one."""
    if document is None:
        return None
    given = entry.get("runtime_profile_id")
    if given is not None:
        return str(given) if given in document[PROFILES] else None
    return profile_held(document, user.telegram_id)


def tree_of(contract: Contract, entry: Mapping[str, Any], user: User, probe: InstalledProbe) -> str:
    """Return whether the directories and first files of a user are as an install makes them.

    Without a whole tree Kai 2 accepts what a user sends and never answers.
    """
    known, seen = marks(user.key), probe.get("workshop")
    paths = [directory.path for directory in contract.user_directories]
    ids = {str(user.telegram_id)} if any("{telegram_id}" in path for path in paths) else set()
    for name, mark in known.items():
        if any(f"{{{name}}}" in path for path in paths):
            place = placed(mark, seen)
            if place is None:
                return UNKNOWN if seen is None or seen["fault"] else INCOMPLETE
            ids.add(place)
    home = entry.get("home_workspace")

    def is_theirs(path: str) -> bool:
        below_home = bool(home) and f"{path}/".startswith(f"{home}/")
        return below_home or not ids.isdisjoint(path.split("/"))

    layout = probe["installed"]["layout"]
    wrong = [change["path"] for change in layout["changes"]]
    wrong += [problem["where"] for problem in layout["refused"]]
    if any(map(is_theirs, wrong)):
        return INCOMPLETE
    return UNKNOWN if any(map(is_theirs, layout["unseen"])) else COMPLETE


def unknown_workshop(contract: Contract, probe: Probe) -> list[Problem]:
    """Return why profiles could not be compared with the database, nothing where they were."""
    seen = probe.get("workshop")
    if contract.workshop is None or seen is None or not seen["fault"]:
        return []
    return [
        Problem(
            "the database of the bot",
            f"unknown: it cannot be read: {seen['fault']}",
            "a readable database with the workshop and its assigned profiles",
            "kai-ansible status --ask-become-pass, or through sudo",
        )
    ]
