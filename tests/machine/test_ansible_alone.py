"""A laptop with ansible-core and nothing of ours but the collection: what it does is the same."""

import os
import subprocess
import tempfile
import venv
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.machine.site import Site
from tests.testbed.machines import Machine

PHASES_ALONE = pytest.mark.later(
    "the phases one by one; the whole is in every run, in two steps", apart=True
)
PHASES = ["validate", "preflight", "release", "configure", "service"]
# an install's record has its time, as compiled Python that of its source; the rest is written by
# the bot and its agents
NOT_OURS = ("/opt/kai/installs/", "/var/lib/kai/kai.db", "/var/lib/kai/logs/", "/home/alice/.codex")


class Laptop:
    """The home of an operator with a Python that has ansible-core alone, and the collection."""

    def __init__(self, site: Site, directory: Path) -> None:
        self.site = site
        venv.create(directory, with_pip=True)
        self.bin = directory / "bin"
        passed_on = ("LANG", "PIP_", "SSL_CERT", "REQUESTS_CA")
        kept = {name: value for name, value in os.environ.items() if name.startswith(passed_on)}
        path = f"{self.bin}:/usr/local/bin:/usr/bin:/bin"
        self.environment = {**kept, "HOME": str(site.desk.home), "PATH": path}
        self.run("pip", "install", "--quiet", f"ansible-core=={version('ansible-core')}")
        self.run("ansible-galaxy", "collection", "build", str(ROOT), "--output-path", "dist")
        [archive] = (site.desk.work / "dist").glob("*.tar.gz")
        self.run("ansible-galaxy", "collection", "install", str(archive))

    def run(self, program: str, *arguments: str, code: int = 0) -> str:
        """Run a program in the directory of the inventory, and return what it says."""
        done = subprocess.run(
            [str(self.bin / program), *arguments],
            cwd=self.site.desk.work,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        said = done.stdout + done.stderr
        assert done.returncode == code, said
        return said

    def play(self, *arguments: str, code: int = 0) -> str:
        """Play kai.bot.install, with the settings that Ansible has by itself."""
        given = ["-i", "inventory", f"--vault-password-file={self.site.desk.password_file}"]
        said = self.run("ansible-playbook", "kai.bot.install", *given, *arguments, code=code)
        assert "WARNING]" not in said
        return said

    def tasks(self, *arguments: str) -> list[str]:
        """Return the names of the tasks that would be played."""
        lines = self.play("--list-tasks", *arguments).splitlines()
        return [line.split("TAGS:")[0].strip() for line in lines if " : " in line]


@pytest.fixture(scope="module")
def site(machine: Machine) -> Iterator[Site]:
    # ssh's socket below this home has to have a short path
    with tempfile.TemporaryDirectory(prefix="desk-") as directory:
        yield Site(machine, Path(directory))


@pytest.fixture(scope="module")
def laptop(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Laptop:
    return Laptop(site, tmp_path_factory.mktemp("laptop") / "venv")


@PHASES_ALONE
def test_a_phase_has_the_tasks_of_those_before_it(laptop: Laptop) -> None:
    whole = laptop.tasks()
    tasks = {phase: laptop.tasks(f"--tags=kai_install_{phase}") for phase in PHASES}
    lengths = [len(tasks[phase]) for phase in PHASES]
    assert lengths[0] < lengths[1] < lengths[2] < lengths[3]
    for phase in PHASES:
        assert tasks[phase] == whole[: len(tasks[phase])]
    assert tasks["configure"] == tasks["service"] == whole
    assert len(laptop.tasks("--tags=another")) == 1


@PHASES_ALONE
def test_no_phase_can_be_left_out_for_a_later_one(laptop: Laptop) -> None:
    left_out = ",".join(f"kai_install_{phase}" for phase in PHASES[:3])
    refused = laptop.play(f"--skip-tags={left_out}", code=2)
    for phase in PHASES[:3]:
        assert f"kai_install_{phase}" in refused
    assert "failed=1" in refused
    assert "ok=0" in refused


@PHASES_ALONE
def test_the_first_phases_change_nothing(laptop: Laptop, site: Site) -> None:
    before = site.everything()
    for phase in PHASES[:2]:
        assert "changed=0" in laptop.play(f"--tags=kai_install_{phase}")
    assert site.everything() == before


def test_validation_names_what_is_wrong_and_reaches_no_host(laptop: Laptop) -> None:
    wrong = ["-e", "kai_install_agent_timeout_seconds=soon", "-e", "ansible_host=192.0.2.1"]
    refused = laptop.play("--tags=kai_install_validate", *wrong, code=2)
    assert "kai_install_agent_timeout_seconds" in refused
    assert "UNREACHABLE" not in refused


def made(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Return owner, group, mode and hash of what is new or another, as far as it is ours."""
    return {
        path: state
        for path, state in after.items()
        if before.get(path) != state and not path.startswith(NOT_OURS) and not path.endswith(".pyc")
    }


def test_it_makes_the_same_host_as_make_install_byte_for_byte(
    laptop: Laptop, site: Site, machine_factory: Callable[..., Machine]
) -> None:
    fresh = site.everything()
    # in two steps: a release that was built ahead is only switched to
    laptop.play("--tags=kai_install_release")
    [release] = site.releases()
    assert site.machine.run(["ls", "/opt/kai"]).stdout.split() == ["installs", "releases"]
    assert site.run("status").code == 3
    assert "Build the release]" not in laptop.play()
    assert site.health()["release"] == release
    by_ansible = made(fresh, site.everything())

    twin = machine_factory()
    hosts = {"all": {"hosts": {"bot": twin.inventory_entry()}}}
    first = site.machine
    site.desk.write("inventory/hosts.yml", hosts)
    site.machine = twin
    fresh = site.everything()
    site.install()
    by_make = made(fresh, site.everything())
    site.machine = first

    assert f"/opt/kai/releases/{release}/venv/bin/python" in by_make
    assert {"/etc/kai/env", "/etc/sudoers.d/kai", "/opt/kai/current"} <= set(by_make)
    different = {
        path for path in {*by_make, *by_ansible} if by_make.get(path) != by_ansible.get(path)
    }
    assert not different, {path: (by_ansible.get(path), by_make.get(path)) for path in different}
