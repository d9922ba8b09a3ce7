"""A run that is cut short during a switch is repaired by the next one."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machine.site import Site, Snapshot, mortal_python
from tests.testbed.machines import Machine

INSTALLED = True
pytestmark = pytest.mark.later(
    "tests/unit/test_interrupted_switch.py cuts at every step", apart=True
)
ADA = {"telegram_id": 1, "name": "Ada", "role": "admin", "os_user": "alice"}
BOB = {"telegram_id": 2, "name": "Bob", "os_user": "bob"}


@pytest.fixture(scope="module")
def site(machine: Machine, snapshot: Snapshot) -> Iterator[Site]:
    # ssh's socket below this home has to have a short path
    with tempfile.TemporaryDirectory(prefix="desk-") as directory:
        python = mortal_python(machine)
        yield Site(machine, Path(directory), snapshot, ansible_python_interpreter=python)


CUTS = {
    "between files and flip": "os.rename /opt/kai/current",
    "between flip and restart": "subprocess.Popen ['systemctl', 'restart', 'kai.service']",
    "between proof and record": "os.rename /run/kai-ansible.proofs",
}


@pytest.mark.parametrize("cut", CUTS.values(), ids=list(CUTS))
def test_L8_a_run_that_was_cut_short_is_repaired_by_the_next(site: Site, cut: str) -> None:
    verified, live = site.state(), site.health()

    # another release than the live one, other settings and other people: every file differs
    back = live["settings"].get("AGENT_TIMEOUT_SECONDS") == "77"
    seconds, people = (66, [ADA]) if back else (77, [ADA, BOB])
    site.fault()
    site.new_release("b" if back else "a")
    site.set(kai_install_agent_timeout_seconds=seconds, kai_install_users=people)
    site.cut_short(cut)
    status = site.run("status")
    assert status.code == 3
    assert status.report["unfinished"]

    # what fails now goes back to what was verified, not to what was cut short
    site.fault(HEALTH_STATUS="500")
    done = site.run("install")
    assert done.code == 1
    assert "/health answers 500" in done.failure
    assert site.state() == verified
    assert site.health()["status"] == "ok"

    site.fault()
    site.cut_short(cut)
    site.install()
    health = site.health()
    assert health["release"] != live["release"]
    assert health["settings"]["AGENT_TIMEOUT_SECONDS"] == str(seconds)
    assert [user["name"] for user in health["users"]] == [user["name"] for user in people]
