# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The identity files of users, which Kai 2 has under another name than Kai 1.

An install copies a home of Kai 1 and gives the file its new name in the copy. In a home that
host_vars name it moves nothing. What users have changed there is theirs, so the plan names it
before the first start of Kai 2.
"""

from __future__ import annotations

import hashlib
import posixpath
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Iterator

from .binaries import agent_account
from .problems import Problem

if TYPE_CHECKING:
    from .configuration import Configuration
    from .contract import Contract
    from .module_arguments import IdentityRequest
    from .probe import HomeFile, Probe

# of a file for which the owner of the home gave no answer
_UNSEEN: HomeFile = {"kind": "unseen", "sha256": ""}


@dataclass(frozen=True)
class Identity:
    """The identity of a user: its former and its new name in a home, and who owns it.

    template: the file of a release that the former one was made from. carried: whether an install
    copies the home.
    """

    user: str
    account: str
    home: str
    former: str
    new: str
    template: str
    carried: bool


def identities(configuration: Configuration) -> list[Identity]:
    """Return the identities that get another name in this release line."""
    found = []
    data_dir = configuration.host.get("data_dir", "")
    for entry, user in zip(configuration.entries, configuration.users):
        own, account = entry.get("home_workspace"), agent_account(configuration, user)
        if user.profile_id and not own:
            # no earlier line had this user
            continue
        for directory in configuration.contract.user_directories:
            for former, new in directory.renames.items():
                home = own or (directory.former or "").format(
                    data_dir=data_dir, telegram_id=user.telegram_id
                )
                template = directory.template or former
                one = Identity(user.name, account, home, former, new, template, carried=not own)
                found.append(one)
    return found


def identities_request(configuration: Configuration) -> list[IdentityRequest]:
    """Return the option ``identities`` of kai_probe."""
    return [
        {"home": one.home, "files": [one.former, one.new], "template": one.template}
        for one in identities(configuration)
    ]


def identity_findings(
    configuration: Configuration, probe: Probe
) -> tuple[list[Problem], list[str]]:
    """Return the problems and the notes of identities before the first start of this line."""
    contract = configuration.contract
    problems: list[Problem] = []
    notes: list[str] = []
    adapters = {
        hashlib.sha256(seed.fallback.encode()).hexdigest()
        for seed in contract.user_seeds
        if seed.backend and seed.fallback
    }
    for one in identities(configuration):
        seen = probe["identities"].get(one.home)
        if seen is None:
            continue
        former, new = (seen["files"].get(name, _UNSEEN) for name in (one.former, one.new))
        if "unseen" in (former["kind"], new["kind"]):
            path = posixpath.join(one.home, one.former)
            notes.append(
                f"{path} of {one.user} could not be read as the owner of the home. If it was "
                f"changed, compare it: {contract.title} reads {one.new} alone."
            )
        refers = former["sha256"] in adapters
        if not one.carried:
            if former["kind"] == "file" and not refers and former["sha256"] != new["sha256"]:
                notes.append(_of_a_named_home(contract, one, new))
            continue
        problems += _problems(contract, one, former, new, refers=refers)
        if former["kind"] == "file" and not refers and former["sha256"] != seen["template"]:
            notes.append(
                f"{one.user} may have changed {posixpath.join(one.home, one.former)}. The install "
                f"copies it to {one.new}, which every agent of {contract.title} reads. It keeps "
                f"what it says of the former Kai: compare it with templates/{one.new} of the new "
                "source."
            )
    return problems, notes


def _of_a_named_home(contract: Contract, one: Identity, new: HomeFile) -> str:
    former, path = (posixpath.join(one.home, name) for name in (one.former, one.new))
    command = shlex.join(["sudo", "-u", one.account, "cp", former, path])
    fix = f"first run {command}" if new["kind"] == "absent" else f"merge it into {path}"
    return (
        f"{one.user}: {contract.title} does not read {former}, but {path}. To keep what is in it, "
        f"{fix}."
    )


def _problems(
    contract: Contract, one: Identity, former: HomeFile, new: HomeFile, *, refers: bool
) -> Iterator[Problem]:
    path, other = (posixpath.join(one.home, name) for name in (one.former, one.new))
    for place, seen in ((path, former), (other, new)):
        if seen["kind"] not in ("absent", "file", "unseen"):
            yield Problem(
                place,
                f"{seen['kind']} in the home of {one.user}",
                "a file, or nothing",
                f"put the identity of {one.user} there as a file, owned by {one.account}, or "
                "remove it",
            )
    if former["kind"] != "file":
        return
    if refers and new["kind"] == "absent":
        yield Problem(
            path,
            f"a reference to {other}, which is not there",
            f"the identity of {one.user}",
            f"write {other}, or remove {path}",
        )
    elif not refers and new["kind"] == "file" and former["sha256"] != new["sha256"]:
        yield Problem(
            path,
            f"another identity of {one.user} than {other} has",
            f"one of them, because {contract.title} reads {one.new} alone",
            f"merge both into {other}, and remove {path}",
        )
