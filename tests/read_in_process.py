"""What Ansible's own classes read of an inventory, in this very process: a judge that is quick."""

from pathlib import Path
from typing import Any

from kai_ansible.ansible.api import PREFIX, plain
from kai_ansible.secrets.vault_password import VaultPassword


def variables(inventory: Path, host: str, password: VaultPassword | None) -> dict[str, Any]:
    """Return the variables of a host that the role would see."""
    from ansible.inventory.manager import InventoryManager
    from ansible.parsing.dataloader import DataLoader
    from ansible.parsing.vault import VaultSecret
    from ansible.template import Templar
    from ansible.vars.manager import VariableManager

    loader = DataLoader()
    if password:
        loader.set_vault_secrets([(name, VaultSecret(text)) for name, text in password.secrets])
    manager = InventoryManager(loader=loader, sources=[str(inventory)])
    found = VariableManager(loader=loader, inventory=manager).get_vars(host=manager.get_host(host))
    templar = Templar(loader=loader, variables=found)
    return {
        name: plain(templar.template(value))
        for name, value in found.items()
        if name.startswith(PREFIX)
    }
