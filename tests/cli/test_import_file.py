"""config --import with an install.conf of Kai's own installer, at an operator's desk."""

import json
import re
import socket
from typing import Any

import pytest

from tests.cli.desk import REVIEW, TOKEN, Desk

pytestmark = pytest.mark.later("tests/unit/test_importing.py judges what is read", apart=True)

SECRET = "planted-webhook-secret-of-ada"
KEY = "planted-key-of-a-service"


def write_conf(desk: Desk, **env: Any) -> str:
    """Write an install.conf as Kai's own wizard does, and return its name."""
    whole = {
        "version": 1,
        "install_dir": "/srv/kai",
        "data_dir": "/srv/kai-data",
        "service_user": "kaibot",
        "platform": "linux",
        "env": {"TELEGRAM_BOT_TOKEN": TOKEN, "WEBHOOK_SECRET": SECRET, **env},
    }
    desk.write("install.conf", json.dumps(whole, indent=2) + "\n")
    return "install.conf"


def imported(desk: Desk, name: str, *arguments: str) -> Any:
    """Import a file without a terminal; what the file does not say comes from an answers file."""
    answers = desk.answers()
    answers.pop("settings")
    desk.write("answers.yml", answers)
    return desk.run(
        *("config", "--no-probe", "--no-input", "--import", name, "--answers", "answers.yml"),
        *arguments,
    )


def test_everything_arrives_and_is_reported(desk: Desk) -> None:
    name = write_conf(
        desk,
        CLAUDE_MODEL="opus",
        CLAUDE_TIMEOUT_SECONDS="300",
        MEMORY_REASONER_BACKEND="codex",
        HAND_ADDED="of tomorrow",
        KAGI_API_KEY=KEY,
        WORKSPACE_BASE="/srv/work",
    )
    done = imported(desk, name, "--set", "WEBHOOK_PORT=8181")
    assert done.returncode == 0, done.stderr
    settings = desk.settings()
    assert (settings["kai_install_install_dir"], settings["kai_install_data_dir"]) == (
        "/srv/kai",
        "/srv/kai-data",
    )
    assert settings["kai_install_service_user"] == "kaibot"
    assert settings["kai_install_default_model"] == "opus"
    assert settings["kai_install_agent_timeout_seconds"] == 300
    assert settings["kai_install_workspace_base"] == "/srv/work"
    assert settings["kai_install_webhook_port"] == 8181
    assert settings["kai_install_extra_env"] == {"HAND_ADDED": "of tomorrow"}
    assert desk.secrets() == {
        "kai_install_telegram_bot_token": TOKEN,
        "kai_install_webhook_secret": SECRET,
        "kai_install_secret_extra_env": {"KAGI_API_KEY": KEY},
    }
    for told in (
        "CLAUDE_MODEL is now DEFAULT_MODEL",
        "CLAUDE_TIMEOUT_SECONDS is now AGENT_TIMEOUT_SECONDS",
        "MEMORY_REASONER_BACKEND is left out: the reasoner follows each user's backend",
        "Kai 1.x does not know HAND_ADDED; it is carried over",
        "Kai 1.x does not know KAGI_API_KEY; it is carried over",
    ):
        assert told in done.stdout
    for secret in (TOKEN, SECRET, KEY):
        assert secret not in done.stdout + done.stderr

    before = desk.tree()
    assert imported(desk, name, "--set", "WEBHOOK_PORT=8181").returncode == 0
    assert desk.tree() == before


def test_what_is_imported_is_not_asked(desk: Desk) -> None:
    name = write_conf(desk, AGENT_BACKEND="codex", DEFAULT_MODEL="gpt-5.5", WEBHOOK_PORT="8181")
    wizard = desk.wizard("--no-probe", "--import", name)
    assert wizard.go_on(source="kai", telegram_id="77", os_user="alice") == 0
    assert wizard.asked == ["source", "telegram_id", "os_user", REVIEW]
    assert re.search("AGENT_BACKEND +codex +imported", wizard.transcript)
    assert TOKEN not in wizard.transcript
    assert SECRET not in wizard.transcript
    assert desk.settings()["kai_install_agent_backend"] == "codex"
    assert desk.secrets()["kai_install_webhook_secret"] == SECRET


