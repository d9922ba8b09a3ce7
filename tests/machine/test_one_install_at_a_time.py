"""Two runs never change a host at once, and one that was killed stops nobody."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kai_ansible.rules.contract import Contract
from kai_ansible.rules.typed_data import as_data
from tests.conftest import ROOT

if TYPE_CHECKING:
    from tests.testbed.machines import Machine

pytestmark = pytest.mark.later("tests/unit/test_run_lock.py judges the lock; here controllers meet")

LOCK = "/run/kai-ansible.lock"
WORK = "/run/kai-ansible.work"
GO_ON = "/run/go-on"
# a machine of its own is one with processes of its own
ANOTHER_MACHINE = [
    "unshare",
    *(["--user", "--map-root-user"] if os.geteuid() else []),
    *("--pid", "--fork", "--mount-proc", "--kill-child"),
]


@dataclass(frozen=True)
class Controller:
    """Where Ansible runs: a machine with ssh connections of its own."""

    command: list[str]
    environment: dict[str, str]

    def start(self, playbook: Path, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self.command, str(playbook), *arguments],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )

    def look(self, playbook: Path, *arguments: str) -> dict[str, Any]:
        """Return what a run that begins now finds of the lock, and give it back."""
        with self.start(playbook, "--extra-vars", "waits=false", *arguments) as running:
            said = running.communicate()[0]
        assert running.returncode == 0, said
        text = said[said.index('"looked.probe.lock": ') :].partition(": ")[2]
        found: dict[str, Any] = json.JSONDecoder().raw_decode(text)[0]
        return found


@pytest.fixture(scope="module")
def controller(
    machine: "Machine",
    ansible_environment: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., Controller]:
    """Return a controller, by a name, that is this machine or another one."""

    def make(name: str, *before: str) -> Controller:
        # ssh's socket has to have a short path
        sockets = Path("/tmp") / f"kai-{os.getpid()}-{name}"
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        return Controller(
            [*before, program, "-i", str(machine.inventory)],
            {
                **ansible_environment,
                "ANSIBLE_SSH_CONTROL_PATH_DIR": str(sockets),
                "ANSIBLE_LOCAL_TEMP": str(tmp_path_factory.mktemp(name)),
            },
        )

    return make


@pytest.fixture(scope="module")
def here(controller: Callable[..., Controller]) -> Controller:
    return controller("here")


@pytest.fixture(scope="module")
def there(controller: Callable[..., Controller]) -> Controller:
    return controller("there", *ANOTHER_MACHINE)


@pytest.fixture(scope="module")
def begins(contract: Contract) -> dict[str, Any]:
    """The task with which a run begins."""
    look = {
        "service_user": "kai",
        "install_dir": "/opt/kai",
        "env_file": "/etc/kai/env",
        "sudoers_file": "/etc/sudoers.d/kai",
        "platforms": as_data(contract.platforms),
        "exclusive": True,
    }
    return {"kai.bot.kai_probe": look, "register": "looked"}


def written(directory: Path, tasks: list[dict[str, Any]], **variables: Any) -> Path:
    """Write a playbook with these tasks, and return its path."""
    play = {"hosts": "all", "gather_facts": False, "vars": variables, "tasks": tasks}
    path = directory / "run.json"
    path.write_text(json.dumps([play]), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def playbook(begins: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that takes the lock, waits until it may go on, and gives the lock back."""
    tasks = [
        begins,
        {"ansible.builtin.debug": {"var": "looked.probe.lock"}},
        {"name": "waiting", "ansible.builtin.wait_for": {"path": GO_ON}, "when": "waits | bool"},
        {
            "ansible.builtin.raw": f"truncate --no-create --size 0 {LOCK}",
            "when": "looked.probe.lock.taken",
        },
    ]
    return written(tmp_path_factory.mktemp("playbook"), tasks, waits=True)


@pytest.fixture
def rollback(tmp_path: Path) -> Path:
    """A rollback, with host_vars that no install would take, that waits for ``go-on`` beside it."""
    wait = f"until test -e {tmp_path}/go-on; do sleep 0.1; done"
    role = {"name": "kai.bot.kai_install", "tasks_from": "rollback.yml", "rolespec_validate": False}
    # what follows from kai_install_ variables is evaluated before the lock is taken
    gate = "{{ lookup('pipe', wait if waits | bool else 'true') != '' }}"
    return written(
        tmp_path,
        [{"ansible.builtin.import_role": role, "vars": {"_kai_install_with_database": gate}}],
        waits=True,
        kai_install_agent_backend="none",
        kai_install_users="nobody",
        kai_install_rollback_to=7,
        wait=wait,
    )


@contextlib.contextmanager
def held_by(
    controller: Controller, playbook: Path, machine: "Machine", task: str = "waiting"
) -> Iterator[subprocess.Popen[str]]:
    """Hold the lock, in a run that is in the middle of its work: this task."""
    machine.run(["rm", "-f", GO_ON, LOCK])
    with controller.start(playbook) as running:
        assert running.stdout
        said = ""
        while f"{task}]" not in said:
            line = running.stdout.readline()
            assert line, said
            said += line
        assert json.loads(machine.run(["cat", LOCK]).stdout)["pid"]
        try:
            yield running
        finally:
            # what outlived the run ends as well
            machine.run(["touch", GO_ON])
            playbook.with_name("go-on").touch()
            running.communicate()


