"""Variables of groups: the value that wins, the place of a fault, the writes of config."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kai_ansible.inventory.inventory import Inventory
from kai_ansible.rules.contract import Contract, Value
from kai_ansible.rules.variable_names import variable
from tests.cli.desk import TOKEN, Desk

# from the weakest on, as Ansible has it
PLACES = [
    "group_vars/all.yml",
    "group_vars/bots.yaml",
    "group_vars/eu/kai.yml",
    "host_vars/bot/kai.yml",
]


def values(spec: Value) -> Iterator[Any]:
    """Yield values of the kind of a setting, each another one."""
    for number in range(len(PLACES)):
        kind = spec.type
        if kind == "bool":
            yield bool(number % 2)
        elif kind in ("int", "float"):
            yield number + 1
        elif kind.startswith(("list", "map")):
            yield [str(number)] if kind.startswith("list") else {"key": number}
        else:
            yield f"value {number}"


@pytest.fixture
def fleet(desk: Desk) -> Desk:
    """A desk with one host, in a group of a group."""
    eu = {"hosts": {"bot": {"ansible_connection": "local"}}}
    inventory = {"all": {"children": {"bots": {"children": {"eu": eu}}, "us": {"hosts": {}}}}}
    desk.write("inventory/hosts.yml", inventory)
    # of a group that the host is not in, and that nobody can open here
    desk.write("inventory/group_vars/us/vault.yml", "$ANSIBLE_VAULT;1.1;AES256\n00\n")
    return desk


def test_every_setting_follows_the_precedence_of_groups_and_hosts(
    fleet: Desk, contract: Contract
) -> None:
    settings = {variable(key): spec for key, spec in {**contract.host, **contract.settings}.items()}
    given = {name: list(values(spec)) for name, spec in settings.items()}
    for count in range(1, len(PLACES) + 1):
        # Ansible remembers what it found in a directory
        directory = fleet.inventory.with_name(f"inventory-{count}")
        shutil.copytree(fleet.inventory, directory)
        for number, place in enumerate(PLACES[:count]):
            said = {name: found[number] for name, found in given.items()}
            fleet.write(f"{directory.name}/{place}", said)
        inventory = Inventory(directory)
        inventory.read(None, None, [], may_ask=False)
        assert inventory.variables("bot") == said
        assert inventory.places("bot") == dict.fromkeys(said, directory / place)


def test_a_fault_is_reported_with_the_file_that_holds_it(fleet: Desk) -> None:
    users = [{"telegram_id": 1, "name": "Ada", "role": "admin", "os_user": "alice"}]
    common = {"kai_install_source": str(fleet.source), "kai_install_users": users}
    fleet.write("inventory/group_vars/bots.yml", {**common, "kai_install_webhook_port": "none"})
    fleet.write("inventory/host_vars/bot/kai.yml", {"kai_install_telegram_bot_token": TOKEN})
    done = fleet.run("install")
    assert done.returncode == 2
    place = Path("inventory/group_vars/bots.yml")
    assert f"{place}: kai_install_webhook_port\n" in done.stderr
    # given for this run alone, it is not what a file says
    done = fleet.run("install", "--set", "WEBHOOK_PORT=0")
    assert "--set: kai_install_webhook_port\n" in done.stderr
