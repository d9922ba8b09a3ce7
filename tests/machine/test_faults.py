"""Whatever goes wrong during an install, a bot that was well before is well afterwards.

Each fault is planted on a host with a healthy bot, the install is another release with other
settings and other people, and afterwards the same install without the fault has to succeed.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machine.fault_list import (
    BUILD,
    CONNECTION_LOST,
    FAULTS,
    REFUSED,
    REPAIRED,
    SWITCH,
    TWO_FROM_ONE,
    TWO_FROM_TWO,
    Fault,
)
from tests.machine.site import ANOTHER_MACHINE, IMPATIENT, PATIENT, Site
from tests.machine.trial import Trial, as_told
from tests.testbed.machines import Machine

pytestmark = pytest.mark.later(
    "one of many faults; test_switch.py shows a failed install that comes back", apart=True
)

# small file systems that can be filled, and be made read-only
MACHINE_OPTIONS = (
    *("--tmpfs", "/opt/kai:size=400m,exec,mode=755"),
    *("--tmpfs", "/etc/kai:size=16m,mode=755"),
    *("--tmpfs", "/var/lib/kai:size=16m,mode=755"),
    *("--cap-add", "SYS_ADMIN"),
)
LOSE_CONNECTION = (
    "until [ -e /opt/kai/installs/pending/journal.json ]; do :; done;"
    "pkill -KILL --full 'sshd[-a-z]*: root'"
)


@pytest.fixture(scope="module")
def trial(machine: Machine, ansible_environment: dict[str, str]) -> Iterator[Trial]:
    # ssh's socket below this home has to have a short path
    with tempfile.TemporaryDirectory(prefix="desk-") as directory:
        yield Trial(Site(machine, Path(directory)), ansible_environment)


@pytest.mark.parametrize("fault", [pytest.param(fault, id=fault.title) for fault in FAULTS])
def test_L8_a_fault_leaves_the_bot_as_it_was_and_the_next_install_succeeds(
    trial: Trial, fault: Fault, request: pytest.FixtureRequest
) -> None:
    site, machine = trial.site, trial.site.machine
    trial.change(built=fault.at != BUILD)
    before, live = site.state(), site.health()
    site.set(**fault.settings, kai_install_health_timeout=IMPATIENT)
    for name, text in fault.files.items():
        (site.desk.source / name).write_text(text, encoding="utf-8")
    script, repair = (
        text.replace("{person}", trial.person) for text in (fault.plant, fault.repair)
    )

    with trial.recorded(fault.title, fault.outcome, request):
        try:
            if fault.at:
                with trial.held_at(fault.at) as ansible:
                    machine.run(["sh", "-c", script])
                    code, text = ansible.go_on()
            else:
                code, text = trial.run()
        finally:
            machine.run(["sh", "-c", repair])
            site.set(**dict.fromkeys(fault.settings), kai_install_health_timeout=PATIENT)
            for name in fault.files:
                (site.desk.source / name).unlink()
    as_told(fault.outcome, code, text, [fault.says.replace("{person}", trial.person)])
    assert site.state() == before
    assert {**site.health(), "pid": 0, "starts": 0, "started_at": ""} == {
        **live,
        "pid": 0,
        "starts": 0,
        "started_at": "",
    }
    trial.works()
    trial.is_tidy()
    trial.install()


def test_L8_an_install_whose_connection_is_lost_is_repaired_by_the_next(
    trial: Trial, request: pytest.FixtureRequest
) -> None:
    machine = trial.site.machine
    trial.change()
    with trial.recorded(CONNECTION_LOST, REPAIRED, request):
        with trial.held_at(SWITCH) as ansible:
            command = ["systemd-run", "--quiet", "--unit=cut", "sh", "-c", LOSE_CONNECTION]
            machine.run(command)
            code, text = ansible.go_on()
        assert code != 0
        assert "UNREACHABLE" in text
        trial.works()
    trial.is_tidy(killed=True)
    assert trial.site.run("status").report["unfinished"]
    trial.install()


@pytest.mark.parametrize(
    ("title", "elsewhere"), [(TWO_FROM_ONE, []), (TWO_FROM_TWO, ANOTHER_MACHINE)]
)
def test_of_two_installs_at_once_one_succeeds_and_the_other_is_refused(
    trial: Trial, title: str, elsewhere: list[str], request: pytest.FixtureRequest
) -> None:
    trial.change()
    with trial.recorded(title, REFUSED, request):
        with trial.held_at(SWITCH) as first:
            # a machine of its own has connections of its own
            sockets = f"/tmp/kai-{os.getpid()}-other"
            other = {"ANSIBLE_SSH_CONTROL_PATH_DIR": sockets} if elsewhere else {}
            code, text = trial.run(*elsewhere, **other)
            assert code != 0
            assert "another install or rollback of this host, by" in text
            assert f"process {first.process.pid} there" in text
            code, text = first.go_on()
            assert code == 0, text
        trial.works()
    trial.is_tidy()
