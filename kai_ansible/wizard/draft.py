"""A configuration in the making: what is set now, and what a run changes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kai_ansible.inventory import REMOVED, Removed
from kai_ansible.rules.configuration import Configuration, variable
from kai_ansible.rules.sources import is_git_url
from kai_ansible.rules.values import UnacceptableValue, read_value
from kai_ansible.variables import configuration_of, variable_is_secret

SOURCE = variable("source")
USERS = variable("users")


@dataclass
class Draft:
    """The configuration of one host while it is asked for.

    before: what is set now, by variable, as the role would see it. changes: what this run sets.
    given: variables that need not be asked.
    """

    contract: Mapping[str, Any]
    before: Mapping[str, Any]
    changes: dict[str, Any] = field(default_factory=dict)
    given: set[str] = field(default_factory=set)

    def give(self, variables: Mapping[str, Any]) -> None:
        """Take answers that were given instead of asked."""
        specs = {**self.contract["host"], **self.contract["settings"]}
        described = {variable(key): spec for key, spec in specs.items()}
        for name, value in variables.items():
            self.set(name, self._read(described.get(name), value))
            self.given.add(name)

    def take(self, variables: Mapping[str, Any]) -> None:
        """Take what was imported: it need not be asked, and None clears a setting of the host."""
        self.changes.update(variables)
        # people's models are still matched with their backends
        self.given |= {name for name, value in variables.items() if value is not None} - {USERS}

    def leave_out(self, name: str) -> None:
        """Take back what was set in this run."""
        self.changes.pop(name, None)
        self.given.discard(name)

    def _read(self, spec: Mapping[str, Any] | None, value: Any) -> Any:
        # what is not acceptable is kept as it is, to be named
        try:
            return value if spec is None else read_value(self.contract, spec, value)
        except UnacceptableValue:
            return value

    def set(self, name: str, value: Any) -> None:
        """Set a variable; an empty value takes it out."""
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

    @property
    def variables(self) -> dict[str, Any]:
        """Every variable as it would be."""
        merged = {**self.before, **self.changes}
        return {name: value for name, value in merged.items() if not isinstance(value, Removed)}

    def configuration(self) -> Configuration:
        """Return what the variables mean."""
        return configuration_of(self.contract, self.variables)

    def configuration_before(self) -> Configuration:
        """Return what the variables meant before this run."""
        return configuration_of(self.contract, dict(self.before))

    def is_secret(self, name: str) -> bool:
        """Return whether a variable belongs in the vault."""
        return variable_is_secret(self.contract, name)
