"""Bug 4: an install without CODEX_BIN put a guess in the place of a path that worked."""

import pytest

from tests.cli.desk import Desk
from tests.issue_486.hosts import CODEX, OTHER_CODEX, Bot


@pytest.fixture
def installed(desk: Desk, bot: Bot) -> Desk:
    """A desk whose bot runs the codex in /opt/agents, beside another one at a usual place."""
    desk.given(desk.answers(AGENT_BACKEND="codex", CODEX_BIN=OTHER_CODEX))
    desk.install()
    assert bot.env()["CODEX_BIN"] == OTHER_CODEX
    return desk


def forget_the_path(desk: Desk) -> None:
    """Take the path out of host_vars, as a careless edit does."""
    path = desk.host_vars("bot") / "kai.yml"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(line for line in lines if "codex_bin" not in line), encoding="utf-8")
    assert "kai_install_codex_bin" not in desk.settings("bot")


def test_bug_4_a_working_path_outlives_its_line_in_host_vars(installed: Desk, bot: Bot) -> None:
    # the other codex is in everybody's PATH and at a usual place, and yet does not win
    forget_the_path(installed)
    assert ": unchanged" in installed.install()
    assert bot.env()["CODEX_BIN"] == OTHER_CODEX
    assert bot.agent_rules() == [f"kai ALL=(alice) NOPASSWD: {OTHER_CODEX}"]

    # nor when no codex is left in PATH
    bot.machine.run(["rm", CODEX])
    assert ": unchanged" in installed.install()

    # and the wizard finds it again
    assert installed.run("config", "--no-input").returncode == 0
    assert installed.settings("bot")["kai_install_codex_bin"] == OTHER_CODEX


def test_bug_4_a_guess_serves_a_first_install_and_is_called_one(desk: Desk, bot: Bot) -> None:
    bot.machine.run(
        ["install", "-m", "0644", "/dev/stdin", "/home/alice/.profile"],
        user="alice",
        input="PATH=/usr/bin:/bin\n",
    )
    desk.given(desk.answers(AGENT_BACKEND="codex"))
    assert "kai_install_codex_bin" not in desk.settings("bot")
    output = desk.install()
    assert f"Using {CODEX} for codex, found in a usual place" in output
    assert bot.env()["CODEX_BIN"] == CODEX
