"""Two runs never change a host at once, and one that was killed stops nobody."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import ROOT

if TYPE_CHECKING:
    from tests.testbed.machines import Machine

LOCK = "/run/kai-ansible.lock"
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
def playbook(contract: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that takes the lock, waits until it may go on, and gives the lock back."""
    look = {
        "service_user": "kai",
        "install_dir": "/opt/kai",
        "env_file": "/etc/kai/env",
        "sudoers_file": "/etc/sudoers.d/kai",
        "platforms": contract["platforms"],
        "exclusive": True,
    }
    tasks = [
        {"kai.bot.kai_probe": look, "register": "looked"},
        {"ansible.builtin.debug": {"var": "looked.probe.lock"}},
        {"name": "waiting", "ansible.builtin.wait_for": {"path": GO_ON}, "when": "waits | bool"},
        {
            "ansible.builtin.raw": f"truncate --no-create --size 0 {LOCK}",
            "when": "looked.probe.lock.taken",
        },
    ]
    path = tmp_path_factory.mktemp("playbook") / "run.json"
    play = {"hosts": "all", "gather_facts": False, "vars": {"waits": True}, "tasks": tasks}
    path.write_text(json.dumps([play]), encoding="utf-8")
    return path


@contextlib.contextmanager
def held_by(
    controller: Controller, playbook: Path, machine: "Machine"
) -> Iterator[subprocess.Popen[str]]:
    """Hold the lock, in a run that is in the middle of its work."""
    machine.run(["rm", "-f", GO_ON, LOCK])
    with controller.start(playbook) as running:
        assert running.stdout
        said = ""
        while "TASK [waiting]" not in said:
            line = running.stdout.readline()
            assert line, said
            said += line
        assert '"taken": true' in said
        try:
            yield running
        finally:
            # what outlived the run ends as well
            machine.run(["touch", GO_ON])
            running.communicate()


def test_a_second_install_from_the_same_machine_is_told_who_is_at_work(
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


def test_a_second_install_from_another_machine_is_told_who_is_at_work(
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
