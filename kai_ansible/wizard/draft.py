"""A draft of a configuration: the present values, and the changes of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from kai_ansible.inventory.host_vars import configuration_of, variable_is_secret
from kai_ansible.inventory.host_vars_files import REMOVED
from kai_ansible.rules.configuration import Configuration
from kai_ansible.rules.contract import Contract, Value
from kai_ansible.rules.values import UnacceptableValue, read_value
from kai_ansible.rules.variable_names import variable
from kai_ansible.wizard.source_tree import absolute_source

SOURCE = variable("source")
USERS = variable("users")
USERS_FILE = variable("users_file")
IMPORTED = "imported"


@dataclass
class Draft:
    """The configuration of one host while the wizard asks for it.

    before: the present values by variable, as the role would see them. changes: the values of this
    run. given: variables that need no question. origins: the origin of a change, if it is not the
    operator.
    """

    contract: Contract
    before: Mapping[str, Any]
    changes: dict[str, Any] = field(default_factory=dict)
    given: set[str] = field(default_factory=set)
    origins: dict[str, str] = field(default_factory=dict)

    def give(self, variables: Mapping[str, Any]) -> None:
        """Take answers from options and files, which need no question."""
        specs = {**self.contract.host, **self.contract.settings}
        described = {variable(key): spec for key, spec in specs.items()}
        for name, value in variables.items():
            self.set(name, self._read(described.get(name), value))
            self.given.add(name)

    def take(self, variables: Mapping[str, Any]) -> None:
        """Take imported values, which need no question; None clears a setting of the host."""
        self.changes.update(variables)
        self.origins.update(dict.fromkeys(variables, IMPORTED))
        # the wizard still matches the users' models with their backends
        self.given |= {name for name, value in variables.items() if value is not None} - {USERS}

    def leave_out(self, name: str) -> None:
        """Revert a change of this run."""
        self.changes.pop(name, None)
        self.given.discard(name)

    def _read(self, spec: Value | None, value: Any) -> Any:
        # an invalid value stays unchanged, so that the check can name it
        try:
            return value if spec is None else read_value(self.contract, spec, value)
        except UnacceptableValue:
            return value

    def set(self, name: str, value: Any, origin: str | None = None) -> None:
        """Set a variable; an empty value removes it.

        origin: the origin of the value, None for the operator.
        """
        if self.get(name) != value:
            self.origins.pop(name, None)
            if origin:
                self.origins[name] = origin
        if name == SOURCE and isinstance(value, str) and value:
            value = absolute_source(value)
        if value in (None, ""):
            self.changes[name] = REMOVED
        elif name in self.before and self.before[name] == value:
            # a value from another file, or from a template, stays where it is
            self.changes.pop(name, None)
        else:
            self.changes[name] = value

    def get(self, name: str) -> Any:
        """Return a variable's present value, None if it has none."""
        value = self.changes.get(name, self.before.get(name))
        return None if value is REMOVED else value

    def origin(self, name: str) -> str:
        """Return the origin of a variable's value, empty if it has none."""
        if self.get(name) is None:
            return ""
        return self.origins.get(name, "you" if name in self.changes else "host_vars")

    @property
    def users(self) -> list[dict[str, Any]]:
        """The users that users.yaml would have."""
        users = self.get(USERS)
        return [user for user in users if isinstance(user, dict)] if isinstance(users, list) else []

    def with_setting(self, key: str, value: Any) -> Draft:
        """Return a copy of the draft with another value of a setting."""
        return replace(self, changes={**self.changes, variable(key): value})

    @property
    def variables(self) -> dict[str, Any]:
        """Every variable with its new value."""
        merged = {**self.before, **self.changes}
        return {name: value for name, value in merged.items() if value is not REMOVED}

    @property
    def changes_in_order(self) -> dict[str, Any]:
        """The changes of this run in the contract's order."""
        keys = [*self.contract.host, "users", "users_file", *self.contract.settings]
        rank = {variable(key): position for position, key in enumerate(keys)}
        names = sorted(self.changes, key=lambda name: rank.get(name, len(rank)))
        return {name: self.changes[name] for name in names}

    def configuration(self) -> Configuration:
        """Return the configuration that the variables define."""
        return configuration_of(self.contract, self.variables)

    def is_secret(self, name: str) -> bool:
        """Return whether a variable belongs in the vault."""
        return variable_is_secret(self.contract, name)