def test_a_second_install_from_the_same_machine_reports_who_is_at_work(
    machine: "Machine", here: Controller, playbook: Path
) -> None:
    with held_by(here, playbook, machine) as first:
        seen = here.look(playbook)
        assert seen["taken"] is False
        assert seen["held_by"]["pid"] == first.pid
        assert "@" in seen["held_by"]["by"]
        # to look, without a change in mind, nobody needs the lock
        assert here.look(playbook, "--check")["held_by"] is None
    assert first.returncode == 0
    # given back, not judged
    assert machine.run(["cat", LOCK]).stdout == ""
    assert here.look(playbook)["taken"] is True


def test_a_rollback_reports_who_is_at_work_even_with_invalid_host_vars(
    machine: "Machine", here: Controller, playbook: Path, rollback: Path
) -> None:
    def told(*arguments: str) -> str:
        with here.start(rollback, "--extra-vars", "waits=false", *arguments) as running:
            said = running.communicate()[0]
        # there is no install of this number
        assert "to go back to: found '7'" in said, said
        assert running.returncode == 2
        return said

    with held_by(here, playbook, machine) as first:
        said = told()
        assert f"{LOCK}: found another install or rollback of this host, by " in said
        assert f"(process {first.pid} there, since " in said
        assert LOCK not in told("--check")
    assert LOCK not in told()
    # given back, though it failed
    assert machine.run(["cat", LOCK]).stdout == ""


def test_an_install_reports_a_rollback_at_work(
    machine: "Machine", here: Controller, playbook: Path, rollback: Path
) -> None:
    with held_by(here, rollback, machine, "may change the host") as first:
        assert here.look(playbook)["held_by"]["pid"] == first.pid
    assert here.look(playbook)["taken"] is True


def test_a_second_install_from_another_machine_reports_who_is_at_work(
    machine: "Machine", here: Controller, there: Controller, playbook: Path
) -> None:
    with held_by(here, playbook, machine) as first:
        assert there.look(playbook)["held_by"]["pid"] == first.pid
    with held_by(there, playbook, machine):
        assert here.look(playbook)["taken"] is False
    assert here.look(playbook)["taken"] is True


def test_a_run_that_was_killed_does_not_stop_the_next_one(
    machine: "Machine", here: Controller, playbook: Path
) -> None:
    with held_by(here, playbook, machine) as first:
        first.send_signal(signal.SIGKILL)
        first.wait()
        # its ssh connection stays for whoever comes next, which must not count
        assert list(Path(here.environment["ANSIBLE_SSH_CONTROL_PATH_DIR"]).iterdir())
        assert json.loads(machine.run(["cat", LOCK]).stdout)["pid"] == first.pid
        assert here.look(playbook)["taken"] is True


def test_what_a_killed_run_left_at_work_ends_before_the_next_one_goes_on(
    machine: "Machine",
    here: Controller,
    playbook: Path,
    begins: dict[str, Any],
    run_module: Callable[..., dict[str, Any]],
    tmp_path: Path,
) -> None:
    def seeds(**more: str) -> list[dict[str, str]]:
        return [{"path": "/srv/notes", "owner": "root", "mode": "0600", **more}]

    # whoever reads this waits for a writer
    machine.run(["sh", "-c", f"rm -f {LOCK}; mkdir /run/release; mkfifo /run/release/notes"])
    begun = {"path": "/srv/begun", "owner": "root", "mode": "0755"}
    tree = {"directories": [begun], "seeds": seeds(source="notes"), "release": "/run/release"}
    worker = written(tmp_path, [begins, {"kai.bot.kai_user_tree": tree}])
    at_work = ["sh", "-c", f"find /proc/[0-9]*/fd -lname {WORK} | wc -l"]
    nexts: list[Callable[[], dict[str, Any]]] = [
        lambda: here.look(playbook),
        lambda: run_module("kai_user_tree", {"seeds": seeds(fallback="second\n")}),
        lambda: run_module(
            "kai_switch",
            {
                "state": "restored",
                "install_dir": "/opt/kai",
                "unit": "kai",
                "unit_file": "/etc/systemd/system/kai.service",
            },
        ),
        lambda: run_module(
            "kai_installs", {"install_dir": "/opt/kai", "keep_releases": 2, "proof": {}}
        ),
    ]
    with here.start(worker) as first, ThreadPoolExecutor() as pool:
        try:
            machine.run(["sh", "-c", "until test -e /srv/begun; do sleep 0.1; done"], timeout=60)
            first.send_signal(signal.SIGKILL)
            first.wait()
            running = [pool.submit(begin) for begin in nexts]
            while int(machine.run(at_work).stdout) < 1 + len(nexts):
                assert not [one.result() for one in running if one.done()]
        finally:
            machine.run(["sh", "-c", "echo first >/run/release/notes"], timeout=60)
        found = [one.result() for one in running]
    assert not any(result.get("failed") for result in found), found
    assert found[0]["taken"] is True
    assert machine.run(["cat", "/srv/notes"]).stdout == "first\n"


def test_a_machine_that_vanished_does_not_stop_another_one(
    machine: "Machine", here: Controller, there: Controller, playbook: Path
) -> None:
    with held_by(there, playbook, machine) as first:
        first.send_signal(signal.SIGKILL)
        first.wait()
        inode = json.loads(machine.run(["cat", LOCK]).stdout)["connection"]
        gone = f'while grep -q " {inode} " /proc/net/tcp; do sleep 0.1; done'
        machine.run(["sh", "-c", gone], timeout=30)
        assert here.look(playbook)["taken"] is True


def test_a_reboot_of_the_host_does_not_stop_the_next_run(
    machine: "Machine", here: Controller, playbook: Path
) -> None:
    with held_by(here, playbook, machine):
        machine.restart()
        assert here.look(playbook)["taken"] is True
