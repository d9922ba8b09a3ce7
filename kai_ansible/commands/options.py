"""The options that commands share, as the command line hands them over."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from kai_ansible.errors import usage_error
from kai_ansible.inventory.default_inventory import default_inventory
from kai_ansible.operator import at_terminal


def require_name(host: str | None) -> None:
    """Raise CommandError for a host without a name, which to Ansible would be every host."""
    if host is not None and re.fullmatch(r"[\s,:]*", host):
        raise usage_error(
            "HOST",
            repr(host),
            "a host or a pattern",
            "name one, or all; without the argument it is the only host of the inventory",
        )


@dataclass(frozen=True)
class HostOptions:
    """Which hosts, and how to open their secrets.

    host: a host or a pattern, None for the only host of the inventory.
    given_inventory: the inventory that the operator names, if they do.
    plain: neither colors and frames nor arrow keys.
    """

    host: str | None = None
    given_inventory: Path | None = None
    ask_become_pass: bool = False
    vault_password_file: Path | None = None
    vault_ids: tuple[str, ...] = ()
    plain: bool = False

    def __post_init__(self) -> None:
        """Raise CommandError for a host without a name."""
        require_name(self.host)

    @property
    def inventory(self) -> Path:
        """The inventory of this command. Raises as ``default_inventory`` does."""
        return self.given_inventory or default_inventory()

    def words(self, host: str) -> list[str]:
        """Return the words that name a host and open its secrets, for a command to paste.

        The only host of an inventory has no name where the operator gave none.
        """
        found = [] if self.host is None else [host]
        if self.given_inventory:
            found += ["--inventory", str(self.given_inventory)]
        if self.vault_password_file:
            found += ["--vault-password-file", str(self.vault_password_file)]
        for name in self.vault_ids:
            found += ["--vault-id", name]
        return found


@dataclass(frozen=True)
class RunOptions(HostOptions):
    """Options of a command that runs the role.

    check: change nothing. forks: how many hosts at a time, None for Ansible's own default.
    """

    check: bool = False
    forks: int | None = None


@dataclass(frozen=True)
class ChangeOptions(RunOptions):
    """Options of a command that changes hosts.

    yes: do not ask for confirmation. diff: print every changed file, key by key.
    batches: batch sizes, as ``read_sizes`` takes them.
    """

    yes: bool = False
    diff: bool = False
    batches: str | None = None


@dataclass(frozen=True)
class UsersOptions(HostOptions):
    """Options of a command below ``users``.

    no_input: ask nothing. yes: go on although no admin is left.
    """

    no_input: bool = False
    yes: bool = False

    @property
    def may_ask(self) -> bool:
        """Whether the command may ask questions."""
        return not self.no_input and at_terminal()
