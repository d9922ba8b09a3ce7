"""The verbs restart, logs and upgrade on a machine with systemd."""

import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from tests.cli.desk import TOKEN, exit_code
from tests.machine.site import Site, Snapshot
from tests.testbed.machines import Machine

pytestmark = pytest.mark.later(
    "restart, log and upgrade on a host; tests/cli judges what these commands make of their options"
)

INSTALLED = True


@pytest.fixture(scope="module")
def site(machine: Machine, snapshot: Snapshot) -> Iterator[Site]:
    """A host with one install."""
    # ssh's socket below this home has to have a short path
    with tempfile.TemporaryDirectory(prefix="desk-") as directory:
        yield Site(machine, Path(directory), snapshot)


def pid(site: Site) -> str:
    """Return the process of the bot."""
    shown = ["systemctl", "show", "kai.service", "--property=MainPID", "--value"]
    return str(site.machine.run(shown).stdout.strip())


def test_a_restart_brings_another_process_that_answers(site: Site) -> None:
    before = pid(site)
    checked = site.run("restart", "--dry-run")
    assert (checked.code, pid(site)) == (0, before), checked.text
    done = site.run("restart")
    assert done.code == 0, done.text
    assert 0 < done.report["seconds_without"] < 60
    assert pid(site) not in (before, "0")
    site.wait_for_health()


def test_a_bot_that_is_not_there_is_not_restarted_silently(site: Site) -> None:
    site.machine.run(["systemctl", "disable", "--now", "kai.service"])
    try:
        done = site.run("restart")
        assert done.code == 1
        assert "kai-ansible install" in done.failure
    finally:
        site.machine.run(["systemctl", "enable", "--now", "kai.service"])
        site.wait_for_health()


def test_the_log_is_the_bots_and_has_no_secret(site: Site) -> None:
    done = site.run("logs", "--lines", "20")
    assert done.code == 0, done.text
    assert 0 < len(done.report["lines"]) <= 20
    assert TOKEN not in done.text
    plain = site.desk.run("logs", "-n", "3")
    # the log alone, so that it can be piped
    assert plain.stdout.splitlines() == site.run("logs", "-n", "3").report["lines"]


def test_a_log_is_followed_until_ctrl_c(site: Site) -> None:
    child = site.desk.spawn("logs", "--follow", "--lines", "1")
    child.expect(r"\d{4}-\d\d-\d\dT")
    site.machine.run(["systemctl", "restart", "kai.service"])
    child.expect("Started|Starting|Stopped|Stopping")
    child.sendcontrol("c")
    child.expect(pexpect.EOF)
    assert exit_code(child) == 0
    site.wait_for_health()


def test_an_upgrade_keeps_the_new_source_and_can_be_undone(site: Site) -> None:
    other = site.desk.directory / "newer"
    shutil.copytree(site.desk.source, other)
    (other / "templates" / "RELEASE").write_text("newer\n", encoding="utf-8")
    site.set(kai_install_agent_timeout_seconds=300)
    done = site.run("upgrade", "--source", str(other), "--yes")
    assert done.code == 0, done.text
    assert site.desk.settings("bot")["kai_install_source"] == str(other)

    listed = site.run("rollback", "--list")
    numbers = [install["number"] for install in listed.report["installs"]]
    assert numbers == list(range(len(numbers), 0, -1))
    assert len(numbers) == 2
    table = site.desk.run("rollback", "--list").stdout
    assert "Number  Time" in table
    assert "can be restored" in table


@pytest.mark.parametrize("columns", [80, 120])
def test_a_rollback_shows_what_it_goes_back_to_and_what_that_changes(
    site: Site, columns: int
) -> None:
    child = site.desk.spawn("rollback", "--to", "1", dimensions=(50, columns))
    # three runs of Ansible come before the question
    child.timeout = 180
    child.expect(r"Roll bot back to install 1\? \[no\]: ")
    said = child.before
    assert re.search(r"from install 2 \(release \w+, 20\S+\) back to\s+install 1 \(release", said)
    assert "AGENT_TIMEOUT_SECONDS" in said
    assert "would change" in said
    child.sendline("")
    child.expect("Nothing was changed")
    child.expect(pexpect.EOF)
    assert exit_code(child) == 0
