"""One-shots of the bot's agents: as the right account, and ended whole when they are late."""

import json
import shlex
from typing import Any

import pytest

from tests.real.lab import ADA, BOB, EVE, FINN, Lab

PEOPLE = {ADA: "alice", BOB: "bob", EVE: "eve", FINN: "finn"}
REASONERS = {ADA: "Codex", BOB: "Claude", EVE: "Claude", FINN: "Codex"}
SECONDS = 4
# what memory extraction runs, without a memory to put anything into
ONE_SHOT = """
import asyncio, json, sys
from kai import oneshot

name, account, prompt, seconds = sys.argv[1:]
reasoner = getattr(oneshot, name + "OneShotReasoner")(os_user=account)
call = reasoner.run(prompt=prompt, timeout=float(seconds), purpose="lab")
try:
    print(json.dumps({"text": asyncio.run(call).text}))
# where the kill has ended sudo as well, Kai itself fails to kill that once more
except (oneshot.OneShotError, ProcessLookupError) as error:
    print(json.dumps({"error": type(error).__name__, "words": str(error)}))
"""


def one_shot(lab: Lab, user: int, prompt: str) -> dict[str, Any]:
    """Let the code of the live release run a one-shot as the bot does; return what came of it."""
    environment = lab.at_machine("systemctl", "show", "-P", "Environment", "kai.service")
    said = lab.at_machine(
        *("env", "--ignore-environment", *shlex.split(environment)),
        *("/opt/kai/current/venv/bin/python", "-c", ONE_SHOT),
        *(REASONERS[user], PEOPLE[user], prompt, str(SECONDS)),
        user="kai",
    )
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return found


@pytest.fixture(autouse=True)
def ended(lab: Lab) -> None:
    """No agent is at work."""
    lab.at_machine("systemctl", "restart", "kai.service")
    for account in PEOPLE.values():
        assert lab.until_gone(account) == []


@pytest.mark.parametrize("user", PEOPLE)
def test_a_one_shot_answers_as_the_account_of_its_user(lab: Lab, user: int) -> None:
    answer = one_shot(lab, user, "what is there to remember?")
    assert f"as {PEOPLE[user]}] once" in answer.get("text", ""), answer


@pytest.mark.parametrize("user", PEOPLE)
def test_a_late_one_shot_leaves_no_process_of_the_agent(lab: Lab, user: int) -> None:
    account = PEOPLE[user]
    before = len(lab.events(account, "once"))
    answer = one_shot(lab, user, "HANG")
    assert len(lab.events(account, "once")) == before + 1
    assert answer["error"] in ("OneShotTimeout", "ProcessLookupError"), answer
    # neither it nor the child that it has started
    assert lab.until_gone(account, seconds=10) == []
