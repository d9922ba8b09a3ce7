"""Installs over a bot that real turns have used: unchanged, upgraded, rolled back, adopted."""

import json

import pytest

from tests.real.lab import ADA, ANOTHER_TOKEN, BOB, DORA, EVE, FINN, GUS, SECONDS, Lab

EVERYBODY = (ADA, BOB, EVE, FINN, DORA, GUS)


@pytest.fixture(scope="module")
def used(lab: Lab) -> None:
    """Everybody has talked to the bot and sent it something since the last install."""
    lab.install()
    lab.at_machine("sh", "-c", "echo something > /opt/lab/something.txt")
    for user in EVERYBODY:
        since = lab.mark()
        lab.telegram("upload", str(user), "/opt/lab/something.txt", "keep it")
        lab.said(user, "echo", since)


@pytest.mark.usefixtures("used")
def test_after_real_turns_nothing_differs(lab: Lab) -> None:
    done = lab.run("status")
    assert done.code == 0, done.text
    assert lab.run("doctor").code == 0


@pytest.mark.usefixtures("used")
def test_a_second_install_changes_nothing(lab: Lab) -> None:
    pid = lab.at_machine("systemctl", "show", "kai.service", "--property=MainPID")
    done = lab.run("install")
    assert done.code == 0, done.text
    assert done.report["seconds_without"] is None
    assert done.report["changes"] == []
    assert lab.at_machine("systemctl", "show", "kai.service", "--property=MainPID") == pid


def test_an_upgrade_while_a_turn_runs_reports_what_it_cut(
    lab: Lab, tmp_path_factory: pytest.TempPathFactory
) -> None:
    tree = lab.write_source(tmp_path_factory.mktemp("upgrade") / "kai")
    (tree / "src/kai/UPGRADED").write_text("later\n", encoding="utf-8")
    since = lab.mark()
    lab.telegram("say", str(ADA), "!slow 600")
    lab.said(ADA, "tick", since)
    lab.set(kai_install_source=str(tree), kai_install_version=None)
    done = lab.run("install")
    assert done.code == 0, done.text
    assert "running turn" in json.dumps(done.report), done.text
    assert lab.until_gone("alice") == []
    assert lab.turn(ADA, "and now") == "echo: and now"


def test_a_rollback_brings_the_earlier_release_back(lab: Lab) -> None:
    live = lab.at_machine("readlink", "/opt/kai/current")
    done = lab.run("rollback", "--yes")
    assert done.code == 0, done.text
    assert lab.at_machine("readlink", "/opt/kai/current") != live
    assert lab.turn(BOB, "before") == "echo: before"
    lab.set(kai_install_source=lab.source.given, kai_install_version=lab.source.version)
    lab.install()


def test_a_token_that_telegram_refuses_is_told_without_waiting(lab: Lab) -> None:
    lab.configure(TELEGRAM_BOT_TOKEN=ANOTHER_TOKEN)
    lab.set(kai_install_health_timeout=3600)
    done = lab.run("install")
    lab.configure()
    lab.set(kai_install_health_timeout=SECONDS)
    assert done.code == 1
    assert "by its log, waiting does not help" in done.failure
    assert "Telegram does not know the token" in done.failure
    assert ANOTHER_TOKEN not in done.text
    assert lab.turn(BOB, "still") == "echo: still"
