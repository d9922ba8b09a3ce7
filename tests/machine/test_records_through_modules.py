"""Damaged records of a real host's installs: named, and found before anything is switched."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machine.damage import (
    EMPTY,
    FIFO,
    HUGE,
    LATIN,
    NESTED,
    TYPES,
    damage,
    named,
    refused_and_fixed,
    running,
)
from tests.machine.site import Site, Snapshot
from tests.testbed.machines import Machine

INSTALLED = True
RECORDS = "/opt/kai/installs"


pytestmark = pytest.mark.later(
    "each kind of damage of each record, one after the other on one machine"
)


@pytest.fixture(scope="module")
def site(machine: Machine, snapshot: Snapshot) -> Iterator[Site]:
    # ssh's socket below this home has to have a short path
    with tempfile.TemporaryDirectory(prefix="desk-") as directory:
        site = Site(machine, Path(directory), snapshot)
        site.new_release("b")
        site.install()
        yield site


@pytest.mark.parametrize("how", [LATIN, FIFO, NESTED, TYPES])
def test_an_older_record_is_reported_and_not_needed(site: Site, how: str) -> None:
    number = site.install()["install"] or len(site.machine.run(["ls", RECORDS]).stdout.split())
    [*_, older, _last] = sorted(
        int(name) for name in site.machine.run(["ls", RECORDS]).stdout.split() if name.isdecimal()
    )
    path = f"{RECORDS}/{older}/record.json"
    site.machine.run(["cp", "-a", path, "/root/record"])
    damage(site, how, path)
    status = site.run("status")
    assert status.code == 3, status.text
    named(status, path)
    assert older not in [entry["number"] for entry in status.report["installs"]]
    refused = site.run("rollback", "--to", str(older), "--yes")
    assert refused.code != 0
    named(refused, path)
    site.set(kai_install_agent_timeout_seconds=100 + number)
    report = site.install()
    assert any(path in note for note in report["notes"]), report
    # it may be among those that this install has removed
    back = f"rm -rf {path}; ! test -d {RECORDS}/{older} || mv /root/record {path}"
    site.machine.run(["sh", "-c", back])


@pytest.mark.parametrize("how", [EMPTY, HUGE, FIFO])
def test_the_last_record_is_named_before_the_switch_with_what_fixes_it(
    site: Site, how: str
) -> None:
    last = max(
        int(name) for name in site.machine.run(["ls", RECORDS]).stdout.split() if name.isdecimal()
    )
    path = f"{RECORDS}/{last}/record.json"
    damage(site, how, path)
    check = site.run("install", "--check")
    assert check.code != 0
    named(check, path)
    refused_and_fixed(site, path)
    # what is live is on record again, and was not restarted for it
    before = running(site)
    assert site.install()["install"] == last
    assert running(site) == before
    assert site.run("status").code == 0


@pytest.mark.parametrize("how", [LATIN, FIFO, NESTED])
def test_what_an_unfinished_install_left_is_named(site: Site, how: str) -> None:
    pending = f"{RECORDS}/pending"
    path = f"{pending}/journal.json"
    site.machine.run(["sh", "-c", f"mkdir -m 0700 {pending} && echo {{}} >{path}"])
    damage(site, how, path)
    for command in ("status", "rollback"):
        named(site.run(command, *(["--yes"] if command == "rollback" else [])), path)
    refused_and_fixed(site, path)
    site.install()


@pytest.mark.parametrize("name", ["original/state.json", "made"])
def test_an_uninstall_reads_what_it_needs_before_it_begins(site: Site, name: str) -> None:
    path = f"{RECORDS}/{name}"
    damage(site, "cp -a {0} /root/whole; echo no record >{0}", path)
    before = running(site)
    done = site.run("uninstall", "--yes")
    assert done.code != 0
    named(done, path)
    assert running(site) == before
    site.machine.run(["mv", "/root/whole", path])


def test_a_snapshot_that_is_damaged_is_found_while_the_bot_still_runs(site: Site) -> None:
    # only an install of another release keeps one
    site.new_release("with a snapshot")
    site.install()
    [*_, older, last] = sorted(
        int(name) for name in site.machine.run(["ls", RECORDS]).stdout.split() if name.isdecimal()
    )
    path = f"{RECORDS}/{last}/kai.db"
    site.machine.run(["test", "-s", path])
    damage(site, "printf X | dd of={} bs=1 seek=4000 conv=notrunc", path)
    before = running(site)
    done = site.run("rollback", "--to", str(older), "--with-database", "--yes")
    assert done.code != 0
    named(done, path)
    assert running(site) == before
