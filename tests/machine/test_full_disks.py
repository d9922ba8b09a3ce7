"""A disk is full in a phase: the host is as before or the run says what to free, then it goes on.

tests/machine/test_faults.py fills the disks of a build and of the switch.
"""

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.machine.fault_list import LAY_OUT, PROOF, SWITCH_BACK
from tests.machine.site import IMPATIENT, PATIENT, Done, Site
from tests.machine.trial import Trial
from tests.testbed.machines import Machine

pytestmark = pytest.mark.later("one of many disks and phases; test_faults.py shows the others")

# the data lies below a disk and is none, so that a restore can exchange it
MACHINE_OPTIONS = (
    *("--tmpfs", "/opt/kai:size=400m,exec,mode=755"),
    *("--tmpfs", "/etc/kai:size=16m,mode=755"),
    *("--tmpfs", "/var/lib:size=64m,exec,mode=755"),
    *("--tmpfs", "/tmp:size=200m,exec,mode=1777"),
    *("--tmpfs", "/var/tmp:size=16m,mode=1777"),
    *("--tmpfs", "/root/.ansible:size=16m,mode=700"),
)
FILL = "dd if=/dev/zero of={0}/.filler bs=4k 2>/dev/null || :; df {0} | grep -q 100%"
FREE = "rm -f {0}/.filler"
TELLS = (
    *("No space left on device", "no room", "MB free", "room for", "disk is full"),
    *("no free space", "free some space", "Free some space"),
    "file system of /var/lib/kai is full",
)


class Filled(Trial):
    """A trial whose disks can be filled, and which runs any playbook."""

    playbook = "install"
    arguments: tuple[str, ...] = ()

    def command(self) -> list[str]:
        """Return the command of the playbook that is tried."""
        return self.site.playbook(self.playbook, *self.arguments)

    def fill(self, disk: str) -> None:
        """Leave nothing free on a disk."""
        self.site.machine.run(["sh", "-c", FILL.format(disk)])

    @contextmanager
    def filled(self, disk: str) -> Iterator[None]:
        """Let a disk be full meanwhile."""
        self.fill(disk)
        try:
            yield
        finally:
            self.free(disk)

    def free(self, disk: str) -> None:
        """Free it again."""
        self.site.machine.run(["sh", "-c", FREE.format(disk)])

    def seen(self) -> Any:
        """Return what nothing that fails may change."""
        health = {**self.site.health(), "pid": 0, "starts": 0, "started_at": ""}
        return self.site.state(), health, self.kept_data()

    def judge(self, disk: str, code: int, text: str, *, works: bool = True) -> None:
        """Fail unless a run succeeded, or reported why not; works: and the bot does."""
        assert "Traceback" not in text or not works, text
        if works:
            self.works()
        if code:
            assert any(words in text for words in TELLS), text
            # the mount, or a directory on it
            assert disk in text, text

    @contextmanager
    def unharmed(self, codes: list[int]) -> Iterator[None]:
        """Fail unless everything is afterwards as it was, once a run in it has failed."""
        before = self.seen()
        yield
        if any(codes):
            assert self.seen() == before


@pytest.fixture(scope="module")
def trial(machine: Machine, ansible_environment: dict[str, str]) -> Iterator[Filled]:
    # ssh's socket below this home has to have a short path
    with tempfile.TemporaryDirectory(prefix="desk-") as directory:
        yield Filled(Site(machine, Path(directory)), ansible_environment)


DISKS = ["/opt/kai", "/etc/kai", "/var/lib"]


@pytest.mark.parametrize("disk", [*DISKS, "/tmp", "/var/tmp", "/root/.ansible"])
def test_a_disk_that_is_full_from_the_start(trial: Filled, disk: str) -> None:
    trial.change()
    pid = trial.site.health()["pid"]
    codes: list[int] = []
    with trial.unharmed(codes), trial.filled(disk):
        done = trial.site.run("install")
        codes.append(done.code)
        trial.judge(disk, done.code, done.text)
        if done.code:
            assert trial.site.health()["pid"] == pid
        assert trial.site.run("status").code in (0, 1, 3)
    trial.install()


@pytest.mark.parametrize("task", [LAY_OUT, PROOF], ids=["layout", "proof"])
@pytest.mark.parametrize("disk", DISKS)
def test_a_disk_that_becomes_full_in_an_install(trial: Filled, disk: str, task: str) -> None:
    trial.change()
    trial.site.set(kai_install_health_timeout=IMPATIENT)
    codes: list[int] = []
    # a bot may not start on data that cannot be written, neither the new nor the former one
    starts = (disk, task) != ("/var/lib", PROOF)
    before = trial.site.state()
    with contextlib.ExitStack() as stack:
        if starts:
            stack.enter_context(trial.unharmed(codes))
        ansible = stack.enter_context(trial.held_at(task))
        stack.enter_context(trial.filled(disk))
        if not starts:
            trial.site.machine.run(["systemctl", "restart", "kai.service"])
        code, text = ansible.go_on()
        codes.append(code)
        trial.judge(disk, code, text, works=starts)
    if code:
        assert trial.site.state()[0] == before[0]
    trial.site.set(kai_install_health_timeout=PATIENT)
    trial.install()


@pytest.mark.parametrize("disk", DISKS)
def test_a_disk_that_becomes_full_in_a_rollback(trial: Filled, disk: str) -> None:
    trial.playbook = "rollback"
    codes: list[int] = []
    try:
        with trial.unharmed(codes), trial.held_at(SWITCH_BACK) as ansible, trial.filled(disk):
            code, text = ansible.go_on()
            codes.append(code)
            trial.judge(disk, code, text)
    finally:
        trial.playbook = "install"
    done = trial.site.run("rollback", "--yes")
    assert done.code == 0, done.text
    trial.works()
    trial.install()


@pytest.mark.parametrize("disk", DISKS)
def test_a_disk_that_is_full_for_backup_and_restore(trial: Filled, disk: str) -> None:
    site = trial.site
    made = site.run("backup")
    assert made.code == 0, made.text
    for arguments in (["backup"], ["restore", made.report["file"], "--yes"]):
        codes: list[int] = []
        with trial.unharmed(codes), trial.filled(disk):
            done: Done = site.run(*arguments)
            codes.append(done.code)
            trial.judge(disk, done.code, done.text)
    assert site.run("backup").code == 0
    done = site.run("restore", made.report["file"], "--yes")
    assert done.code == 0, done.text
    trial.works()
    assert trial.kept_data() == trial.data
    beside = ["find", "/var/lib", "-maxdepth", "1", "-name", ".kai*"]
    assert site.machine.run(beside).stdout == ""


@pytest.mark.parametrize("disk", ["/opt/kai", "/var/lib"])
def test_a_disk_that_is_full_for_a_removal(trial: Filled, disk: str) -> None:
    look = trial.command()
    with trial.filled(disk):
        done = trial.site.run("uninstall", "--yes")
        assert "Traceback" not in done.text
        if done.code:
            assert any(words in done.text for words in TELLS), done.text
            assert disk in done.text
    done = trial.site.run("uninstall", "--yes")
    assert done.code == 0, done.text
    assert trial.site.machine.run(["test", "-e", "/etc/kai/env"], check=False).returncode == 1
    installed = subprocess.run(
        look, cwd=ROOT, env=trial.environment, capture_output=True, text=True, check=False
    )
    assert installed.returncode == 0, installed.stdout + installed.stderr
    trial.works()
