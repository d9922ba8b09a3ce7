"""Accounts of people that the host does not have: refused, or made when the operator says so."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.desk import Desk
from tests.conftest import STAND_IN
from tests.machine.site import AGENTS_OWN
from tests.testbed.machines import Machine

pytestmark = pytest.mark.later("accounts that an install makes, off the whole way")

CREATE = "create_os_users=true"


@pytest.fixture(scope="module")
def desk(machine: Machine) -> Iterator[Desk]:
    """A desk for a machine that has neither dave nor erin."""
    # ssh's socket below this home has to have a short path
    with tempfile.TemporaryDirectory(prefix="desk-") as directory:
        desk = Desk(Path(directory), STAND_IN)
        desk.write("inventory/hosts.yml", {"all": {"hosts": {"bot": machine.inventory_entry()}}})
        desk.given(desk.answers(AGENT_BACKEND="codex"))
        for number, name in enumerate(("dave", "erin"), start=2):
            fields = ("--telegram-id", str(number), "--name", name, "--os-user", name)
            assert desk.run("users", "add", *fields).returncode == 0
        # a system that lets everybody into a new home
        machine.run(["sed", "-i", "/^#\\?HOME_MODE/d; $ a HOME_MODE 0755", "/etc/login.defs"])
        yield desk


def state(machine: Machine) -> str:
    """Return the accounts of a machine, and what lies where an install writes.

    An agent writes files of its own when it is started to see whether it works.
    """
    places = ("/home", "/opt", "/etc/kai", "/var/lib/kai", "/etc/sudoers.d")
    found = machine.run(["find", *places, "-maxdepth", "3", "-printf", "%p %u %m\\n"], check=False)
    lines = sorted(line for line in found.stdout.splitlines(True) if not AGENTS_OWN.match(line))
    return machine.run(["getent", "passwd"]).stdout + "".join(lines)


def install(desk: Desk, *options: str) -> tuple[int, dict[str, Any]]:
    """Install, and return the exit code and the output."""
    done = desk.run("install", "--json", *options)
    return done.returncode, json.loads(done.stdout)


# these tests build on each other and run in this order


def test_a_missing_account_is_refused_before_any_change(machine: Machine, desk: Desk) -> None:
    before = state(machine)
    code, told = install(desk)
    assert code == 2
    assert [problem["found"] for problem in told["problems"]] == [
        "'dave', which is no account on the host",
        "'erin', which is no account on the host",
    ]
    assert "kai_install_create_os_users" in told["problems"][0]["fix"]
    assert state(machine) == before


def test_a_binary_that_a_new_account_could_not_run_is_refused(machine: Machine, desk: Desk) -> None:
    machine.run(["install", "-o", "alice", "-m", "0700", "/usr/bin/true", "/opt/codex"])
    before = state(machine)
    code, told = install(desk, "--set", CREATE, "--set", "CODEX_BIN=/opt/codex")
    assert code == 2
    assert [problem["found"] for problem in told["problems"]] == [
        "'/opt/codex', which dave cannot execute"
    ]
    assert state(machine) == before


def test_a_check_only_says_that_accounts_would_be_made(machine: Machine, desk: Desk) -> None:
    before = state(machine)
    code, told = install(desk, "--check", "--set", CREATE)
    assert code == 0, f"{told['error']} {told['problems']}"
    paths = {change["path"] for change in told["hosts"]["bot"]["changes"]}
    assert {"account dave", "account erin"} <= paths
    assert state(machine) == before


def test_missing_accounts_are_made(machine: Machine, desk: Desk) -> None:
    code, told = install(desk, "--set", CREATE)
    assert code == 0, f"{told['error']} {told['problems']}"
    report = told["hosts"]["bot"]
    paths = [change["path"] for change in report["changes"]]
    made = [path for path in paths if path.startswith("account ")]
    assert made == ["account kai", "account dave", "account erin"]
    assert "the bot starts codex as dave, and ends it" in report["verified"]
    assert "  sudo -iu dave /usr/local/bin/codex login" in report["login_notice"]
    for name in ("dave", "erin"):
        assert int(machine.run(["id", "-u", name]).stdout) >= 1000
        assert machine.run(["id", "-Gn", name]).stdout.split() == [name]
        home = machine.run(["stat", "-c", "%U %G %a", f"/home/{name}"]).stdout
        assert home == f"{name} {name} 700\n"
        assert machine.run(["passwd", "--status", name]).stdout.split()[1] == "L"
        assert machine.run(["touch", f"/home/{name}/.mark"], user=name).returncode == 0
    owner = machine.run(["stat", "-c", "%U", "/var/lib/kai/tmp/dave"]).stdout
    assert owner == "dave\n"


def test_a_second_run_changes_nothing(machine: Machine, desk: Desk) -> None:
    before = state(machine)
    code, told = install(desk)
    assert code == 0, f"{told['error']} {told['problems']}"
    assert told["hosts"]["bot"]["changes"] == []
    assert state(machine) == before
