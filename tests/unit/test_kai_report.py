"""The action plugin kai_report, as ansible-playbook runs it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from kai_ansible.rules.readiness import LOG_OF_START
from tests.conftest import ROOT

REFUSED = "telegram.error.InvalidToken: The token was rejected by the server."
REVERTED = {
    "changed": True,
    "changed_paths": [],
    "former_release": "flat",
    "release": None,
    "starts": False,
    "left": [],
}


@pytest.mark.slow
def test_a_failure_names_the_cause_that_the_log_shows(
    tmp_path: Path, ansible_environment: dict[str, str]
) -> None:
    arguments = {
        "run": "failure",
        "failure": f"Verify the bot: no answer\n{LOG_OF_START}\n{REFUSED}",
        "role_path": str(ROOT / "roles" / "kai_install"),
        "line": "1",
        "install_dir": "/opt/kai",
        "reverted": REVERTED,
    }
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("ansible")),
            *("localhost", "--inventory", "localhost,", "--connection", "local"),
            *("--module-name", "kai.bot.kai_report", "--args", json.dumps(arguments)),
        ],
        env={**ansible_environment, "ANSIBLE_LOCAL_TEMP": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    said = done.stdout + done.stderr
    assert "Likely cause: Telegram does not know the token. Fix: copy it from @BotFather" in said
