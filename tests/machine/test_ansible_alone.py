"""The role by ansible-playbook alone, on a machine: its phases by their tags."""

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.machine.site import Site
from tests.testbed.machines import Machine

PHASES = ["validate", "preflight", "release", "configure", "service"]


@pytest.fixture(scope="module")
def site(machine: Machine) -> Iterator[Site]:
    # ssh's socket below this home has to have a short path
    with tempfile.TemporaryDirectory(prefix="desk-") as directory:
        yield Site(machine, Path(directory))


@pytest.fixture(scope="module")
def environment(ansible_environment: dict[str, str], site: Site) -> dict[str, str]:
    return {**ansible_environment, "HOME": str(site.desk.home)}


def play(
    site: Site, environment: dict[str, str], *arguments: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        site.playbook("install", *arguments),
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def listed(site: Site, environment: dict[str, str], *arguments: str) -> list[str]:
    """Return the names of the tasks that would be played."""
    shown = play(site, environment, "--list-tasks", *arguments)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    lines = shown.stdout.splitlines()
    return [line.split("TAGS:")[0].strip() for line in lines if "TAGS:" in line and " : " in line]


def test_a_phase_has_the_tasks_of_those_before_it(site: Site, environment: dict[str, str]) -> None:
    whole = listed(site, environment)
    tasks = {phase: listed(site, environment, f"--tags=kai_install_{phase}") for phase in PHASES}
    lengths = [len(tasks[phase]) for phase in PHASES]
    assert lengths[0] < lengths[1] < lengths[2] < lengths[3]
    for phase in PHASES:
        assert tasks[phase] == whole[: len(tasks[phase])]
    assert tasks["configure"] == tasks["service"] == whole
    assert len(listed(site, environment, "--tags=another")) == 1


@pytest.mark.parametrize("phase", PHASES[:3])
def test_no_phase_can_be_left_out_for_a_later_one(
    site: Site, environment: dict[str, str], phase: str
) -> None:
    before = site.everything()
    refused = play(site, environment, f"--skip-tags=kai_install_{phase}")
    assert refused.returncode == 2
    assert f"--skip-tags: found kai_install_{phase}" in refused.stdout
    assert site.everything() == before


def test_the_first_phases_change_nothing(site: Site, environment: dict[str, str]) -> None:
    before = site.everything()
    for phase in PHASES[:2]:
        done = play(site, environment, f"--tags=kai_install_{phase}")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "changed=0" in done.stdout
    assert site.everything() == before


def test_validation_names_what_is_wrong_and_reaches_no_host(
    site: Site, environment: dict[str, str]
) -> None:
    wrong = ["-e", "kai_install_agent_timeout_seconds=soon", "-e", "ansible_host=192.0.2.1"]
    refused = play(site, environment, "--tags=kai_install_validate", *wrong)
    assert refused.returncode == 2
    assert "kai_install_agent_timeout_seconds" in refused.stdout
    assert "UNREACHABLE" not in refused.stdout


def test_a_release_is_built_beside_the_live_one_and_then_only_switched_to(
    site: Site, environment: dict[str, str]
) -> None:
    built = play(site, environment, "--tags=kai_install_release")
    assert built.returncode == 0, built.stdout + built.stderr
    [release] = site.releases()
    assert site.machine.run(["ls", "/opt/kai"]).stdout.split() == ["installs", "releases"]
    done = play(site, environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The release is built" not in done.stdout
    assert site.health()["release"] == release
    assert site.run("status").report["problems"] == []

    site.new_release("next")
    before = site.health()
    built = play(site, environment, "--tags=kai_install_release")
    assert built.returncode == 0, built.stdout + built.stderr
    assert site.health() == before
    assert len(site.releases()) == 2
    assert site.run("status").report["problems"] == []
    print(site.run("status").report)
