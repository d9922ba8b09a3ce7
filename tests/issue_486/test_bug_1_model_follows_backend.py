"""Bug 1: a switch from claude to codex took the model opus along."""

from tests.issue_486.conftest import Switch


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
