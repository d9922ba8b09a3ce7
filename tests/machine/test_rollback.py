"""Going back to an earlier install: code, configuration and, when asked for, the database."""

import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.machine.site import IMPATIENT, PATIENT, Site, Snapshot
from tests.testbed.machines import Machine
from tests.waiting import until

pytestmark = pytest.mark.later(
    "rollbacks of line 1 and its database; test_line_2.py rolls a host back in every run"
)

DATABASE = "/var/lib/kai/kai.db"
# a bot that is always busy: one row after the other, each in two tables
_WRITER = """
import itertools, sqlite3, time
database = sqlite3.connect('/var/lib/kai/kai.db', timeout=30, isolation_level=None)
database.execute('PRAGMA journal_mode=WAL')
for table in ('history', 'echo'):
    database.execute(f'CREATE TABLE IF NOT EXISTS {table} (id INTEGER PRIMARY KEY, text TEXT)')
for number in itertools.count(1):
    database.execute('BEGIN IMMEDIATE')
    for table in ('history', 'echo'):
        database.execute(f'INSERT INTO {table} (text) VALUES (?)', (str(number) * 200,))
    database.execute('COMMIT')
    # the bot itself has to get its turn
    time.sleep(0.005)
"""
_ROWS = """
import json, sqlite3, sys
database = sqlite3.connect(f'file:{sys.argv[1]}?mode=ro', uri=True)
rows = [database.execute(f'SELECT count(*) FROM {t}').fetchone()[0] for t in ('history', 'echo')]
print(json.dumps([*rows, database.execute('PRAGMA integrity_check').fetchone()[0]]))
"""
_SAY = """
import sqlite3, sys
with sqlite3.connect('/var/lib/kai/kai.db', timeout=30) as database:
    for table in ('history', 'echo'):
        database.execute(f'INSERT INTO {table} (text) VALUES (?)', sys.argv[1:])
"""

INSTALLED = True


@pytest.fixture(scope="module")
def site(machine: Machine, snapshot: Snapshot) -> Iterator[Site]:
    """A host with two installs, the second one of another release while the bot wrote."""
    # ssh's socket below this home has to have a short path
    with tempfile.TemporaryDirectory(prefix="desk-") as directory:
        site = Site(machine, Path(directory), snapshot)
        machine.run(["systemd-run", "--unit=writer", "--uid=kai", "python3", "-c", _WRITER])
        written = ["test", "-s", f"{DATABASE}-wal"]
        until(lambda: machine.run(written, check=False).returncode == 0, "the bot writes")
        for name in ("history/1.jsonl", "memory/1/MEMORY.md", "files/photo", "home/1/notes"):
            path = f"/var/lib/kai/{name}"
            machine.run(
                ["install", "-D", "-o", "kai", "-m", "0640", "/dev/stdin", path], input=name
            )
        site.new_release("b")
        site.set(kai_install_agent_timeout_seconds=200)
        site.install()
        machine.run(["systemctl", "stop", "writer.service"])
        yield site


def rows(site: Site, path: str) -> Any:
    """Return how many rows a database has, twice over, and whether it is whole."""
    return json.loads(site.python(_ROWS, path))


def running(site: Site) -> tuple[str, str | None]:
    """Return release and timeout of the running bot, None for the default."""
    health = site.health()
    return health["release"], health["settings"].get("AGENT_TIMEOUT_SECONDS")


def installs(site: Site) -> list[dict[str, Any]]:
    """Return the verified installs."""
    return list(site.run("status").report["installs"])


# these tests build on each other and run in this order


def test_the_database_is_kept_whole_while_the_bot_writes(site: Site) -> None:
    assert [(entry["number"], entry["snapshot"]) for entry in installs(site)] == [
        (1, False),
        (2, True),
    ]
    copy = "/opt/kai/installs/2/kai.db"
    history, echo, verdict = rows(site, copy)
    assert (history, verdict) == (echo, "ok")
    assert 0 < history < rows(site, DATABASE)[0]
    kept = site.machine.run(["stat", "-c", "%U %a", copy, "/opt/kai/installs"]).stdout
    assert kept.split("\n")[:2] == ["root 600", "root 700"]


