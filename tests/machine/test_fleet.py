"""Several hosts, reached over ssh as an account that is not root: one goes before the others."""

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.desk import TOKEN, Desk
from tests.conftest import STAND_IN
from tests.issue_486.hosts import Bot
from tests.machine.site import Done
from tests.testbed import machines
from tests.testbed.machines import Machine

pytestmark = pytest.mark.later("four hosts for what tests/unit/test_batches.py judges")

# by the bot, by whoever logs in, and by the system
WRITTEN_ALL_THE_TIME = ("/var/lib/kai/", "/home/operator", "/var/lib/systemd/")
NAMES = ("one", "two", "three", "four")


class Fleet:
    """A desk with an inventory of machines and of one host that is down."""

    def __init__(self, started: dict[str, Machine], directory: Path) -> None:
        self.machines = started
        self.desk = Desk(directory / "desk", STAND_IN)
        hosts = {name: machine.inventory_entry("operator") for name, machine in started.items()}
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            port = nobody.getsockname()[1]
        hosts["down"] = {**hosts["one"], "ansible_port": port, "ansible_host_key_checking": False}
        self.desk.write("inventory/hosts.yml", {"all": {"hosts": hosts}})
        users = [{"telegram_id": 1, "name": "Ada", "role": "admin", "os_user": "alice"}]
        self.settings = {
            "kai_install_source": str(STAND_IN),
            "kai_install_agent_backend": "codex",
            "kai_install_users": users,
            "kai_install_telegram_bot_token": TOKEN,
            "kai_install_webhook_secret": "0" * 64,
            "kai_install_health_timeout": 10,
        }
        self.set()

    def set(self, **settings: Any) -> None:
        """Change what all hosts have in common."""
        self.settings.update(settings)
        self.desk.write("inventory/group_vars/all.yml", self.settings)

    def install(self, *arguments: str) -> Done:
        return Done(self.desk.run("install", *arguments, "--json"))

    def share_release(self, directory: Path) -> None:
        """Give every host the release of the first, which is quicker than to build it there."""
        archive = directory / "releases.tar"
        first, *others = self.machines.values()
        first.run(["tar", "-C", "/", "-cf", "/root/releases.tar", "opt/kai/releases"])
        first.pull("/root/releases.tar", archive)
        for machine in others:
            machine.push(archive, "/root")
            machine.run(["tar", "-C", "/", "-xf", "/root/releases.tar"])

    def snapshots(self, *names: str) -> dict[str, str]:
        return {name: self._snapshot(self.machines[name]) for name in names}

    def _snapshot(self, machine: Machine) -> str:
        lines = Bot(machine).snapshot().splitlines()
        return "\n".join(line for line in lines if not line.startswith(WRITTEN_ALL_THE_TIME))

    def seconds(self) -> dict[str, str]:
        """Return the timeout with which the bot of each host runs."""
        bots = {name: Bot(machine).health() for name, machine in self.machines.items()}
        return {name: bot["settings"]["AGENT_TIMEOUT_SECONDS"] for name, bot in bots.items()}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with contextlib.ExitStack() as stack:
        started = {
            name: stack.enter_context(machines.running(f"fleet-{name}-{os.getpid()}"))
            for name in NAMES
        }
        fleet = Fleet(started, tmp_path_factory.mktemp("fleet"))
        fleet.set(kai_install_agent_timeout_seconds=100)
        done = fleet.install("one")
        assert done.code == 0, done.text
        fleet.share_release(tmp_path_factory.mktemp("release"))
        done = fleet.install("two,three,four", "--batches", "100%")
        assert done.code == 0, done.text
        yield fleet


def test_a_fault_stays_on_the_host_that_met_it_first(fleet: Fleet) -> None:
    fleet.set(kai_install_agent_timeout_seconds=200)
    fault = {"kai_install_extra_env": {"KAI_STANDIN_HEALTH_STATUS": "500"}}
    fleet.desk.write("inventory/host_vars/two/fault.yml", fault)
    untouched = fleet.snapshots("three", "four")
    done = fleet.install("all")
    assert done.code == 1, done.text
    assert "Order of the hosts: one; then two; then three, four." in done.text
    assert list(done.document["hosts"]) == ["one"]
    assert done.document["not_tried"] == ["three", "four"]
    failures = {failure["host"]: failure for failure in done.document["failures"]}
    assert "Connection refused" in failures["down"]["message"]
    assert "/health answers 500" in failures["two"]["message"]
    assert "Not tried, because an earlier batch failed: three, four" in done.text
    # the bots of those that had no turn are the same processes, the others answer
    assert fleet.snapshots("three", "four") == untouched
    assert fleet.seconds() == {"one": "200", "two": "100", "three": "100", "four": "100"}
