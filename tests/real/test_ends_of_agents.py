"""The exact commands of the bot end an agent whole, and the bot itself ends cleanly."""

import time

import pytest

from tests.real.lab import ADA, BOB, DATA, EVE, FINN, Lab

PEOPLE = {ADA: "alice", BOB: "bob", EVE: "eve", FINN: "finn"}
NO_RULE = ("a password is required", "not allowed")


@pytest.fixture(autouse=True)
def refused_by_sudo(lab: Lab) -> object:
    """Nothing that the bot did in a test was refused by sudo."""
    before = len(lab.log())
    yield
    log = lab.log()[before:]
    assert not [line for line in log.splitlines() if any(words in line for words in NO_RULE)]


def begin(lab: Lab, user: int, text: str, pattern: str) -> None:
    since = lab.mark()
    lab.telegram("say", str(user), text)
    lab.said(user, pattern, since)


@pytest.mark.parametrize("user", [ADA, BOB])
def test_stop_leaves_no_process_of_the_agent(lab: Lab, user: int) -> None:
    begin(lab, user, "!slow 300", "tick")
    assert lab.processes(PEOPLE[user])
    lab.say(user, "/stop", "top")
    assert lab.until_gone(PEOPLE[user]) == []


@pytest.mark.parametrize("user", [ADA, BOB])
@pytest.mark.parametrize("command", ["/new", "/model"])
def test_a_new_session_or_model_leaves_no_process_of_the_agent(
    lab: Lab, user: int, command: str
) -> None:
    lab.turn(user, "hello")
    assert lab.processes(PEOPLE[user])
    words = {
        "/new": ("", "ession"),
        "/model": (" gpt-5.4", "5.4") if user == ADA else (" opus", "pus"),
    }
    more, pattern = words[command]
    lab.say(user, command + more, f"(?i){pattern}")
    assert lab.until_gone(PEOPLE[user]) == []
    if command == "/model":
        back = "gpt-5.5" if user == ADA else "sonnet"
        lab.say(user, f"/model {back}", f"(?i){back}")


def test_a_restart_in_a_turn_leaves_no_process_and_notifies_the_user(lab: Lab) -> None:
    begin(lab, ADA, "!slow 300", "tick")
    begin(lab, BOB, "!child", "child")
    since = lab.mark()
    lab.at_machine("systemctl", "restart", "kai.service")
    lab.said(ADA, "interrupted", since)
    assert lab.until_gone("alice") == []
    # what the agent itself had left behind is gone as well
    assert lab.until_gone("bob") == []
    assert lab.turn(ADA, "again") == "echo: again"


def test_the_service_ends_cleanly(lab: Lab) -> None:
    lab.turn(EVE, "hello")
    turns = len(lab.events("eve", "turn"))
    begun = time.monotonic()
    lab.at_machine("systemctl", "stop", "kai.service")
    seconds = time.monotonic() - begun
    shown = lab.at_machine("systemctl", "show", "kai.service", "--property=Result,ExecMainStatus")
    wal = lab.at_machine("sh", "-c", f"ls {DATA}/kai.db-wal 2>&1", code=None)
    lab.at_machine("systemctl", "start", "kai.service")
    assert "Result=success" in shown, shown
    # the agent was asked to keep what it wants to remember
    assert len(lab.events("eve", "turn")) == turns + 1
    assert "about to be shut down" in lab.events("eve", "turn")[-1]["prompt"]
    assert "No such file" in wal
    assert seconds < 60
    assert lab.turn(EVE, "back") == "echo: back"


def test_an_idle_agent_is_ended(lab: Lab) -> None:
    lab.set(kai_install_claude_idle_timeout=5)
    lab.install()
    for user in (ADA, BOB):
        lab.turn(user, "hello")
        assert lab.processes(PEOPLE[user])
    for user in (ADA, BOB):
        assert lab.until_gone(PEOPLE[user], seconds=240) == []
    lab.set(kai_install_claude_idle_timeout=None)
    lab.install()
