"""What Kai's own installer has made is adopted with its users and data, and can be gone back to."""

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.desk import TOKEN
from tests.real.lab import ADA, BOB, CA, Lab, prepare
from tests.real.source import Source
from tests.testbed import machines

CHECKOUT = "/home/operator/kai"
USERS = f"""users:
- telegram_id: {ADA}
  name: Ada
  role: admin
  os_user: alice
- telegram_id: {BOB}
  name: Bob
  os_user: bob
  agent_backend: claude
"""
CONF = {
    "version": 1,
    "install_dir": "/opt/kai",
    "data_dir": "/var/lib/kai",
    "service_user": "kai",
    "platform": "linux",
    "env": {
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "AGENT_BACKEND": "codex",
        "DEFAULT_MODEL": "gpt-5.5",
        "CODEX_BIN": "/usr/local/bin/codex",
        "WEBHOOK_SECRET": "made-by-kais-own-installer",
        "SSL_CERT_FILE": CA,
    },
}


class Adoption(Lab):
    """A desk that knows nothing yet."""

    def configure(self) -> None:
        """Leave that to what is found on the machine."""


@pytest.fixture(scope="module")
def adopted(real_kai: Source) -> Iterator[Lab]:
    """A machine on which Kai's own installer was at work, and a desk that knows nothing of it."""
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="desk-")))
        machine = stack.enter_context(machines.running(f"adopted-{os.getpid()}"))
        prepare(machine)
        lab = Adoption(machine, directory, real_kai)
        machine.run(["useradd", "--system", "--create-home", "--shell", "/bin/bash", "kai"])
        machine.push(lab.write_source(directory / "kai"), CHECKOUT)
        venv = f"{CHECKOUT}/.venv"
        lab.at_machine("python3", "-m", "venv", venv)
        lab.at_machine(f"{venv}/bin/pip", "install", "--quiet", "--editable", CHECKOUT)
        for path, content, mode in (
            (f"{CHECKOUT}/install.conf", json.dumps(CONF), "0600"),
            ("/etc/kai/users.yaml", USERS, "0600"),
        ):
            machine.run(["install", "-D", "-m", mode, "/dev/stdin", path], input=content)
        machine.run([f"{venv}/bin/python", "-m", "kai", "install", "apply"], timeout=600)
        lab.log_in()
        yield lab


# these tests build on each other and run in this order


def test_kais_own_install_answers(adopted: Lab) -> None:
    assert adopted.turn(ADA, "before") == "echo: before"


def test_it_is_adopted_with_its_users_and_history(adopted: Lab) -> None:
    given = ["--set", f"source={adopted.source.given}"]
    given += ["--set", f"version={adopted.source.version}"] if adopted.source.version else []
    done = adopted.run("config", "--no-input", *given)
    assert done.code == 0, done.text
    report = adopted.install()
    # the first on record is Kai's own
    assert report["install"] == 2
    for user in (ADA, BOB):
        assert adopted.turn(user, "adopted") == "echo: adopted"
    code, said = adopted.shell(ADA, f"cat /var/lib/kai/history/{ADA}/*.jsonl")
    assert "before" in said, (code, said)
    assert adopted.shell(BOB, f"ls /var/lib/kai/history/{ADA}")[0] != 0
    assert adopted.run("status").code == 0


def test_kais_own_install_comes_back(adopted: Lab) -> None:
    done = adopted.run("rollback", "--yes")
    assert done.code == 0, done.text
    assert adopted.at_machine("sh", "-c", "! test -e /opt/kai/current") == ""
    assert adopted.turn(ADA, "as before") == "echo: as before"
