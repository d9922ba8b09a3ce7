"""The wizard asks what the line of the source asks, and refuses host_vars of another line."""

import json
from pathlib import Path

import pytest

from kai_ansible.ansible.collection import lines
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
    done = of_kai_2.run(*command)
    assert done.returncode == 2, done.stdout + done.stderr
    wheres = [problem["where"] for problem in json.loads(done.stdout)["problems"]]
    assert wheres[0] == "kai_install_users[0].os_user"
    assert not of_kai_2.inventory.exists()


def test_host_vars_of_kai_1_are_migrated_first(desk: Desk) -> None:
    desk.given(desk.answers(AGENT_BACKEND="codex", CODEX_BIN="/usr/local/bin/codex"))
    become_kai_2(desk.source)
    (desk.source / "src/kai/oneshot_binary.py").unlink(missing_ok=True)
    before = desk.tree()
    done = desk.run("config", "--no-input", "--no-probe", "--json")
    [problem] = json.loads(done.stdout)["problems"]
    assert problem["fix"] == "kai-ansible migrate localhost --to 2"
    assert "kai_install_agent_backend" in problem["found"]
    assert desk.tree() == before
    assert desk.run("migrate", "localhost", "--to", "2", "--yes").returncode == 0
    again = desk.run("config", "--no-input", "--no-probe")
    assert again.returncode == 0, again.stderr
