"""What Ansible's own classes read of an inventory, in this very process: a judge that is quick."""

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from kai_ansible.ansible.api import host_reading, plain
from kai_ansible.ansible.reading import HostReading, Reading, Session
from kai_ansible.rules.variable_names import PREFIX
from kai_ansible.secrets.vault_password import VaultPassword

if TYPE_CHECKING:
    from ansible.inventory.manager import InventoryManager
    from ansible.parsing.dataloader import DataLoader


@cache
def prepare() -> None:
    """Load what a reading loads, so that no fork of this process has to."""
    _variables(*_opened("localhost,", []), "localhost")


def variables(inventory: Path, host: str, password: VaultPassword | None) -> dict[str, Any]:
    """Return the variables of a host that the role would see."""
    from ansible.template import Templar

    loader, manager = _opened(inventory, password.secrets if password else [])
    found = _variables(loader, manager, host)
    templar = Templar(loader=loader, variables=found)
    return {
        name: plain(templar.template(value))
        for name, value in found.items()
        if name.startswith(PREFIX)
    }


def reading(
    inventory: Path, pattern: str | None, arguments: Sequence[str] = (), **_asks: bool
) -> Reading:
    """Stand in for ``kai_ansible.ansible.reading.read``, for hosts that are this machine.

    arguments: vault ids with a file each, and no others.
    """
    from ansible.template import Templar

    assert set(arguments[::2]) <= {"--vault-id"}, arguments
    ids = (word.partition("@") for word in arguments[1::2])
    loader, manager = _opened(
        inventory, [(label, Path(path).read_bytes()) for label, _, path in ids]
    )
    names = [host.name for host in manager.list_hosts(pattern or "all")]
    found = {}
    for name in names:
        known = {
            **_variables(loader, manager, name),
            "ansible_play_hosts_all": names,
            "hostvars": SimpleNamespace(_inventory=manager),
        }
        # as much of a task as the reading of its host needs; its connection has no such option
        connection = SimpleNamespace(
            transport="local",
            become=SimpleNamespace(name="sudo", get_option={"become_pass": None}.__getitem__),
            get_option={}.__getitem__,
            get_option_and_origin={}.__getitem__,
        )
        task = SimpleNamespace(
            _connection=connection,
            _loader=loader,
            _play_context=SimpleNamespace(password="", become_pass=""),
            _templar=Templar(loader=loader, variables=known),
        )
        found[name] = host_reading(task, known)
    parts = HostReading.__dataclass_fields__.keys() - {"failure"}
    return Reading(
        {name: HostReading(**{part: one[part] for part in parts}) for name, one in found.items()},
        Session(**{part: found[names[0]][part] for part in Session.__dataclass_fields__}),
    )


def _opened(
    inventory: Path | str, secrets: Iterable[tuple[str, bytes]]
) -> tuple["DataLoader", "InventoryManager"]:
    from ansible.inventory.manager import InventoryManager
    from ansible.parsing.dataloader import DataLoader
    from ansible.parsing.vault import VaultSecret

    loader = DataLoader()
    loader.set_vault_secrets([(name, VaultSecret(text)) for name, text in secrets])
    return loader, InventoryManager(loader=loader, sources=[str(inventory)])


def _variables(loader: "DataLoader", manager: "InventoryManager", host: str) -> dict[str, Any]:
    from ansible.vars.manager import VariableManager

    every = VariableManager(loader=loader, inventory=manager)
    return dict(every.get_vars(host=manager.get_host(host)))
