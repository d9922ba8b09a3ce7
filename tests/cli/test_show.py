"""What show prints for a bug report, of a host that is there and of one that is not."""

import json
from pathlib import Path

import jsonschema
import pytest

from kai_ansible.ansible.collection import contract
from kai_ansible.commands.show import lines_of, split_variables
from tests.cli.desk import TOKEN, Desk
from tests.conftest import ROOT

pytestmark = pytest.mark.later("a report of what test_status_report.py reads as well", apart=True)

# a test names a host that is not there
WARNED_OF = ("Could not match supplied host pattern",)

SCHEMA = json.loads((ROOT / "docs" / "show.schema.json").read_text(encoding="utf-8"))
PRIVATE = [TOKEN, "Ada", "424242", "alice", "-100777", "pw-of-the-source"]


@pytest.fixture
def away(desk: Desk) -> Desk:
    """A desk whose only host cannot be reached, and whose host_vars hold what nobody may see."""
    desk.given(desk.answers())
    path = desk.host_vars() / "kai.yml"
    text = path.read_text(encoding="utf-8").replace("telegram_id: 1\n", "telegram_id: 424242\n")
    text += "kai_install_github_notify_chat_id: -100777\n"
    text += "kai_install_extra_env: {OF_MY_OWN: planted}\n"
    text += "kai_install_codex_bin: /home/alice/.local/bin/codex\n"
    text += "kai_install_constraints: https://me:pw-of-the-source@example.org/constraints.txt\n"
    path.write_text(text, encoding="utf-8")
    entry = {"ansible_connection": "ssh", "ansible_port": 1, "ansible_host_key_checking": False}
    desk.write("inventory/hosts.yml", {"all": {"hosts": {"localhost": entry}}})
    return desk


def test_a_host_that_is_down_is_shown_from_its_host_vars(away: Desk) -> None:
    done = away.run("show", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    jsonschema.validate(document, SCHEMA)
    described = document["hosts"]["localhost"]
    assert described["seen"] is None
    assert described["failure"]
    assert described["users"] == [{"role": "admin", "backend": "claude", "number": 1}]
    assert described["hidden"]["kai_install_telegram_bot_token"] is True
    assert described["hidden"]["kai_install_openai_api_key"] is False
    assert described["hidden"]["kai_install_extra_env.OF_MY_OWN"] is True
    assert described["variables"]["kai_install_codex_bin"] == "/home/account-1/.local/bin/codex"
    for private in PRIVATE:
        assert private not in done.stdout
    assert "planted" not in done.stdout
    block = lines_of(document)
    assert f"  could not be probed: {described['failure']}" in block
    assert "  kai_install_telegram_bot_token is set" in block
    assert "  users: 1 admin on claude" in block


def test_the_log_that_is_named_is_the_one_before_the_look(away: Desk) -> None:
    first = json.loads(away.run("show", "--json").stdout)
    assert first["log"] is None
    second = json.loads(away.run("show", "--json").stdout)
    assert second["log"].startswith("~/.local/state/kai-ansible/runs/")
    assert Path(second["log"]).name == away.logs[0].name


def test_host_vars_that_cannot_be_read_are_no_reason_to_say_nothing(away: Desk) -> None:
    (away.host_vars() / "kai.yml").write_text("{", encoding="utf-8")
    done = away.run("show")
    assert done.returncode == 0, done.stderr
    unreadable = "the inventory cannot be read: inventory/host_vars/localhost/kai.yml: "
    assert unreadable in done.stdout
    assert "kai-ansible " in done.stdout


def test_a_host_that_the_inventory_lacks_is_refused(away: Desk) -> None:
    done = away.run("show", "elsewhere")
    assert done.returncode == 2
    assert "no host 'elsewhere'" in done.stderr


def test_what_is_no_variable_of_the_contract_is_reported_by_its_name() -> None:
    given = {"kai_install_mistyped": "s3cret", "kai_install_secret_extra_env": {"KEY": "s3cret"}}
    shown, hidden = split_variables(contract(), given)
    assert shown == {}
    assert hidden["kai_install_mistyped"]
    assert hidden["kai_install_secret_extra_env.KEY"]
