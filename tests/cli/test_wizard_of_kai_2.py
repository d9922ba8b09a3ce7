"""The wizard asks what the line of the source asks, and refuses host_vars of another line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kai_ansible.ansible.collection import lines
from kai_ansible.errors import ExitCode
from kai_ansible.rules.bootstrap_plan import decode
from kai_ansible.rules.principal_ids import profile_of_key
from tests.cli.desk import Desk


def become_kai_2(source: Path) -> None:
    """Give a source what Kai 2 is known by."""
    line = lines().named("2")
    assert line is not None
    for sign in line.has:
        path = source / sign.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (source / "src/kai/config.py").write_text('"KAI_ENABLED_ADAPTERS"\n', encoding="utf-8")


def become_kai_2_1(source: Path) -> None:
    """Give a source what Kai 2.1 is known by."""
    become_kai_2(source)
    line = lines().named("2")
    assert line is not None
    for sign in line.features.values():
        if sign.pattern is None:
            path = source / sign.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()


@pytest.fixture
def of_kai_2(desk: Desk) -> Desk:
    """A desk with a source of Kai 2 and nothing configured."""
    become_kai_2(desk.source)
    return desk


def test_answers_follow_the_line_of_the_source(of_kai_2: Desk) -> None:
    answers = of_kai_2.answers(DEFAULT_BACKEND="claude", WORKSHOP_LAN_HOST="192.168.1.5")
    of_kai_2.given(answers)
    settings = of_kai_2.settings()
    assert settings["kai_install_default_backend"] == "claude"
    assert settings["kai_install_default_model"] == "sonnet"
    assert "kai_install_webhook_secret" not in of_kai_2.secrets()


def test_a_user_without_an_os_user_is_refused(of_kai_2: Desk) -> None:
    answers = of_kai_2.answers(DEFAULT_BACKEND="claude")
    del answers["users"][0]["os_user"]
    path = of_kai_2.write("answers.yml", answers)
    command = ("config", "--no-input", "--no-probe", "--json", "--answers", str(path))
    done = of_kai_2.call(*command)
    assert done.returncode == 2, done.stdout + done.stderr
    wheres = [problem["where"] for problem in json.loads(done.stdout)["problems"]]
    assert wheres[0] == "kai_install_users[0].os_user"
    assert not of_kai_2.inventory.exists()


ALONE = {"KAI_ENABLED_ADAPTERS": "workshop", "DEFAULT_BACKEND": "claude"}
PLAN = "kai_install_kai_workshop_bootstrap"


def without_telegram(desk: Desk) -> dict[str, Any]:
    """Return answers for a bot whose user has no Telegram."""
    answers = desk.answers(**ALONE)
    del answers["settings"]["TELEGRAM_BOT_TOKEN"]
    del answers["users"][0]["telegram_id"]
    return answers


def test_a_workshop_without_telegram_gets_its_first_user_once(desk: Desk) -> None:
    become_kai_2_1(desk.source)
    answers = without_telegram(desk)
    desk.given(answers)
    [user] = desk.settings()["kai_install_users"]
    plan = decode(desk.secrets()[PLAN])
    assert (plan.display_name, plan.role) == (answers["users"][0]["name"], "admin")
    assert user["runtime_profile_id"] == plan.runtime_profile_id
    assert plan.runtime_profile_id == profile_of_key(plan.workshop_id, plan.provisioning_key)
    # Kai does not start with another plan than the first, whatever the user is called later
    done = desk.call("users", "edit", user["name"], "--set", "name=Adele", "--yes")
    assert done.returncode == 0, done.stderr
    again = desk.call("config", "--no-input", "--no-probe")
    assert again.returncode == 0, again.stderr
    assert decode(desk.secrets()[PLAN]) == plan


def test_before_2_1_a_user_needs_a_telegram_id(of_kai_2: Desk) -> None:
    path = of_kai_2.write("answers.yml", without_telegram(of_kai_2))
    command = ("config", "--no-input", "--no-probe", "--json", "--answers", str(path))
    done = of_kai_2.call(*command)
    assert done.returncode == 2, done.stdout + done.stderr
    [problem] = json.loads(done.stdout)["problems"]
    assert problem["where"] == "kai_install_users[0].telegram_id"


@pytest.mark.parametrize(
    ("become", "first"), [(become_kai_2_1, "OS user"), (become_kai_2, "Telegram ID")]
)
def test_the_wizard_asks_for_a_telegram_id_only_where_it_is_of_use(
    desk: Desk, become: Callable[[Path], None], first: str
) -> None:
    become(desk.source)
    wizard = desk.wizard("--no-probe", "--set", "KAI_ENABLED_ADAPTERS=workshop")
    assert wizard.next_prompt() == "source"
    wizard.child.sendline("kai")
    wizard.child.expect_exact("The first user, who manages the bot:")
    asked = ["OS user", "Telegram ID"]
    assert asked[wizard.child.expect_exact(asked)] == first
    assert wizard.abort() == ExitCode.INTERRUPTED


def test_host_vars_of_kai_1_are_migrated_first(desk: Desk) -> None:
    desk.given(desk.answers(AGENT_BACKEND="codex", CODEX_BIN="/usr/local/bin/codex"))
    become_kai_2(desk.source)
    (desk.source / "src/kai/oneshot_binary.py").unlink(missing_ok=True)
    before = desk.tree()
    done = desk.call("config", "--no-input", "--no-probe", "--json")
    [problem] = json.loads(done.stdout)["problems"]
    assert problem["fix"] == "kai-ansible migrate localhost --to 2"
    assert "kai_install_agent_backend" in problem["found"]
    assert desk.tree() == before
    assert desk.run("migrate", "localhost", "--to", "2", "--yes").returncode == 0
    again = desk.call("config", "--no-input", "--no-probe")
    assert again.returncode == 0, again.stderr
