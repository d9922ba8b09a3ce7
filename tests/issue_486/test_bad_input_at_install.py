"""Faults that only the host shows are refused before any change."""

import pytest

from tests.cli.desk import Desk
from tests.issue_486.conftest import FirstInstall
from tests.issue_486.hosts import Bot, Checkout


def test_everything_that_the_host_reports_to_be_wrong_is_listed_together(
    desk: Desk, bot: Bot
) -> None:
    content = desk.answers(AGENT_BACKEND="codex", CODEX_BIN="/opt/agents/none")
    content["users"][0] |= {"os_user": "grace", "home_workspace": "/srv/none"}
    content["users"].append({"telegram_id": 2, "name": "Bob", "os_user": "bob"})
    desk.given(content)
    files, before = desk.tree(), bot.snapshot()
    done = desk.run("install")
    assert done.returncode == 2
    for words in (
        *("1. ", "kai_install_users: os_user", "'grace', which is no account on the host"),
        "useradd --create-home grace",
        *("2. ", "kai_install_codex_bin", "/opt/agents/none", "does not exist"),
        *("3. ", "/srv/none", "mkdir -p /srv/none"),
        "Nothing was changed.",
    ):
        assert words in done.stderr
    assert bot.snapshot() == before
    assert desk.tree() == files


@pytest.mark.later("one of many places; tests/unit/test_trusted_paths.py judges the rule")
def test_a_source_on_the_host_that_an_agent_can_change_is_not_built(
    checkout: Checkout, first_install: FirstInstall
) -> None:
    """The operator owns the checkout, and alice, as whom an agent runs, has no part in it."""
    assert first_install.env
    machine, place = checkout.machine, f"{checkout.directory}/tests/fixtures/kai/src/kai/agents.py"
    machine.run(["chown", "alice", place])
    try:
        done = checkout.make("install", sudo=True)
    finally:
        machine.run(["chown", "operator", place])
    assert done.returncode != 0
    told = " ".join((done.stdout + done.stderr).split())
    assert f"which can be changed by alice (through {place})" in told
    assert checkout.make("install", sudo=True).returncode == 0
