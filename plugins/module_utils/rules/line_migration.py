# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rewrite the variables of a host from one release line of Kai to a later one.

``kai-ansible migrate --to`` edits host_vars by it. Every fact comes from the contracts: names from
``old_names``, dead keys from ``retired``, and the rest from ``migration`` of the later line.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Mapping

from .configuration import canonical_key
from .problems import Problem, shortened
from .user_isolation import Assigned, isolation_problems
from .values import UnacceptableValue, read_value
from .variable_names import PREFIX, variable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from .contract import Contract
    from .contract_kinds import Migration

RELEASE = variable("release")
USERS = variable("users")
_EXTRA = (variable("extra_env"), variable("secret_extra_env"))


@dataclass(frozen=True)
class Given:
    """What an operator decides on the way.

    os_users: OS users by the name or the Telegram ID of a user, for those who have none.
    new_secret: makes a secret. services: the names in services.yaml, None where there is no file.
    """

    os_users: Mapping[str, str]
    new_secret: Callable[[], str]
    services: Sequence[str] | None = None


@dataclass(frozen=True)
class LineChange:
    """The effect on one variable, or on one field or key in it.

    given: its place in host_vars. becomes: its new name, None when it is gone, the same where it
    is new or has another value. why: the reason, empty where the name alone changes.
    """

    given: str
    becomes: str | None
    why: str = ""

    @property
    def message(self) -> str:
        """The change and its reason, as a line for the operator."""
        does = "is removed" if self.becomes is None else f"becomes {self.becomes}"
        if self.becomes == self.given:
            does = "is set"
        return f"{self.given} {does}" + (f": {self.why}" if self.why else "")


