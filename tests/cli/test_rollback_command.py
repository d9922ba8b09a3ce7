"""What rollback and status say before they reach a host. tests/machine does the rest."""

import json
from pathlib import Path

import pexpect
import pytest

from tests.cli.desk import Desk, exit_code

pytestmark = pytest.mark.later("tests/machine/test_rollback.py rolls a host back", apart=True)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A desk whose only host nobody can reach, with a configuration that is not valid."""
    desk = Desk(tmp_path / "desk")
    entry = {"ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_host_key_checking": False}
    desk.write("inventory/hosts.yml", {"all": {"hosts": {"bot": entry}}})
    desk.write("inventory/host_vars/bot/kai.yml", {"kai_install_webhook_port": "none"})
    return desk


def test_a_rollback_is_not_begun_without_a_word(desk: Desk) -> None:
    done = desk.run("rollback")
    assert done.returncode == 2
    assert "add --yes" in done.stderr


def test_a_rollback_does_not_ask_before_it_knows_what_it_would_go_back_to(desk: Desk) -> None:
    child = desk.spawn("rollback", "--to", "3", "--with-database")
    assert child.expect(["Roll bot back", pexpect.EOF]) == 1
    assert exit_code(child) == 1


@pytest.mark.parametrize("command", [["rollback", "--yes"], ["status"]])
def test_a_host_that_cannot_be_reached_is_reported_and_nothing_else_stops_it(
    desk: Desk, command: list[str]
) -> None:
    done = desk.run(*command, "--json")
    assert done.returncode == 1
    [failure] = json.loads(done.stdout)["failures"]
    assert failure["host"] == "bot"
    assert failure["fix"] == "check that bot is up and its ssh port is right"
