"""A real Kai 2 on a machine: one run, and every user of the Workshop is answered by their agent."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kai_ansible.rules.principal_ids import principal_of_telegram
from tests.machine.site_2 import ADA, BEN, Site2
from tests.real.lab import prepare
from tests.testbed import machines

_WORKSHOP = """
import sqlite3
print(sqlite3.connect("file:/var/lib/kai/kai.db?mode=ro", uri=True)
      .execute("SELECT id FROM workshops").fetchone()[0])
"""
SECONDS = 180


@pytest.fixture(scope="module")
def site(kai_2: Path) -> Iterator[Site2]:
    """The real Kai for the Workshop alone, which needs no Telegram; Ben runs claude."""
    with (
        machines.running(f"real-2-{os.getpid()}") as machine,
        # ssh's socket below this home has to have a short path
        tempfile.TemporaryDirectory(prefix="desk-") as directory,
    ):
        prepare(machine)
        found = Site2(machine, Path(directory), kai_2)
        found.set(
            kai_install_kai_enabled_adapters="workshop",
            kai_install_telegram_bot_token=None,
            kai_install_users=[ADA, {**BEN, "backend": "claude"}],
            **{f"kai_install_{name}_bin": f"/usr/local/bin/{name}" for name in ("codex", "claude")},
        )
        yield found


# these tests build on each other and run in this order


def test_one_run_is_enough(site: Site2) -> None:
    report = site.install()
    for agent, account in (("codex", "alice"), ("claude", "bob")):
        assert f"the bot starts {agent} as {account}, and ends it" in report["verified"]
    assert site.machine.run(["systemctl", "is-enabled", "kai"]).stdout == "enabled\n"


@pytest.mark.parametrize("user", [ADA, BEN])
def test_a_user_of_the_workshop_is_answered(site: Site2, user: dict[str, object]) -> None:
    number, account = int(str(user["telegram_id"])), str(user["os_user"])
    assert site.turn(number, "!env", SECONDS)["status"] == "completed"
    person = principal_of_telegram(site.python(_WORKSHOP).strip(), number)
    started = site.machine.run(["cat", f"/var/tmp/agents/{account}.jsonl"]).stdout
    assert started
    for name in ("home", "memory", "preferences"):
        path = f"/var/lib/kai/{name}/{person}"
        assert site.machine.run(["stat", "-c", "%U %a", path]).stdout == f"{account} 700\n"


def test_a_run_after_turns_changes_nothing(site: Site2) -> None:
    before = site.state(), site.data()
    site.install()
    assert (site.state(), site.data()) == before
    assert site.run("status").report["drift"] == []
