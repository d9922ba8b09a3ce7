"""Damaged files of a real host: named, and found before anything is switched."""

import re
import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.machine.site import Done, Site
from tests.testbed.machines import Machine

RECORDS = "/opt/kai/installs"
# a command that a fix names, up to the words behind it
COMMAND = re.compile(r"((?:mv|rm -r|sed -i) \S+(?: \S+?)?)(?=[,.] |\s*$)")
LATIN = r"printf '# caf\351\n' >>{}"
FIFO = "rm -r {0} && mkfifo {0}"
NESTED = """python3 -c 'print("["*100000)' >{}"""
DIRECTORY = "rm -rf {0} && mkdir {0}"
HUGE = "truncate -s 100G {}"
TYPES = """sed -i 's/"timeout": [0-9]*/"timeout": "soon"/' {}"""
EMPTY = ": >{}"
CUT = "truncate -s 40 {}"


@pytest.fixture(scope="module")
def site(machine: Machine) -> Iterator[Site]:
    # ssh's socket below this home has to have a short path
    with tempfile.TemporaryDirectory(prefix="desk-") as directory:
        site = Site(machine, Path(directory))
        site.set(kai_install_health_timeout=60)
        for release in "ab":
            site.new_release(release)
            site.install()
        yield site


def damage(site: Site, how: str, path: str) -> None:
    site.machine.run(["sh", "-c", how.format(path)])


def running(site: Site) -> tuple[Any, str]:
    return site.health()["pid"], site.machine.run(["readlink", "/opt/kai/current"]).stdout


def named(done: Done, path: str) -> None:
    assert path in done.text, done.text
    assert "Traceback" not in done.text, done.text
    assert "MODULE FAILURE" not in done.text, done.text


def refused_and_fixed(site: Site, path: str, *command: str) -> None:
    """Expect a command to be refused before it changes anything, and do what it says."""
    before = running(site)
    done = site.run(*(command or ("install",)))
    assert done.code == 2 or done.code == 1, done.text
    named(done, path)
    assert running(site) == before
    fixes = [problem["fix"] for problem in done.document["problems"]]
    for fix in fixes:
        found = COMMAND.search(fix)
        assert found, fix
        site.machine.run(shlex.split(found[1]))


@pytest.mark.parametrize("how", [LATIN, FIFO, NESTED, TYPES])
def test_an_older_record_is_told_and_not_needed(site: Site, how: str) -> None:
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
    site.new_release(f"{number}{how[:4]}")
    report = site.install()
    assert any(path in note for note in report["notes"]), report
    site.machine.run(["sh", "-c", f"rm -r {path}; mv /root/record {path}"])


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
    site.machine.run(["rm", "-r", f"{pending}.damaged"])


@pytest.mark.parametrize("how", [FIFO, DIRECTORY, HUGE])
@pytest.mark.parametrize("path", ["/etc/kai/env", "/etc/kai/kai-ansible.json"])
def test_what_is_no_file_hangs_nothing(site: Site, path: str, how: str) -> None:
    damage(site, how, path)
    for command in ("status", "doctor"):
        done = site.run(command)
        assert done.code == 3, done.text
        named(done, path)
    refused_and_fixed(site, path)
    site.install()
    assert site.run("status").code == 0
    site.machine.run(["rm", "-r", f"{path}.old"])


@pytest.mark.parametrize(
    ("path", "how"),
    [
        ("/etc/kai/users.yaml", LATIN),
        ("/etc/kai/env", LATIN),
        ("/etc/kai/users.yaml", NESTED),
        ("/etc/kai/kai-ansible.json", NESTED),
        ("/etc/kai/env", CUT),
        ("/etc/sudoers.d/kai", LATIN),
        ("/etc/systemd/system/kai.service", LATIN),
    ],
)
def test_a_deployed_file_that_is_no_text_is_named_and_brought_back(
    site: Site, path: str, how: str
) -> None:
    damage(site, how, path)
    for command in ("status", "doctor"):
        done = site.run(command)
        assert done.code == 3, done.text
        named(done, path)
    check = site.run("install", "--check")
    assert check.code == 0, check.text
    named(check, path)
    site.install()
    assert site.run("status").code == 0


@pytest.mark.parametrize("how", [LATIN, FIFO, NESTED, DIRECTORY])
def test_a_lock_that_is_no_record_is_named(site: Site, how: str) -> None:
    path = "/run/kai-ansible.lock"
    damage(site, how, path)
    refused_and_fixed(site, path)
    site.install()


@pytest.mark.parametrize("how", [LATIN, FIFO, NESTED, DIRECTORY])
def test_what_was_proven_before_is_only_a_help(site: Site, how: str) -> None:
    damage(site, how, "/run/kai-ansible.proofs")
    site.install()
    site.new_release(f"proofs {how[:6]}")
    site.install()
    site.machine.run(["rm", "-rf", "/run/kai-ansible.proofs"])


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
