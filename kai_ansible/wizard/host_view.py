"""What the wizard sees of the host that it asks about."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kai_ansible.files import write_private
from kai_ansible.inventory import LOCALHOST_INVENTORY, Inventory
from kai_ansible.invoker import may_become_root
from kai_ansible.rules.plan import probe_request
from kai_ansible.runner import Run, run_playbook

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kai_ansible.report import Screen
    from kai_ansible.rules.configuration import Configuration
    from kai_ansible.secrets import VaultPassword


class HostView:
    """Looks at a host through Ansible, as seldom as it can."""

    def __init__(
        self,
        contract: Mapping[str, Any],
        inventory: Inventory,
        host: str,
        password: VaultPassword | None,
        screen: Screen,
        *,
        enabled: bool = True,
    ) -> None:
        """Prepare to look; with ``enabled`` false every look sees nothing."""
        self.contract = contract
        self.inventory = inventory
        self.host = host
        self.password = password
        self.screen = screen
        self.enabled = enabled
        self.seen: dict[str, dict[str, Any] | None] = {}

    def look(self, configuration: Configuration) -> dict[str, Any] | None:
        """Return what kai_probe sees under a configuration, None when it cannot look.

        A host that cannot be looked at is told about once.
        """
        if not self.enabled:
            return None
        request = probe_request(self.contract, configuration)
        key = json.dumps(request, sort_keys=True)
        if key not in self.seen:
            with self.screen.waiting(f"Looking at {self.host}"):
                self.seen[key] = self._look(request)
        return self.seen[key]

    @property
    def latest(self) -> dict[str, Any] | None:
        """What the last look saw, None when there was none."""
        return next((seen for seen in reversed(self.seen.values()) if seen), None)

    def fault_of(self, configuration: Configuration, backend: str, path: str) -> str | None:
        """Return why the accounts of a backend cannot execute a path, None when they can.

        None also when the host cannot be looked at. Looks again only for a path not seen yet.
        """
        for seen in [*self.seen.values(), None]:
            looked = seen or self.look(configuration)
            for candidate in looked["binaries"].get(backend, []) if looked else ():
                if candidate["path"] == path:
                    fault: str | None = candidate["fault"]
                    return fault
        return None

    def _look(self, request: Mapping[str, Any]) -> dict[str, Any] | None:
        with tempfile.TemporaryDirectory(prefix="kai-ansible-") as scratch:
            path = self.inventory.path
            if self.inventory.is_new:
                path = Path(scratch) / "hosts.yml"
                write_private({path: LOCALHOST_INVENTORY})
            outcome = run_playbook(
                Run(
                    "probe",
                    path,
                    [self.host],
                    variables={"kai_probe_request": dict(request), "kai_become": may_become_root()},
                    vault_password=self.password if not self.inventory.is_new else None,
                ),
                lambda event: None,
            )
        if outcome.succeeded:
            return dict(outcome.reports[self.host])
        self.enabled = False
        reason = outcome.failures[0].message.splitlines()[0] if outcome.failures else "interrupted"
        self.screen.notes([f"{self.host} could not be looked at, so nothing was checked: {reason}"])
        return None
