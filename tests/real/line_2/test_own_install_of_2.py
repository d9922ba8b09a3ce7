"""What the installer of a real Kai 2 has made is adopted, and can be gone back to.

That installer always installs Kai with the extra ``memory``, gigabytes that nothing here uses. So
the environment is made before it, as it would make it but for that extra, with its own checksums,
which let it skip the step. Everything else is its own work.

The installer of 2.0 closes the home of a user to the bot, which enters it before it starts an
agent: no user is answered until an adoption opens it to the bot.
"""

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.desk import TOKEN
from tests.real.lab import ADA, BOB, CA, Lab, prepare
from tests.real.source import Source, found_in
from tests.testbed import machines

CHECKOUT = "/home/operator/kai"
USERS = f"""users:
- {{telegram_id: {ADA}, name: Ada, role: admin, os_user: alice}}
- {{telegram_id: {BOB}, name: Bob, os_user: bob, backend: claude}}
"""
CONF = {
    "version": 1,
    "deployment_mode": "protected",
    "install_dir": "/opt/kai",
    "data_dir": "/var/lib/kai",
    "service_user": "kai",
    "platform": "linux",
    "env": {
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "DEFAULT_BACKEND": "codex",
        "DEFAULT_MODEL": "gpt-5.5",
        "GITHUB_WEBHOOK_SECRET": "made-by-kais-own-installer",
        "SSL_CERT_FILE": CA,
    },
}
_CHECKSUMS = """
from pathlib import Path
from kai.install import _file_checksum, _src_checksum
place = Path("/opt/kai")
for name, checksum in (
    ("pyproject", _file_checksum(place / "pyproject.toml")),
    ("constraints", _file_checksum(place / "requirements/constraints.txt")),
    ("src", _src_checksum(place / "src")),
):
    (place / f".{name}.sha256").write_text(checksum + "\\n")
"""


class Adoption(Lab):
    """A desk that knows nothing yet."""

    def configure(self) -> None:
        """Leave that to what is found on the machine."""


def run_own_installer(lab: Lab, runs: int) -> None:
    """Let Kai's own installer set up the bot on a machine."""
    machine, venv = lab.machine, f"{CHECKOUT}/.venv"
    machine.run(["useradd", "--system", "--create-home", "--shell", "/bin/bash", "kai"])
    lab.at_machine("python3", "-m", "venv", venv)
    lab.at_machine(f"{venv}/bin/pip", "install", "--quiet", "--editable", CHECKOUT)
    lab.at_machine("install", "-d", "/opt/kai/requirements")
    for name in ("src", "pyproject.toml", "requirements/constraints.txt"):
        lab.at_machine("cp", "-r", f"{CHECKOUT}/{name}", f"/opt/kai/{name}")
    lab.at_machine("python3", "-m", "venv", "/opt/kai/venv")
    constraints = "/opt/kai/requirements/constraints.txt"
    pip = ["/opt/kai/venv/bin/pip", "install", "--quiet", "--constraint", constraints]
    machine.run([*pip, "/opt/kai[totp]"], timeout=1200)
    lab.at_machine(f"{venv}/bin/python", "-c", _CHECKSUMS)
    for path, content, mode in (
        (f"{CHECKOUT}/install.conf", json.dumps(CONF), "0600"),
        ("/etc/kai/users.yaml", USERS, "0600"),
    ):
        machine.run(["install", "-D", "-m", mode, "/dev/stdin", path], input=content)
    for _ in range(runs):
        machine.run([f"{venv}/bin/python", "-m", "kai", "install", "apply"], timeout=600)


@pytest.fixture(scope="module")
def adopted(kai_2_0: Path) -> Iterator[Lab]:
    """A machine on which Kai's own installer was at work, and a desk that knows nothing of it."""
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="desk-")))
        machine = stack.enter_context(machines.running(f"own-2-{os.getpid()}"))
        prepare(machine)
        lab = Adoption(machine, directory, Source(str(kai_2_0), None, kai_2_0))
        machine.push(lab.write_source(directory / "kai"), CHECKOUT)
        # the first start names the directories of users, which the second run makes
        run_own_installer(lab, 2 if found_in(kai_2_0).line == "2" else 1)
        lab.log_in()
        yield lab


# these tests build on each other and run in this order


def test_kais_own_install_answers_where_it_can(adopted: Lab) -> None:
    if found_in(adopted.source.tree).line == "2.0":
        assert "Permission denied" in adopted.say(ADA, "before", "Error: ")
    else:
        assert adopted.turn(ADA, "before") == "echo: before"


def test_it_is_adopted_with_its_users_and_history(adopted: Lab) -> None:
    done = adopted.run("config", "--no-input", "--set", f"source={adopted.source.given}")
    assert done.code == 0, done.text
    report = adopted.install()
    # the first on record is Kai's own
    assert report["install"] == 2
    for user in (ADA, BOB):
        assert adopted.turn(user, "adopted") == "echo: adopted"
    # also a message that was answered with an error alone
    of_ada = adopted.at_machine("grep", "-rl", "before", "/var/lib/kai/history").split()
    assert adopted.shell(BOB, f"cat {of_ada[0]}")[0] != 0
    done = adopted.run("status")
    assert done.code == 0, done.text


def test_kais_own_install_comes_back(adopted: Lab) -> None:
    done = adopted.run("rollback", "--yes")
    assert done.code == 0, done.text
    assert adopted.at_machine("sh", "-c", "! test -e /opt/kai/current") == ""
    assert adopted.turn(ADA, "as before") == "echo: as before"
