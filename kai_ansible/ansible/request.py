"""The request for a run of a playbook."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic

from kai_ansible.ansible.playbooks import Playbook, Report
from kai_ansible.ansible.reading import Reading
from kai_ansible.secrets.vault_password import VaultPassword


@dataclass(frozen=True)
class Run(Generic[Report]):
    """The playbook of a run, its hosts and its options.

    hosts: names in the inventory, in the order in
    which they are taken; empty means all. forks: on how many at a time, None for Ansible's own.
    variables: extra variables, which must not hold secrets.
    become_password: for sudo on the hosts, None if none is required. become_passwords: those of
    single hosts, which take precedence.
    reading: what Ansible knows of the hosts and has from the operator, such as typed passwords.
    known_secrets: those of the hosts' variables.
    """

    playbook: Playbook[Report]
    inventory: Path
    hosts: Sequence[str] = ()
    check: bool = False
    variables: Mapping[str, Any] = field(default_factory=dict)
    vault_password: VaultPassword | None = None
    reading: Reading = field(default_factory=Reading, repr=False)
    become_password: str | None = field(default=None, repr=False)
    become_passwords: Mapping[str, str] = field(default_factory=dict, repr=False)
    known_secrets: Collection[str] = field(default=(), repr=False)
    forks: int | None = None

    @property
    def secrets(self) -> set[str]:
        """Every text that the log of the run and its failures must not contain."""
        locks = self.vault_password.secrets if self.vault_password else []
        vault = {secret.decode(errors="replace") for _, secret in locks}
        typed = {self.become_password or "", self.reading.session.typed_connection_password or ""}
        return {*self.known_secrets, *vault, *typed, *self.become_passwords.values()} - {""}
