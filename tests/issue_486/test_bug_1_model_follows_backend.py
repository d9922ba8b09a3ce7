"""Bug 1: a switch from claude to codex took the model opus along."""

import pytest

from tests.issue_486.conftest import Switch
from tests.issue_486.hosts import Checkout


def test_bug_1_the_wizard_writes_a_model_of_codex(switch: Switch) -> None:
    assert switch.exit_code == 0
    assert "DEFAULT_MODEL 'opus' does not fit codex" in switch.wizard.transcript
    assert switch.wizard.offered["DEFAULT_MODEL"] == "gpt-5.5"
    assert switch.settings["kai_install_agent_backend"] == "codex"
    assert switch.settings["kai_install_default_model"] == "gpt-5.5"


def test_bug_1_the_bot_gets_codex_and_its_model(switch: Switch) -> None:
    assert (switch.env_before["AGENT_BACKEND"], switch.env_before["DEFAULT_MODEL"]) == (
        "claude",
        "opus",
    )
    assert (switch.env["AGENT_BACKEND"], switch.env["DEFAULT_MODEL"]) == ("codex", "gpt-5.5")
    assert "opus" not in switch.env.values()


def test_bug_1_the_running_bot_agrees(switch: Switch) -> None:
    running = switch.health["settings"]
    assert (running["AGENT_BACKEND"], running["DEFAULT_MODEL"]) == ("codex", "gpt-5.5")
    (alice,) = switch.health["users"]
    assert (alice["os_user"], alice["backend"], alice["model"]) == ("alice", "codex", "gpt-5.5")


@pytest.mark.usefixtures("first_install")
def test_bug_1_a_pair_edited_by_hand_is_refused_and_the_bot_goes_on(checkout: Checkout) -> None:
    path = f"{checkout.directory}/inventory/host_vars/localhost/kai.yml"
    edit = ["sed", "--in-place=.kept", 's/"gpt-5.5"/"opus"/', path]
    before = checkout.bot.snapshot()
    checkout.machine.run(edit, user="operator")
    try:
        assert checkout.settings()["kai_install_default_model"] == "opus"
        done = checkout.make("install", sudo=True)
    finally:
        checkout.machine.run(["mv", f"{path}.kept", path], user="operator")
    assert done.returncode == 2
    for words in ("kai_install_default_model", "'opus', which codex does not have", "gpt-5.5"):
        assert words in done.stderr
    # the home of the operator has the file that was edited
    assert of_the_bot(checkout.bot.snapshot()) == of_the_bot(before)
    assert checkout.bot.health()["settings"]["DEFAULT_MODEL"] == "gpt-5.5"


def of_the_bot(snapshot: str) -> list[str]:
    """Return the lines of a snapshot that are not about the operator's own home."""
    return [line for line in snapshot.splitlines() if not line.startswith("/home/operator")]
