"""A configuration in the making: what is set now, and what a run changes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kai_ansible.inventory.host_vars import configuration_of, variable_is_secret
from kai_ansible.inventory.inventory import REMOVED, Removed
from kai_ansible.rules.configuration import Configuration, variable
from kai_ansible.rules.contract import Contract, Value
from kai_ansible.rules.sources import is_git_url
from kai_ansible.rules.values import UnacceptableValue, read_value

SOURCE = variable("source")
USERS = variable("users")
USERS_FILE = variable("users_file")
IMPORTED = "imported"


@dataclass
class Draft:
    """The configuration of one host while it is asked for.

    before: what is set now, by variable, as the role would see it. changes: what this run sets.
    given: variables that need not be asked. origins: where a change comes from, when not from the
    operator.
    """

    contract: Contract
    before: Mapping[str, Any]
    changes: dict[str, Any] = field(default_factory=dict)
    given: set[str] = field(default_factory=set)
    origins: dict[str, str] = field(default_factory=dict)

    def give(self, variables: Mapping[str, Any]) -> None:
        """Take answers that were given instead of asked."""
        specs = {**self.contract.host, **self.contract.settings}
        described = {variable(key): spec for key, spec in specs.items()}
        for name, value in variables.items():
            self.set(name, self._read(described.get(name), value))
            self.given.add(name)

    def take(self, variables: Mapping[str, Any]) -> None:
        """Take what was imported: it need not be asked, and None clears a setting of the host."""
        self.changes.update(variables)
        self.origins.update(dict.fromkeys(variables, IMPORTED))
        # people's models are still matched with their backends
        self.given |= {name for name, value in variables.items() if value is not None} - {USERS}

    def leave_out(self, name: str) -> None:
        """Take back what was set in this run."""
        self.changes.pop(name, None)
        self.given.discard(name)

    def _read(self, spec: Value | None, value: Any) -> Any:
        # what is not acceptable is kept as it is, to be named
        try:
            return value if spec is None else read_value(self.contract, spec, value)
        except UnacceptableValue:
            return value

    def set(self, name: str, value: Any, origin: str | None = None) -> None:
        """Set a variable; an empty value takes it out.

        origin: where the value comes from, None when from the operator.
        """
        if self.get(name) != value:
            self.origins.pop(name, None)
            if origin:
                self.origins[name] = origin
        if name == SOURCE and isinstance(value, str) and value and not is_git_url(value):
            # as the operator typed it, which is where this command runs
            value = str(Path(value).expanduser().absolute())
        if value in (None, ""):
            self.changes[name] = REMOVED
        elif name in self.before and self.before[name] == value:
            # what is said in another file, or by a template, stays where it is
            self.changes.pop(name, None)
        else:
            self.changes[name] = value

    def get(self, name: str) -> Any:
        """Return a variable's value now, None when it has none."""
        value = self.changes.get(name, self.before.get(name))
        return None if isinstance(value, Removed) else value

    def origin(self, name: str) -> str:
        """Return where a variable's value comes from, empty when it has none."""
        if self.get(name) is None:
            return ""
        return self.origins.get(name, "you" if name in self.changes else "host_vars")

    @property
    def users(self) -> list[dict[str, Any]]:
        """The people who are entries of users.yaml, as they would be."""
        users = self.get(USERS)
        return [user for user in users if isinstance(user, dict)] if isinstance(users, list) else []

    def with_setting(self, key: str, value: Any) -> Draft:
        """Return what this would be with another value of a setting; this one stays as it is."""
        return replace(self, changes={**self.changes, variable(key): value})

    @property
    def variables(self) -> dict[str, Any]:
        """Every variable as it would be."""
        merged = {**self.before, **self.changes}
        return {name: value for name, value in merged.items() if not isinstance(value, Removed)}

    @property
    def changes_in_order(self) -> dict[str, Any]:
        """What this run sets, in the contract's order, in whichever order it was answered."""
        keys = [*self.contract.host, "users", "users_file", *self.contract.settings]
        rank = {variable(key): position for position, key in enumerate(keys)}
        names = sorted(self.changes, key=lambda name: rank.get(name, len(rank)))
        return {name: self.changes[name] for name in names}

    def configuration(self) -> Configuration:
        """Return what the variables mean."""
        return configuration_of(self.contract, self.variables)

    def configuration_before(self) -> Configuration:
        """Return what the variables meant before this run."""
        return configuration_of(self.contract, dict(self.before))

    def is_secret(self, name: str) -> bool:
        """Return whether a variable belongs in the vault."""
        return variable_is_secret(self.contract, name)
