"""A real Kai 2.0 on a machine: one run, and a user of Telegram is answered by their agent."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machine.site import TOKEN
from tests.machine.site_2 import ADA, BEN, Site2
from tests.real.lab import ANOTHER_TOKEN, CA, answer_of_telegram, prepare
from tests.testbed import machines

SECONDS = 180
AGENTS = {"alice": "codex", "bob": "claude"}


@pytest.fixture(scope="module")
def site(tree_of_2_0: Path) -> Iterator[Site2]:
    """The real Kai with the Telegram of the lab; Ben runs claude."""
    with (
        machines.running(f"real-2-0-{os.getpid()}") as machine,
        # ssh's socket below this home has to have a short path
        tempfile.TemporaryDirectory(prefix="desk-") as directory,
    ):
        prepare(machine)
        found = Site2(machine, Path(directory), tree_of_2_0)
        found.set(
            kai_install_telegram_bot_token=TOKEN,
            kai_install_users=[ADA, {**BEN, "backend": "claude"}],
            kai_install_extra_env={"SSL_CERT_FILE": CA},
            **{f"kai_install_{name}_bin": f"/usr/local/bin/{name}" for name in AGENTS.values()},
        )
        yield found


# these tests build on each other and run in this order


def test_one_run_is_enough(site: Site2) -> None:
    report = site.install()
    for account, agent in AGENTS.items():
        assert f"the bot starts {agent} as {account}, and ends it" in report["verified"]
    assert site.machine.run(["systemctl", "is-enabled", "kai"]).stdout == "enabled\n"


@pytest.mark.parametrize("user", [ADA, BEN])
def test_a_user_of_telegram_is_answered(site: Site2, user: dict[str, object]) -> None:
    number, account = int(str(user["telegram_id"])), str(user["os_user"])
    who = rf"\[{AGENTS[account]} as {account}\] echo"
    said = answer_of_telegram(site.machine, number, "good morning", who, SECONDS)
    assert "good morning" in said


def test_a_run_after_turns_changes_nothing(site: Site2) -> None:
    before = site.state(), site.data()
    site.install()
    assert (site.state(), site.data()) == before
    assert site.run("status").report["drift"] == []


def test_a_token_that_telegram_refuses_is_told_without_waiting(site: Site2) -> None:
    site.set(kai_install_telegram_bot_token=ANOTHER_TOKEN, kai_install_health_timeout=3600)
    done = site.run("install")
    site.set(kai_install_telegram_bot_token=TOKEN, kai_install_health_timeout=SECONDS)
    assert done.code == 1
    assert "by its log, waiting does not help" in done.failure
    assert "Telegram does not know the token" in done.failure
    assert site.run("status").report["problems"] == []
