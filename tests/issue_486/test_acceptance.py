"""The five points of acceptance of issue 486."""

import re
import shlex

from tests.cli.desk import Desk
from tests.issue_486.conftest import FirstInstall, Switch
from tests.issue_486.hosts import CODEX


def test_acceptance_1_config_validates_the_model_against_the_backend(
    switch: Switch, desk: Desk
) -> None:
    prompts = switch.wizard.asked
    assert prompts.index("AGENT_BACKEND") < prompts.index("DEFAULT_MODEL")
    desk.given(desk.answers(AGENT_BACKEND="claude", DEFAULT_MODEL="opus"))
    before = desk.tree()
    both = ["--set", "AGENT_BACKEND=codex", "--set", "DEFAULT_MODEL=opus"]
    done = desk.run("config", "--no-probe", "--no-input", *both)
    assert done.returncode == 2
    assert "'opus', which codex does not have" in done.stderr
    assert desk.tree() == before


def test_acceptance_2_config_asks_for_the_path_of_codex(switch: Switch, desk: Desk) -> None:
    assert switch.wizard.offered["CODEX_BIN"] == CODEX
    said = switch.wizard.transcript
    assert re.search(rf"CODEX_BIN +{CODEX} \([0-9]+\.[0-9.]+\) +found on the host", said)
    assert re.search(r"Ada +alice +codex +openai +gpt-5.5 +has to log in", said)
    assert re.search(r"On bot: Python 3\.[0-9]+\.[0-9]+ .*, sudo 1\.9.*, the bot runs\.", said)
    desk.given(desk.answers(AGENT_BACKEND="codex"))
    wizard = desk.wizard("--plain")
    wizard.go_to("CODEX_BIN")
    wizard.child.sendline("/opt/agents/none")
    assert "/opt/agents/none does not exist" in wizard.refusal()
    wizard.child.sendline(CODEX)
    assert wizard.go_on() == 0
    assert desk.settings("bot")["kai_install_codex_bin"] == CODEX


def test_acceptance_3_the_path_reaches_env_and_sudoers(switch: Switch) -> None:
    assert switch.settings["kai_install_codex_bin"] == CODEX
    assert switch.env["CODEX_BIN"] == CODEX
    assert switch.rules == [f"kai ALL=(alice) NOPASSWD: {CODEX}"]


def test_acceptance_4_sudo_make_install_works_without_a_prefix(first_install: FirstInstall) -> None:
    assert first_install.env["CODEX_BIN"] == CODEX
    assert first_install.rules == [f"kai ALL=(alice) NOPASSWD: {CODEX}"]


def test_acceptance_5_hints_name_the_login_of_each_os_user(switch: Switch) -> None:
    # the operator sits elsewhere
    [line] = [one for one in switch.output.splitlines() if "codex login" in one]
    command = shlex.split(line)
    assert command[:2] == ["ssh", "-t"]
    assert command[-1] == f"sudo -iu alice {CODEX} login"
    assert "sudo -iu kai" not in switch.output
