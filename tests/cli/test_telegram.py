"""config --online, before a stand-in for Telegram's Bot API."""

import socket
from collections.abc import Iterator

import pytest

from tests.cli.bot_api import serving
from tests.cli.desk import REVIEW, TOKEN, Desk

pytestmark = pytest.mark.later("Telegram is asked with --online alone", apart=True)

UNKNOWN = TOKEN.swapcase()


@pytest.fixture
def bot_api(desk: Desk) -> Iterator[list[str]]:
    """The paths that the stand-in is asked for; the desk's wizard finds it."""
    with serving() as (address, asked):
        desk.variables["KAI_ANSIBLE_TELEGRAM_API"] = address
        yield asked


def configure(desk: Desk, token: str, *arguments: str) -> tuple[int, str]:
    """Configure without a terminal; return the exit code and all that was said."""
    path = desk.write("answers.yml", desk.answers(TELEGRAM_BOT_TOKEN=token))
    done = desk.run("config", "--no-probe", "--no-input", "--answers", str(path), *arguments)
    return done.returncode, done.stdout + done.stderr


def test_nobody_is_asked_without_the_option(desk: Desk, bot_api: list[str]) -> None:
    assert configure(desk, UNKNOWN)[0] == 0
    assert bot_api == []


def test_the_name_of_the_bot_is_reported(desk: Desk, bot_api: list[str]) -> None:
    code, said = configure(desk, TOKEN, "--online")
    assert code == 0, said
    assert "Telegram bot of this token: @kai_of_ada_bot (Kai)" in said
    assert bot_api == [f"/bot{TOKEN}/getMe"]


def test_a_token_that_telegram_refuses_is_not_written(desk: Desk, bot_api: list[str]) -> None:
    code, said = configure(desk, UNKNOWN, "--online")
    assert code == 2
    assert "kai_install_telegram_bot_token" in said
    assert "rejects (401" in said
    assert UNKNOWN not in said
    assert not desk.inventory.exists()


def test_a_telegram_that_is_out_of_reach_is_reported_and_nothing_more(desk: Desk) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed = taken.getsockname()[1]
    desk.variables["KAI_ANSIBLE_TELEGRAM_API"] = f"http://127.0.0.1:{closed}"
    code, said = configure(desk, TOKEN, "--online")
    assert code == 0
    assert "Could not reach Telegram, so the token was not checked" in said
    assert TOKEN not in said


def test_a_refused_token_can_be_fixed_at_the_review(desk: Desk, bot_api: list[str]) -> None:
    desk.given(desk.answers())
    wizard = desk.wizard("--no-probe", "--online", "--section", "telegram")
    wizard.go_to(REVIEW, TELEGRAM_BOT_TOKEN=UNKNOWN)
    assert "This cannot be written yet" in wizard.transcript
    assert wizard.offered[REVIEW] != "Write it"
    wizard.open("telegram")
    assert wizard.go_on({"TELEGRAM_BOT_TOKEN": TOKEN}) == 0
    assert "@kai_of_ada_bot" in wizard.transcript
    assert len(bot_api) == 2
    assert desk.secrets()["kai_install_telegram_bot_token"] == TOKEN