def test_a_rollback_brings_back_code_and_configuration_there_and_forth(site: Site) -> None:
    [first, second] = [entry["release"] for entry in installs(site)]
    assert running(site) == (second, "200")
    data, told = site.data(), rows(site, DATABASE)

    would = site.run("rollback", "--check")
    assert running(site) == (second, "200")
    back = site.run("rollback", "--yes")
    assert back.code == 0, back.text
    assert back.report["changes"] == would.report["changes"]
    assert back.report["rolled_back_to"] == 1
    assert back.report["seconds_without"] > 0
    assert "host_vars may differ" in back.report["notes"][0]
    assert running(site) == (first, None)

    forth = site.run("rollback", "--yes")
    assert forth.code == 0, forth.text
    assert running(site) == (second, "200")
    assert [entry["rolled_back_to"] for entry in installs(site)] == [None, None, 1, 2]
    assert (site.data(), rows(site, DATABASE)) == (data, told)


def test_a_release_can_be_gone_back_to_and_host_vars_bring_back_the_other(site: Site) -> None:
    [first, second] = dict.fromkeys(entry["release"] for entry in installs(site))
    data, told = site.data(), rows(site, DATABASE)
    assert site.run("rollback", "--yes", "--to", first).code == 0
    assert running(site) == (first, None)
    assert installs(site)[-1]["rolled_back_to"] == 3
    assert site.install()["release"] == second
    assert running(site) == (second, "200")
    assert (site.data(), rows(site, DATABASE)) == (data, told)


def failing_rollback(site: Site) -> str:
    """Roll back to an install whose bot does not answer any more, and return the failure."""
    kept = "/opt/kai/installs/1/deployed/0"
    site.machine.run(["cp", "-p", kept, "/root/kept"])
    site.machine.run(["sed", "-i", "$ a KAI_STANDIN_HEALTH_STATUS=500", kept])
    site.set(kai_install_health_timeout=IMPATIENT)
    done = site.run("rollback", "--yes", "--to", "1", "--with-database")
    site.set(kai_install_health_timeout=PATIENT)
    site.machine.run(["cp", "-p", "/root/kept", kept])
    assert done.code == 1
    return done.failure


def test_a_rollback_that_fails_leaves_what_was_live(site: Site) -> None:
    before, database = site.state(), rows(site, DATABASE)
    failure = failing_rollback(site)
    # the patience of today's host_vars, not that of the earlier install
    assert f"/health answers 500 for {IMPATIENT} s" in failure
    assert "The host is as it was before this run, and the bot answers again" in failure
    assert site.state() == before
    assert running(site)[1] == "200"
    assert rows(site, DATABASE) == database
    assert "before-rollback" not in site.machine.run(["ls", "/var/lib/kai"]).stdout


def test_a_rollback_that_fails_leaves_no_database_where_none_was(site: Site) -> None:
    # a bot that runs makes a database
    site.machine.run(["systemctl", "stop", "kai"])
    site.machine.run(["mv", DATABASE, "/root/kai.db"])
    failure = failing_rollback(site)
    there = site.machine.run(["ls", "/var/lib/kai"]).stdout.split()
    site.machine.run(["sh", "-c", "rm -f /var/lib/kai/kai.db*"])
    site.machine.run(["mv", "/root/kai.db", DATABASE])
    site.machine.run(["systemctl", "start", "kai"])
    site.wait_for_health()
    assert "the bot did not run then either" in failure
    unwanted = [name for name in there if name.endswith(".unwanted")]
    assert len(unwanted) == 1, there
    assert f"/var/lib/kai/{unwanted[0]}: the database that the rollback brought" in failure
    assert "kai.db" not in there


def test_what_is_not_there_cannot_be_gone_back_to(site: Site) -> None:
    before = site.state()
    done = site.run("rollback", "--yes", "--to", "nothing")
    assert done.code == 2
    [problem] = done.document["problems"]
    assert problem["found"] == "'nothing'"
    assert site.state() == before


