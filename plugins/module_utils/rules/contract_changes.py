# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Migrate variables that were written for an earlier version of the contract.

The role and the commands refuse them by this, and ``kai-ansible migrate`` edits them by it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .contract import Limits
from .problems import Problem, shortened
from .values import UnacceptableValue, read_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .contract import Change, Contract

CONTRACT_VERSION = "kai_install_contract_version"
# the version of variables that name none
FIRST = 1
COMMAND = "kai-ansible migrate"


@dataclass(frozen=True)
class Step:
    """The effect of a change of the contract on one variable of a host.

    version: of the contract, since when. what: the change in words.
    given: the variable as host_vars have it.
    becomes: its name from then on, the same where its value means something else, None when it is
        gone.
    """

    version: int
    what: str
    given: str
    becomes: str | None

    @property
    def message(self) -> str:
        """What happens to the variable, and why."""
        if self.becomes is None:
            does = "is removed"
        elif self.becomes == self.given:
            does = "keeps its value, which has another meaning now"
        else:
            does = f"becomes {self.becomes}"
        return f"{self.given} {does}: {self.what}"

    @property
    def problem(self) -> Problem:
        """Why the variables cannot be used before this change."""
        if self.becomes is None:
            expected, by_hand = "no such variable", f"remove {self.given} yourself"
            fix = f"run {COMMAND}, which removes it, or {by_hand}"
        elif self.becomes == self.given:
            expected = "a value with today's meaning"
            fix = (
                f"check its value, then run {COMMAND}, or set {CONTRACT_VERSION} to {self.version}"
            )
        else:
            expected, by_hand = self.becomes, f"rename {self.given} yourself"
            fix = f"run {COMMAND}, which renames it, or {by_hand}"
        found = f"a variable that version {self.version} of the contract changed: {self.what}"
        return Problem(self.given, found, expected, fix)


@dataclass
class Migration:
    """What the variables of a host are by the contract of today.

    version: that they were written for. current: that of the contract.
    variables: by the names of today. steps: what that takes, in order.
    faults: problems that no migration can fix.
    """

    version: int
    current: int
    variables: dict[str, Any]
    steps: list[Step] = field(default_factory=list)
    faults: list[Problem] = field(default_factory=list)

    @property
    def is_newer(self) -> bool:
        """Whether a contract is needed that is not here, so that nothing else can be judged."""
        return self.version > self.current

    @property
    def problems(self) -> list[Problem]:
        """What keeps the variables from being used unchanged."""
        return [*self.faults, *(step.problem for step in self.steps)]

    @property
    def names(self) -> dict[str, str | None]:
        """What each variable is called in the end that is not called as it was; None when gone."""
        ends = {step.given: step.becomes for step in self.steps}
        return {given: name for given, name in ends.items() if name != given}


def migrated(contract: Contract, variables: Mapping[str, Any]) -> Migration:
    """Return what variables become by every change of the contract since their version.

    variables: every variable whose name begins with ``kai_install_``. Only a change that concerns
    one of them counts; without such a change an old version is as good as today's.
    """
    current = contract.version
    given = variables.get(CONTRACT_VERSION)
    version, faults = FIRST, []
    if given not in (None, ""):
        try:
            version = read_value(contract, Limits("integer", minimum=FIRST), given)
        except UnacceptableValue as error:
            fix = f"remove it, then run {COMMAND}"
            faults.append(Problem(CONTRACT_VERSION, shortened(repr(given)), error.expected, fix))
    migration = Migration(version, current, dict(variables), faults=faults)
    if migration.is_newer:
        migration.faults.append(
            Problem(
                CONTRACT_VERSION,
                f"{version}: a newer kai-ansible wrote these variables",
                f"{current} at the most, as this kai-ansible knows no later contract",
                "upgrade kai-ansible, or the collection kai.bot where that is used alone",
            )
        )
    given = {name: name for name in variables}
    for change in contract.changes:
        if change.version > version:
            _follow(change, migration, given)
    return migration


def _follow(change: Change, migration: Migration, given: dict[str, str]) -> None:
    """Do one change. given: how each variable of the migration is called in host_vars."""
    variables = migration.variables

    def note(name: str, becomes: str | None) -> None:
        step = Step(change.version, change.what, given[name], becomes)
        migration.steps.append(step)

    for old, new in change.renamed.items():
        if old not in variables:
            continue
        value = variables.pop(old)
        note(old, new)
        if variables.setdefault(new, value) != value:
            migration.faults.append(
                Problem(
                    given[old],
                    f"another value than {new} has, which is its name now",
                    "one value",
                    f"remove {given[old]} or {new}",
                )
            )
        given.setdefault(new, given[old])
    for name in change.removed:
        if name in variables:
            del variables[name]
            note(name, None)
    for name in change.changed:
        if variables.get(name) not in (None, ""):
            note(name, name)
