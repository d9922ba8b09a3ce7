"""What the demo writes lies in its own directory, through sudo as well."""

import subprocess
import sys

import pytest

from tools import demo

PLACES = """
from kai_ansible.ansible.run_logs import directory
from kai_ansible.secrets.vault_password import own_password_file
print(own_password_file(), directory(), sep="\\n")
"""


@pytest.mark.parametrize("called_by", [None, "nobody"])
def test_the_demo_touches_neither_the_password_nor_the_logs_of_the_operator(
    monkeypatch: pytest.MonkeyPatch, called_by: str | None
) -> None:
    if called_by:
        monkeypatch.setenv("SUDO_USER", called_by)
    asked = [sys.executable, "-c", PLACES]
    done = subprocess.run(asked, env=demo.environment(), capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        str(demo.DEMO / "config/kai-ansible/vault-password"),
        str(demo.DEMO / "state/kai-ansible/runs"),
    ]
