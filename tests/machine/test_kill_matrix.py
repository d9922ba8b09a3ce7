"""An install that is killed, wherever that happens, leaves a healthy bot.

Ansible is killed before every single task that an upgrade, or the failure of one, comes to; the
switch is killed before every step of its own that others could see, and the host reboots.
The next install succeeds. One case of each phase, and all of the switch, belong to `make test`;
`make test-all` runs the whole.
"""

import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.conftest import ROOT
from tests.contract_files import data_of
from tests.machine.fault_list import (
    KILLED,
    KILLED_RESTORING,
    PROOF,
    REBOOT,
    REPAIRED,
    SUCCEEDS,
    SWITCH_KILLED,
    bot_that,
)
from tests.machine.site import PATIENT, Site, Snapshot, mortal_python
from tests.machine.trial import Trial, keep
from tests.testbed.machines import Machine

pytestmark = pytest.mark.later(
    "one of many moments; test_switch.py shows a killed install", apart=True
)

TASKS = ROOT / "roles" / "kai_install" / "tasks"
# what stands in the way is refused before any change; a bot of line 1 names its directories without
# a first start, and has no users whom host_vars do not name
NEVER = ("refuse.yml", "first_start.yml", "others.yml")


class Step(NamedTuple):
    """A task that a run comes to: its file, its name, and which one of that name it is."""

    phase: str
    task: str
    number: int

    def __str__(self) -> str:
        return f"{self.phase.removesuffix('.yml')}: {self.task} ({self.number})"


def named(file: str, tasks: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Return file and name of each task that begins, in the order in which the role lists them."""
    for task in tasks:
        static = task.get("ansible.builtin.import_tasks")
        dynamic = task.get("ansible.builtin.include_tasks")
        blocks = [task[part] for part in ("block", "rescue", "always") if part in task]
        if not static and not blocks:
            yield file, task["name"]
        for block in blocks:
            yield from named(file, block)
        included = static or (dynamic and dynamic["file"])
        if included and included not in NEVER:
            yield from named(included, read(included))


def read(file: str) -> list[dict[str, Any]]:
    """Return the tasks of a file of the role."""
    return list(data_of(TASKS / file))


def steps() -> list[Step]:
    """Return every task that an install may come to."""
    seen: Counter[str] = Counter()
    found = []
    for phase, task in named("main.yml", read("main.yml")):
        seen[task] += 1
        found.append(Step(phase, task, seen[task]))
    return found


REVERT = ("revert.yml", "undo_switch.yml")
UPGRADE = [step for step in steps() if step.phase not in REVERT]
RESTORING = [step for step in steps() if step.phase in REVERT]

INSTALLED = True

PENDING = "/opt/kai/installs/pending"
VISIBLE = [
    f"os.rename {PENDING}/former/manifest.json",
    f"os.rename {PENDING}/journal.json",
    "os.rename /etc/kai/env",
    "os.rename /etc/kai/users.yaml",
    "os.rename /etc/sudoers.d/kai",
    "os.rename /opt/kai/current",
    "subprocess.Popen ['systemctl', 'restart', 'kai.service']",
    "os.rename /run/kai-ansible.proofs",
    f"os.rename {PENDING}/deployed/manifest.json",
    f"os.rename {PENDING}/record.json",
]


@pytest.fixture(scope="module")
def trial(
    machine: Machine, snapshot: Snapshot, ansible_environment: dict[str, str]
) -> Iterator[Trial]:
    python = mortal_python(machine)
    # ssh's socket below this home has to have a short path
    with tempfile.TemporaryDirectory(prefix="desk-") as directory:
        site = Site(machine, Path(directory), snapshot, ansible_python_interpreter=python)
        yield Trial(site, ansible_environment)


@pytest.mark.parametrize("step", UPGRADE, ids=str)
def test_L8_ansible_killed_before_a_task_is_repaired_by_the_next_install(
    trial: Trial, step: Step, request: pytest.FixtureRequest
) -> None:
    # only what is not built yet is looked at twice, and built
    trial.change(built=step.phase != "release.yml" and step.number == 1)
    with trial.recorded(KILLED, REPAIRED, request):
        with trial.held_at(step.task, step.number) as ansible:
            ansible.kill()
        trial.works()
    trial.is_tidy(killed=True)
    trial.install()


@pytest.mark.parametrize("step", RESTORING, ids=str)
def test_L8_ansible_killed_while_it_restores_is_repaired_by_the_next_install(
    trial: Trial, step: Step, request: pytest.FixtureRequest
) -> None:
    trial.change()
    with trial.recorded(KILLED_RESTORING, REPAIRED, request):
        trial.site.set(kai_install_health_timeout=2, **bot_that(HEALTH_STATUS="500"))
        with trial.held_at(step.task, step.number) as ansible:
            ansible.kill()
        # what is live now was never verified, so it may go without a word
        trial.site.set(kai_install_health_timeout=PATIENT, kai_install_extra_env=None)
        trial.is_tidy(killed=True)
        # an unhealthy bot stays one until somebody acts
        trial.install()


@pytest.mark.parametrize("deadly", VISIBLE)
def test_L8_a_killed_switch_and_a_reboot_are_repaired_by_the_next_install(
    trial: Trial, deadly: str, request: pytest.FixtureRequest
) -> None:
    trial.change()
    with trial.recorded(SWITCH_KILLED, REPAIRED, request):
        trial.site.cut_short(deadly)
        # the bot that still runs has the rules that it started with
        trial.works()
    trial.site.machine.restart()
    trial.works()
    trial.is_tidy(killed=True)
    trial.install()


def test_L5_a_host_that_is_booted_again_before_the_proof_is_verified_then(
    trial: Trial, request: pytest.FixtureRequest
) -> None:
    trial.change()
    with trial.held_at(PROOF) as ansible:
        began = time.monotonic()
        trial.site.machine.restart()
        trial.works()
        seconds = time.monotonic() - began
        code, text = ansible.go_on()
    assert code == 0, text
    assert trial.answers()["users"][1]["name"] == trial.person
    trial.is_tidy()
    keep(REBOOT, SUCCEEDS, seconds, request)