def test_what_is_set_already_is_kept_where_the_file_says_nothing(desk: Desk) -> None:
    desk.given(desk.answers(VOICE_ENABLED=True, WEBHOOK_PORT=8080))
    path = desk.host_vars() / "kai.yml"
    path.write_text(path.read_text() + "kai_install_extra_env: {MINE: '1'} # mine\n")
    done = desk.run(
        *("config", "--no-probe", "--no-input"),
        *("--import", write_conf(desk, WEBHOOK_PORT="8181", THEIRS="2")),
    )
    assert done.returncode == 0, done.stderr
    settings = desk.settings()
    assert settings["kai_install_voice_enabled"] is True
    assert settings["kai_install_webhook_port"] == 8181
    assert settings["kai_install_extra_env"] == {"MINE": "1", "THEIRS": "2"}
    assert "# mine" in path.read_text()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            '{\n  "version": 1,\n  "env": {"TOKEN": "hush"\n',
            "install.conf:4:1\n   found:    not valid JSON",
        ),
        ('{"version": 2, "env": {}}', "version is 2; only 1 is understood"),
        ("[]", "it holds a list, not an object"),
    ],
)
def test_a_file_that_cannot_be_understood_stops_it(desk: Desk, text: str, told: str) -> None:
    desk.write("install.conf", text)
    before = desk.tree()
    done = desk.run("config", "--no-probe", "--no-input", "--import", "install.conf")
    assert done.returncode == 2
    assert told in done.stderr
    assert "hush" not in done.stdout + done.stderr
    assert desk.tree() == before


def test_problems_name_the_file_that_has_them(desk: Desk) -> None:
    name = write_conf(
        desk, WEBHOOK_PORT="080", AGENT_TIMEOUT_SECONDS="1", CLAUDE_TIMEOUT_SECONDS="2", BAD=1
    )
    done = imported(desk, name)
    assert done.returncode == 2
    for told in (
        "install.conf: kai_install_webhook_port",
        "install.conf: kai_install_agent_timeout_seconds",
        "different values under AGENT_TIMEOUT_SECONDS, CLAUDE_TIMEOUT_SECONDS",
        "install.conf: env.BAD",
    ):
        assert told in done.stderr
    assert not desk.inventory.exists()


def test_a_service_user_that_is_refused_is_reported_and_nothing_is_looked_for(desk: Desk) -> None:
    desk.write("install.conf", json.dumps({"version": 1, "service_user": "ALL", "env": {}}))
    desk.write("answers.yml", desk.answers())
    done = desk.run(
        *("config", "--no-input", "--import", "install.conf", "--answers", "answers.yml")
    )
    assert done.returncode == 2
    assert "install.conf: kai_install_service_user" in done.stderr


def test_an_answer_settles_what_the_file_says_twice(desk: Desk) -> None:
    name = write_conf(desk, AGENT_TIMEOUT_SECONDS="1", CLAUDE_TIMEOUT_SECONDS="2")
    done = imported(desk, name, "--set", "AGENT_TIMEOUT_SECONDS=3")
    assert done.returncode == 0, done.stderr
    assert desk.settings()["kai_install_agent_timeout_seconds"] == 3


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--import", "absent.conf"), "absent.conf\n   found:    no such file"),
        (("--import", "host", "--no-probe"), "a probe of the host"),
    ],
)
def test_what_cannot_be_imported_is_refused(
    desk: Desk, arguments: tuple[str, ...], told: str
) -> None:
    done = desk.run("config", "--no-input", *arguments)
    assert done.returncode == 2
    assert told in done.stderr


def test_a_host_that_is_down_is_reported_and_configured_all_the_same(desk: Desk) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = server.getsockname()[1]
    address = {"ansible_host": "127.0.0.1", "ansible_port": closed}
    desk.write("inventory/hosts.yml", {"all": {"hosts": {"down": address}}})
    desk.write("answers.yml", desk.answers())
    done = desk.run("config", "--no-input", "--answers", "answers.yml")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Could not reach down") == 1
    assert "Connection refused" in done.stdout
    assert desk.settings("down")["kai_install_source"] == str(desk.source)
    before = desk.tree()
    done = desk.run("config", "--no-input", "--import", "host")
    assert done.returncode == 2
    assert "Could not reach down" in done.stderr
    assert desk.tree() == before
