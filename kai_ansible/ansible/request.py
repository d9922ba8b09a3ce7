"""The request for a run of a playbook."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic

from kai_ansible.ansible.playbooks import Playbook, Report
from kai_ansible.ansible.reading import Session

if TYPE_CHECKING:
    from kai_ansible.secrets.vault_password import VaultPassword


@dataclass(frozen=True)
class Run(Generic[Report]):
    """The playbook of a run, its hosts and its options.

    hosts: names in the inventory, in the order in
    which they are taken; empty means all. forks: on how many at a time, None for Ansible's own.
    variables: extra variables, which must not hold secrets.
    become_password: for sudo on the hosts, None if none is required. become_passwords: those of
    single hosts, which take precedence.
    session: the operator's passwords and settings, such as passwords that were typed already.
    ssh_commands: the commands that log in, by host, for error messages.
    known_secrets: those of the hosts' variables.
    unread: why Ansible could not read a host, by host; a run hides that with the secrets.
    """

    playbook: Playbook[Report]
    inventory: Path
    hosts: Sequence[str] = ()
    check: bool = False
    variables: Mapping[str, Any] = field(default_factory=dict)
    vault_password: VaultPassword | None = None
    session: Session = field(default_factory=Session)
    become_password: str | None = field(default=None, repr=False)
    become_passwords: Mapping[str, str] = field(default_factory=dict, repr=False)
    known_secrets: Collection[str] = field(default=(), repr=False)
    forks: int | None = None
    ssh_commands: Mapping[str, Sequence[str]] = field(default_factory=dict)
    unread: Mapping[str, str] = field(default_factory=dict)

    @property
    def secrets(self) -> set[str]:
        """Every text that the log of the run and its failures must not contain."""
        locks = self.vault_password.secrets if self.vault_password else []
        vault = {secret.decode(errors="replace") for _, secret in locks}
        typed = {self.become_password or "", self.session.typed_connection_password or ""}
        return {*self.known_secrets, *vault, *typed, *self.become_passwords.values()} - {""}