@dataclass
class LineMigration:
    """The variables of a host for another release line.

    names: new names of variables, None for one that is removed. values: variables with a new
    value. users: fields of each entry of users that change, None for one that is removed.
    variables: everything as it is afterwards. notes: what is left to do elsewhere.
    """

    line: str
    variables: dict[str, Any]
    changes: list[LineChange] = field(default_factory=list)
    names: dict[str, str | None] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    users: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def users_without_account(variables: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the users in the variables of a host who have no OS user."""
    return [
        one
        for one in _entries(variables)
        if isinstance(one, dict) and not str(one.get("os_user") or "").strip()
    ]


def moved_to_line(
    former: Contract, target: Contract, variables: Mapping[str, Any], given: Given
) -> LineMigration:
    """Return the variables of a host for a later line, whose contract has a ``migration``.

    former: the contract of the line that it names.
    variables: every variable whose name begins with ``kai_install_``.
    What is rewritten already stays as it is, so a second call changes nothing. Raises ValueError
    for a line without a migration.
    """
    if target.migration is None:
        raise ValueError(f"nothing migrates to line {target.release}")
    work = _Move(former, target, target.migration, variables, given)
    work.move_settings()
    work.move_extra_env()
    work.move_users()
    work.split_secrets()
    if str(variables.get(RELEASE)) != target.release:
        work.set(RELEASE, target.release, f"the variables are those of {target.title} now")
    return work.found


def _entries(variables: Mapping[str, Any]) -> list[Any]:
    entries = variables.get(USERS)
    return entries if isinstance(entries, list) else []


class _Move:
    """One migration."""

    def __init__(
        self,
        former: Contract,
        target: Contract,
        way: Migration,
        variables: Mapping[str, Any],
        given: Given,
    ) -> None:
        self.former, self.target, self.given = former, target, given
        self.way: Migration = way
        self.found = LineMigration(target.release, dict(variables))
        # settings of everybody that become fields of each user
        self.of_everybody: dict[str, Any] = {}

    def set(self, name: str, value: Any, why: str) -> None:
        """Give a variable a value."""
        self.found.variables[name] = self.found.values[name] = value
        self.found.changes.append(LineChange(name, name, why))

    def move_settings(self) -> None:
        """Rename settings, and remove those that the line does not have."""
        kept = {key.lower() for key in [*self.target.host, *self.target.settings]}
        for name in list(self.found.variables):
            key = name[len(PREFIX) :].upper()
            if key.lower() in kept or key in self.way.splits:
                continue
            today = self.today(key)
            if today is not None:
                self.rename(name, variable(today), self.target.retired.get(key, ""))
            elif key in self.target.retired:
                self.keep_for_users(key, name)
                del self.found.variables[name]
                self.found.names[name] = None
                self.found.changes.append(LineChange(name, None, self.target.retired[key]))

    def today(self, key: str) -> str | None:
        """Return what the line calls a setting, None where it does not have it."""
        found = canonical_key(self.target, canonical_key(self.former, key))
        return found if found in self.target.settings else None

    def rename(self, name: str, other: str, why: str) -> None:
        """Rename a variable, or remove it beside one that has the new name and the same value."""
        value = self.found.variables.pop(name)
        self.found.names[name] = other
        self.found.changes.append(LineChange(name, other, why))
        if self.found.variables.setdefault(other, value) != value:
            self.found.problems.append(
                Problem(
                    name,
                    f"another value than {other} has, which is its name in {self.target.title}",
                    "one value",
                    f"remove {name} or {other}",
                )
            )

    def keep_for_users(self, key: str, name: str) -> None:
        """Note the value of a setting that becomes a field of each user."""
        field_name = self.way.to_users.get(key)
        raw = self.found.variables[name]
        if field_name is None or raw in (None, ""):
            return
        try:
            value = read_value(self.former, self.former.settings[key], raw)
        except UnacceptableValue as error:
            fix = f"set {name} to that, or remove it"
            found = shortened(repr(raw))
            self.found.problems.append(Problem(name, found, error.expected, fix))
            return
        if value:
            self.of_everybody[field_name] = value

    def move_extra_env(self) -> None:
        """Move keys that are settings of the line to their variables, and remove dead ones."""
        for name in _EXTRA:
            extra = self.found.variables.get(name)
            if not isinstance(extra, dict):
                continue
            left = dict(extra)
            for key, value in extra.items():
                where, today = f"{name}.{key}", self.today(str(key))
                if today is not None and self.may_move(name, today):
                    del left[key]
                    becomes = variable(today)
                    self.found.changes.append(LineChange(where, becomes))
                    self.found.variables[becomes] = self.found.values[becomes] = value
                elif key in self.target.retired:
                    del left[key]
                    why = self.target.retired[key]
                    self.found.changes.append(LineChange(where, None, why))
            if left != extra:
                self.found.variables[name] = left
                if left:
                    self.found.values[name] = left
                else:
                    del self.found.variables[name]
                    self.found.names[name] = None

    def may_move(self, name: str, today: str) -> bool:
        """Return whether a key may leave extra_env without a secret that becomes readable."""
        is_kept = self.target.settings[today].secret or name == _EXTRA[0]
        return is_kept and self.found.variables.get(variable(today)) in (None, "")

    def move_users(self) -> None:
        """Give each user today's fields, an OS user, and what was everybody's before."""
        entries = _entries(self.found.variables)
        moved, changed = [], []
        for index, entry in enumerate(entries):
            if not isinstance(entry, dict):
                return
            fields = self.fields_of(entry, f"{USERS}[{index}]")
            changed.append(fields)
            after = {**entry, **fields}
            moved.append({key: value for key, value in after.items() if value is not None})
        if any(changed):
            self.found.users = changed
            self.found.variables[USERS] = moved
        if entries:
            self.found.problems += self.account_problems(moved)
        elif self.of_everybody:
            self.found.notes.append(
                f"{variable('users_file')} is yours and is not changed: add "
                + ", ".join(f"{key}: {_yaml(one)}" for key, one in self.of_everybody.items())
                + " to each user there who has no choice of their own."
            )

    def account_problems(self, users: Sequence[Mapping[str, Any]]) -> list[Problem]:
        """Return the problems of OS users, a missing one with the option that names it."""
        places = {f"{USERS}[{index}]": one for index, one in enumerate(users)}
        assigned = [
            Assigned(where, str(one.get("name")), _text(one.get("os_user")))
            for where, one in places.items()
        ]
        missing = {
            f"{one.where}.os_user": shlex.quote(f"{one.name}=ACCOUNT")
            for one in assigned
            if not one.os_user
        }
        return [
            replace(problem, fix=f"add --os-user {missing[problem.where]}")
            if problem.where in missing
            else problem
            for problem in isolation_problems(assigned, self.service_user)
        ]

    @property
    def service_user(self) -> str:
        """The account of the bot."""
        default = self.target.host["service_user"].default
        return str(self.found.variables.get(variable("service_user")) or default)

    def fields_of(self, entry: Mapping[str, Any], where: str) -> dict[str, Any]:
        """Return the fields of one user that change, None for one that is removed."""
        fields: dict[str, Any] = {}

        def note(name: str, becomes: str | None, why: str = "") -> None:
            self.found.changes.append(LineChange(f"{where}.{name}", becomes, why))

        specs = self.target.user_fields
        for name, spec in specs.items():
            for old in spec.old_names:
                if old not in entry:
                    continue
                fields[old] = None
                if entry.get(name) in (None, ""):
                    fields[name] = entry[old]
                elif entry[name] != entry[old]:
                    self.found.problems.append(
                        Problem(
                            f"{where}.{old}",
                            f"another value than {name} has, which is its name now",
                            "one value",
                            f"remove {old} or {name}",
                        )
                    )
                note(old, name)
        for name in [one for one in self.former.user_fields if one not in specs]:
            if name in entry and name not in fields:
                fields[name] = None
                note(name, None, f"{self.target.title} has no such field")
        if not _text(entry.get("os_user")):
            account = self.account_of(entry)
            if account:
                fields["os_user"] = account
                note("os_user", f"{where}.os_user", account)
        for name, value in self.for_each_user.items():
            if entry.get(name) is None:
                fields[name] = value
                note(name, f"{where}.{name}", f"{_yaml(value)}, the former value for all users")
        return fields

    @property
    def for_each_user(self) -> dict[str, Any]:
        """What every user had, and has by a field of their own from now on."""
        found = dict(self.of_everybody)
        name = self.way.services_to
        is_new = name not in self.former.user_fields
        was_moved = str(self.found.variables.get(RELEASE)) == self.target.release
        if self.given.services and is_new and not was_moved:
            found[name] = list(self.given.services)
        return found

    def account_of(self, entry: Mapping[str, Any]) -> str | None:
        """Return the OS user that the operator gave for a user."""
        names = (str(entry.get("name", "")), str(entry.get("telegram_id", "")))
        return next((self.given.os_users[one] for one in names if one in self.given.os_users), None)

    def split_secrets(self) -> None:
        """Make a new secret for each setting that takes the place of a former one."""
        taken: Collection[Any] = {
            self.found.variables.get(variable(key)) for key in self.target.distinct_secrets
        }
        for key, others in self.way.splits.items():
            name = variable(key)
            if name not in self.found.variables:
                continue
            former = self.found.variables.pop(name)
            self.found.names[name] = None
            self.found.changes.append(LineChange(name, None, self.target.retired[key]))
            for other in others:
                if self.found.variables.get(variable(other)) not in (None, ""):
                    continue
                secret = self.given.new_secret()
                while secret in {*taken, former}:
                    secret = self.given.new_secret()
                taken = {*taken, secret}
                self.set(variable(other), secret, f"a new secret that differs from {key}")
                if other in self.way.outside:
                    outside = self.way.outside[other]
                    self.found.notes.append(f"{variable(other)} is new: {outside}.")


def _text(value: Any) -> str | None:
    return str(value).strip() or None if value is not None else None


def _yaml(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(str, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)