def test_the_database_of_then_comes_back_when_asked_for(site: Site) -> None:
    then = rows(site, "/opt/kai/installs/2/kai.db")
    site.python(_SAY, "said later", user="kai")
    now = rows(site, DATABASE)
    assert now[0] > then[0]
    owner = site.machine.run(["stat", "-c", "%U %G %a", DATABASE]).stdout
    done = site.run("rollback", "--yes", "--to", "1", "--with-database")
    assert done.code == 0, done.text
    assert rows(site, DATABASE) == then
    assert site.machine.run(["stat", "-c", "%U %G %a", DATABASE]).stdout == owner
    aside = [
        name
        for name in site.machine.run(["ls", "/var/lib/kai"]).stdout.split()
        if ".before-rollback-" in name and not name.endswith(("-wal", "-shm"))
    ]
    assert [rows(site, f"/var/lib/kai/{name}") for name in aside] == [now]


def test_ansible_alone_rolls_back(site: Site, ansible_environment: dict[str, str]) -> None:
    extra = "--extra-vars=kai_install_rollback_to=2"
    done = subprocess.run(
        site.playbook("rollback", extra),
        cwd=ROOT,
        env=ansible_environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert running(site)[1] == "200"


def test_F1_data_stays_as_it_is_through_every_install(site: Site) -> None:
    data, told = site.data(), rows(site, DATABASE)
    for seconds in (201, 202):
        site.set(kai_install_agent_timeout_seconds=seconds)
        site.install()
    site.fault(HEALTH_STATUS="500")
    assert site.run("install").code == 1
    site.fault()
    assert site.run("rollback", "--yes").code == 0
    assert (site.data(), rows(site, DATABASE)) == (data, told)
    owner = site.machine.run(["stat", "-c", "%U %a", DATABASE]).stdout
    assert owner == "kai 600\n"


def test_a_database_that_is_no_database_stops_the_install(site: Site) -> None:
    before = site.state()
    site.new_release("c")
    machine = site.machine
    # as somebody who has the service user's rights would put it there
    machine.run(["install", "-m", "0600", "/dev/stdin", "/root/secret"], input="root's own")
    machine.run(["mv", DATABASE, f"{DATABASE}.real"])
    for plant, reason in (
        (
            ["cp", "/etc/passwd"],
            "cannot be copied (file is not a database), so nothing was switched",
        ),
        (
            ["ln", "-s", "/root/secret"],
            "found a link of kai, in a directory that root does not own alone",
        ),
    ):
        machine.run([*plant, DATABASE])
        machine.run(["chown", "-h", "kai", DATABASE])
        done = site.run("install")
        assert done.code == 1
        assert DATABASE in done.failure
        assert reason in done.failure
        assert site.state() == before
        machine.run(["rm", DATABASE])
    assert machine.run(["cat", "/root/secret"]).stdout == "root's own"
    machine.run(["mv", f"{DATABASE}.real", DATABASE])


def test_only_the_last_good_releases_are_kept_and_never_a_failed_one(site: Site) -> None:
    site.set(kai_install_keep_releases=2)
    [first, second] = dict.fromkeys(entry["release"] for entry in installs(site))
    failed = site.run("status").report["releases"]
    assert [entry["id"] for entry in failed if entry["state"] == "failed"]
    live = running(site)[0]
    report = site.install()
    assert site.releases() == sorted([live, report["release"]])
    gone = {first, second} - {live}
    assert set(report["removed_releases"]) == gone
    assert {entry["release"] for entry in installs(site)} == {live, report["release"]}
    assert site.run("rollback", "--yes", "--to", *gone).code == 2
    assert site.run("rollback", "--yes", "--to", live).code == 0


def test_status_reports_every_problem(site: Site) -> None:
    # after a rollback host_vars say something else
    assert site.run("status").report["problems"] == []
    site.machine.run(["systemctl", "disable", "--quiet", "--now", "kai.service"])
    done = site.run("status")
    assert done.code == 3
    found = [problem["found"] for problem in done.report["problems"]]
    assert found == ["not running", "not enabled"]
    assert done.text.count('"hosts"') == 1
