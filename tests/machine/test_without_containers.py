"""`make test` where containers cannot run: in a container without privileges."""

import pytest

from tests.testbed import checkouts, obstacle
from tests.testbed.machines import Machine

pytestmark = pytest.mark.later(
    "the set-up of development anew; tests/tools judges what is left out"
)

DIRECTORY = "/root/kai-ansible"
# few and quick; the second needs a machine
CHOSEN = "args=tests/unit/test_private_files.py tests/machine/test_modules.py"
SENTENCE = "root may not create namespaces here, as in a container without privileges"


@pytest.fixture(scope="module")
def inside(machine: Machine) -> Machine:
    """A machine with this checkout, itself a container without privileges."""
    checkouts.push(machine, DIRECTORY, user="root")
    machine.run(["git", "-C", DIRECTORY, "init", "--quiet"])
    machine.run(["git", "-C", DIRECTORY, "add", "--all"])
    return machine


def test_the_rest_is_run_and_what_is_left_out_is_counted(inside: Machine) -> None:
    make = ["make", "-C", DIRECTORY, "test", CHOSEN]
    done = inside.run(make, check=False, timeout=1800)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"no machines for the tests: {SENTENCE}" in done.stderr
    assert " passed" in done.stdout
    assert f"cases left out, as this host runs no machines: {SENTENCE}" in done.stdout


def test_it_fails_where_machines_are_demanded(inside: Machine) -> None:
    command = ["env", f"{obstacle.REQUIRED}=1", "make", "-C", DIRECTORY, "testbed"]
    done = inside.run(command, check=False, timeout=600)
    assert done.returncode == 2
    assert f"no machines for the tests: {SENTENCE}" in done.stderr
