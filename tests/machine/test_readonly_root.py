"""A host whose root file system is read-only, before a first install and below an installed bot."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.machine.site import Done, Site, Snapshot
from tests.testbed.machines import Machine

INSTALLED = True
MACHINE_OPTIONS = ("--cap-add", "SYS_ADMIN")
pytestmark = pytest.mark.later("every command on a host that cannot be written")

# Ansible itself needs a place for its modules, and the bot one for its data
KEEP = """
mount --bind /var/lib/kai /var/lib/kai
# who writes through the mount of / keeps it from being sealed
systemctl restart kai.service
for place in /root/.ansible /home/operator/.ansible; do
    mkdir -p $place
    mount -t tmpfs -o mode=0700 none $place
done
mount -t tmpfs -o mode=1777 none /tmp
mount -t tmpfs -o mode=1777 none /var/tmp
"""
SEAL = "mount -o remount,bind,ro /"
OPEN = "mount -o remount,bind,rw /"
SEAL_DATA = """
mount --bind /var/lib/kai /var/lib/kai
mount -o remount,bind,ro /var/lib/kai
"""
OPEN_DATA = "umount /var/lib/kai"


@pytest.fixture(scope="module")
def site(machine: Machine, snapshot: Snapshot) -> Iterator[Site]:
    # ssh's socket below this home has to have a short path
    with tempfile.TemporaryDirectory(prefix="desk-") as directory:
        site = Site(machine, Path(directory), snapshot)
        site.install()
        made = site.run("backup")
        assert made.code == 0, made.text
        machine.run(["sh", "-ec", KEEP])
        site.wait_for_health()
        yield site


@pytest.fixture
def sealed(site: Site) -> Iterator[Site]:
    """The site while nothing but the data can be written."""
    site.machine.run(["sh", "-ec", SEAL])
    assert site.machine.run(["touch", "/etc/kai/x"], check=False).returncode != 0
    yield site
    site.machine.run(["sh", "-ec", OPEN])


def refused(done: Done, place: str) -> None:
    """Fail unless a command named the place, what is wrong with it and what shows more."""
    assert done.code in (1, 2, 3), done.text
    assert place in done.text
    assert "ead-only" in done.text or "mounted for writing" in done.text, done.text
    assert "findmnt --target" in done.text
    assert "Traceback" not in done.text


def outside(site: Site) -> dict[str, Any]:
    """Return everything but the data, in which the bot writes meanwhile."""
    found = site.everything()
    return {path: state for path, state in found.items() if not path.startswith("/var/lib/kai/")}


def pid_of(site: Site) -> Any:
    return site.health()["pid"]


def test_what_only_looks_works(sealed: Site) -> None:
    pid = pid_of(sealed)
    seen = sealed.run("status")
    assert (seen.code, seen.report["drift"]) == (3, [])
    # a bot that works, and that no install could replace
    assert seen.report["service"]["health"] == 200
    assert {problem["where"] for problem in seen.report["problems"]} >= {"/opt/kai", "/etc/kai"}
    refused(seen, "/etc/sudoers.d")
    checked = sealed.run("doctor")
    assert checked.code == 3, checked.text
    assert "findmnt --target /etc/kai" in checked.text
    assert pid_of(sealed) == pid


def test_an_install_is_refused_before_anything_is_changed(sealed: Site) -> None:
    before, pid = outside(sealed), pid_of(sealed)
    sealed.set(kai_install_agent_timeout_seconds=101)
    for arguments in (["install", "--check"], ["install"]):
        done = sealed.run(*arguments)
        refused(done, "/etc/kai")
        assert done.code == 2
    sealed.new_release("another")
    refused(sealed.run("install"), "/opt/kai")
    assert outside(sealed) == before
    assert pid_of(sealed) == pid
    sealed.set(kai_install_agent_timeout_seconds=None)


def test_an_install_that_changes_nothing_needs_no_disk(sealed: Site) -> None:
    pid = pid_of(sealed)
    # the source that is live, not the one of the test before
    (sealed.desk.source / "templates" / "RELEASE").unlink(missing_ok=True)
    done = sealed.run("install")
    assert "Traceback" not in done.text
    if done.code:
        refused(done, "/")
    else:
        assert done.report["changes"] == []
    assert pid_of(sealed) == pid


def test_rollback_restore_and_uninstall_leave_everything_as_it_was(sealed: Site) -> None:
    backup = next((sealed.desk.work / "backups").iterdir())
    before, pid = outside(sealed), pid_of(sealed)
    for arguments in (
        ["rollback", "--yes"],
        ["restore", str(backup), "--yes"],
        ["backup"],
        ["uninstall", "--yes"],
        ["uninstall", "--purge", "--yes"],
    ):
        refused(sealed.run(*arguments), "/")
        assert outside(sealed) == before, arguments
        assert pid_of(sealed) == pid, arguments


def test_data_that_cannot_be_written_is_reported(site: Site) -> None:
    pid = pid_of(site)
    site.set(kai_install_agent_timeout_seconds=102)
    site.machine.run(["sh", "-ec", SEAL_DATA])
    try:
        done = site.run("install")
        refused(done, "/var/lib/kai")
        assert done.code == 2
        assert pid_of(site) == pid
        json.dumps(site.run("status").report)
    finally:
        site.machine.run(["sh", "-ec", OPEN_DATA])
    # once it can be written, the same command succeeds
    site.install()
    assert site.health()["settings"]["AGENT_TIMEOUT_SECONDS"] == "102"
    done = site.run("rollback", "--yes")
    assert done.code == 0, done.text
