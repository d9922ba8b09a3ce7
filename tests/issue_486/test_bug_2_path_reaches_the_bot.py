"""Bug 2: CODEX_BIN was lost on the way through make and sudo."""

import pytest

from tests.issue_486.conftest import FirstInstall
from tests.issue_486.hosts import CODEX, OTHER_CODEX, Checkout


def rule(path: str) -> str:
    return f"kai ALL=(alice) NOPASSWD: {path}"


def test_bug_2_sudo_make_install_needs_nothing_in_the_environment(
    first_install: FirstInstall,
) -> None:
    assert first_install.env["CODEX_BIN"] == CODEX
    assert first_install.rules == [rule(CODEX)]
    assert first_install.owned_by_root == []


@pytest.mark.usefixtures("first_install")
def test_bug_2_a_path_given_once_stays(checkout: Checkout) -> None:
    machine = checkout.machine
    target = machine.run(["readlink", "--canonicalize", CODEX]).stdout.strip()
    machine.run(["install", "-d", "/opt/agents"])
    machine.run(["ln", "-sfn", target, OTHER_CODEX])

    for arguments, sudo in ((("install", f"CODEX_BIN={OTHER_CODEX}"), False), (("install",), True)):
        done = checkout.make(*arguments, sudo=sudo)
        assert done.returncode == 0, done.stdout + done.stderr
        assert checkout.bot.env()["CODEX_BIN"] == OTHER_CODEX
        assert checkout.bot.agent_rules() == [rule(OTHER_CODEX)]
        assert checkout.settings()["kai_install_codex_bin"] == OTHER_CODEX
    assert ": unchanged" in done.stdout
    assert checkout.owned_by_root() == []


@pytest.mark.usefixtures("first_install")
def test_bug_2_a_wrong_path_is_refused_and_changes_nothing(checkout: Checkout) -> None:
    before = checkout.bot.snapshot()
    done = checkout.make("install", "CODEX_BIN=/opt/agents/none", sudo=True)
    # make has a code of its own for any failure, and tells the one of the command
    assert done.returncode == 2
    assert "install] Error 2" in done.stderr
    for words in ("kai_install_codex_bin", "/opt/agents/none", "Ada", "Nothing was changed."):
        assert words in done.stderr
    assert checkout.bot.snapshot() == before
