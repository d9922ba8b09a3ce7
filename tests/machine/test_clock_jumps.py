"""A host and a controller whose clocks jump years ahead and back between runs.

Containers share the clock of their host, which no test may set. So the clock of kai-ansible is
shifted, and that of the Python that runs the modules; systemd, the bot and the times of files keep
theirs.
"""

import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.machine.site import Site, Snapshot
from tests.machine.test_before_the_first_change import HOLD
from tests.testbed.machines import Machine

INSTALLED = True
pytestmark = pytest.mark.later("the clock of each run is another one; tests/unit judges what asks")

YEAR = 365 * 86400
PYTHON = "/usr/local/bin/python-clock"
LIBRARY = "/usr/local/lib/clock"
OFFSET = "/run/clock"
PROOFS = "/run/kai-ansible.proofs"
_WRAPPER = f'#!/bin/sh\nPYTHONPATH={LIBRARY} exec /usr/bin/python3 "$@"\n'
_CLOCK = """
import datetime as _datetime, os, time
_offset = float(os.environ.get("CLOCK_OFFSET") or 0)
if os.path.exists("/run/clock"):
    _offset = float(open("/run/clock").read())
_time, _gmtime, _localtime, _strftime = time.time, time.gmtime, time.localtime, time.strftime
time.time = lambda: _time() + _offset
time.time_ns = lambda: int(time.time() * 1e9)
time.gmtime = lambda seconds=None: _gmtime(time.time() if seconds is None else seconds)
time.localtime = lambda seconds=None: _localtime(time.time() if seconds is None else seconds)
time.strftime = lambda text, then=None: _strftime(text, time.localtime() if then is None else then)
class datetime(_datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(time.time(), tz)
    def __repr__(self):
        # Ansible writes it into the program of a module
        return "datetime." + super().__repr__()
_datetime.datetime = datetime
"""


class Jumping(Site):
    """A site on which every run has a clock of its own."""

    offset = 0
    shifted: Path

    def jump(self, years: int) -> None:
        """Set the clocks so many years ahead of the real one."""
        self.offset = years * YEAR
        self.machine.run(["tee", OFFSET], input=str(self.offset))
        self.desk.variables.update(
            {"CLOCK_OFFSET": str(self.offset), "PYTHONPATH": str(self.shifted)}
        )

    @property
    def year(self) -> str:
        """The year of the shifted clock."""
        return time.strftime("%Y", time.gmtime(time.time() + self.offset))

    def installs(self) -> list[dict[str, Any]]:
        """Return the installs as status lists them."""
        seen = self.run("status")
        assert seen.code in (0, 3), seen.text
        found: list[dict[str, Any]] = seen.report["installs"]
        return found

    def proofs(self) -> list[float]:
        """Return when each proof that is remembered was made."""
        return [*json.loads(self.machine.run(["cat", PROOFS]).stdout).values()]


@pytest.fixture(scope="module")
def site(
    machine: Machine, snapshot: Snapshot, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Jumping]:
    for path, mode, text in (
        (PYTHON, "0755", _WRAPPER),
        (f"{LIBRARY}/sitecustomize.py", "0644", _CLOCK),
    ):
        machine.run(["install", "-D", "-m", mode, "/dev/stdin", path], input=text)
    # ssh's socket below this home has to have a short path
    with tempfile.TemporaryDirectory(prefix="desk-") as directory:
        site = Jumping(machine, Path(directory), snapshot, ansible_python_interpreter=PYTHON)
        site.shifted = tmp_path_factory.mktemp("clock")
        (site.shifted / "sitecustomize.py").write_text(_CLOCK, encoding="utf-8")
        yield site


# these tests build on each other and run in this order


def test_installs_keep_their_order_whatever_the_clock_said(site: Jumping) -> None:
    first = site.installs()[-1]["number"]
    years = []
    for number, (offset, name) in enumerate(((10, "ahead"), (-5, "behind")), start=1):
        site.jump(offset)
        site.new_release(name)
        site.install()
        years.append(site.year)
        last = site.installs()[-1]
        assert (last["number"], last["time"][:4]) == (first + number, site.year)
        assert last["release"] == site.health()["release"]
    assert years[0] > years[1]
    numbers = [entry["number"] for entry in site.installs()]
    assert numbers == sorted(numbers)


@pytest.mark.parametrize("offset", [-5, 10, 0])
def test_nothing_is_changed_by_a_clock_alone(site: Jumping, offset: int) -> None:
    site.jump(offset)
    pid = site.health()["pid"]
    assert site.run("status").report["drift"] == []
    assert site.install()["changes"] == []
    assert site.health()["pid"] == pid
    # a proof of the future is none: it would be believed for years
    now = time.time() + site.offset
    assert [when for when in site.proofs() if not 0 <= now - when < 7 * 86400] == []


def test_a_rollback_goes_to_the_install_before_not_to_the_older_time(site: Jumping) -> None:
    before = {entry["number"]: entry for entry in site.installs()}
    last = max(before)
    site.jump(-20)
    done = site.run("rollback", "--yes")
    assert done.code == 0, done.text
    assert site.health()["release"] == before[last - 1]["release"]
    newest = site.installs()[-1]
    assert newest["rolled_back_to"] == last - 1 or newest["number"] > last
    site.jump(0)
    site.install()
    assert site.health()["release"] == before[last]["release"]


def test_releases_are_pruned_by_the_order_of_installs(site: Jumping) -> None:
    live = site.health()["release"]
    site.set(kai_install_keep_releases=2)
    site.jump(-30)
    site.new_release("long ago")
    site.install()
    assert sorted([live, site.health()["release"]]) == site.releases()
    site.jump(0)
    done = site.run("rollback", "--yes")
    assert done.code == 0, done.text
    assert site.health()["release"] == live
    site.install()


@pytest.mark.parametrize("since", ["2026-01-02", "2046-01-02", "1970-01-01"])
def test_the_lock_asks_no_clock(site: Jumping, since: str) -> None:
    site.jump(10)
    site.python(HOLD.replace("2026-01-02", since))
    refused = site.run("install")
    assert refused.code == 2, refused.text
    assert since in refused.text
    # the same after its process has ended
    ended = HOLD.replace("2026-01-02", since).replace('"pid": 1,', '"pid": 4194000,')
    site.machine.run(["rm", "/run/kai-ansible.lock"])
    site.python(ended)
    site.install()
    site.jump(0)


def test_the_log_of_the_last_run_is_the_last_one(site: Jumping) -> None:
    logs = []
    for offset in (10, -5, 0):
        site.jump(offset)
        assert site.run("status").code == 0
        logs.append(site.desk.logs[-1])
    assert len({*logs}) == len(logs)
    assert logs == sorted(logs)
    events = [json.loads(line) for line in logs[1].read_text(encoding="utf-8").splitlines()]
    year = time.strftime("%Y", time.gmtime(time.time() - 5 * YEAR))
    assert events[0]["time"].startswith(year)


def test_a_backup_of_another_time_comes_back(site: Jumping) -> None:
    site.jump(10)
    made = site.run("backup")
    assert made.code == 0, made.text
    assert site.year in Path(made.report["file"]).name
    site.jump(-5)
    done = site.run("restore", made.report["file"], "--yes")
    assert done.code == 0, done.text
    site.jump(0)
    assert site.run("status").code == 0
