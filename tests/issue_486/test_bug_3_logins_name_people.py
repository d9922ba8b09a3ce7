"""Bug 3: the hint to log in named the service user, whose login nobody uses."""

import shlex
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cli.desk import Desk
from tests.issue_486.conftest import desk_for
from tests.issue_486.hosts import CODEX, Bot

TITLE = "Log in once as each OS user, with these commands:"


FOR_CLEO = [
    f"  sudo -H -u kai {CODEX} login",
    "  kai is the service user: users without an os_user share its login.",
]


def notice(text: str) -> list[str]:
    """Return the lines of the notice in an output, each command as the host gets it."""
    lines = text.splitlines()
    if TITLE not in lines:
        return []
    start = lines.index(TITLE)
    following = [number for number in range(start + 1, len(lines)) if lines[number][:2] != "  "]
    found = lines[start : min([*following, len(lines)])]
    over_ssh = [shlex.split(line) for line in found if line.startswith("  ssh ")]
    assert all(command[:2] == ["ssh", "-t"] for command in over_ssh)
    return [f"  {shlex.split(line)[-1]}" if line.startswith("  ssh ") else line for line in found]


def log_in(bot: Bot, account: str) -> None:
    """Leave what codex leaves in the home of an account that logged in."""
    home = f"/home/{account}/.codex"
    bot.machine.run(["install", "-d", "-m", "0700", home], user=account)
    bot.machine.run(["touch", f"{home}/auth.json"], user=account)


def person(telegram_id: int, name: str, **fields: Any) -> dict[str, Any]:
    return {"telegram_id": telegram_id, "name": name, **fields}


@pytest.fixture(scope="module")
def company(bot: Bot) -> Iterator[Desk]:
    """A desk for four people: Ada and Abe share the account alice, Cleo has none."""
    with desk_for(bot) as desk:
        content = desk.answers(AGENT_BACKEND="codex")
        content["users"] = [
            person(1, "Ada", role="admin", os_user="alice"),
            person(2, "Abe", os_user="alice"),
            person(3, "Bob", os_user="bob"),
            person(4, "Cleo"),
        ]
        desk.given(content)
        log_in(bot, "bob")
        yield desk


def test_bug_3_every_command_names_those_who_have_to_log_in(company: Desk) -> None:
    expected = [TITLE, f"  sudo -iu alice {CODEX} login", *FOR_CLEO]
    assert notice(company.install()) == expected
    assert notice(company.run("logins").stdout) == expected
    wizard = company.wizard("--plain")
    assert wizard.go_on() == 0
    assert notice(wizard.transcript.replace("\r\n", "\n")) == expected


def test_bug_3_nobody_who_is_logged_in_is_nagged(company: Desk, bot: Bot) -> None:
    log_in(bot, "alice")
    assert notice(company.run("logins").stdout) == [TITLE, *FOR_CLEO]
