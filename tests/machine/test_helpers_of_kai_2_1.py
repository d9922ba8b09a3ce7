"""The programs that root runs for the bot of Kai 2.1, on a machine with real sudo.

The parts of the release that they start are stand-ins, which print what they were given: no whole
tree of Kai 2.1 was at hand.
"""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kai_ansible.rules.principal_ids import principal_of_telegram
from tests.machine.site_2 import ADA, BEN, OF_2_1, Site2, become_kai_2_1
from tests.testbed.machines import Machine

pytestmark = pytest.mark.later(
    "only a source of Kai 2.1 has these programs; tests/unit runs each as a real account"
)

READER, MEMORY = "/etc/kai/read-principal-document", "/etc/kai/read-principal-memory"
POLICIES = "/etc/kai/manage-principal-policy"
HELPERS = (
    *(READER, MEMORY, POLICIES, "/etc/kai/manage-principal-preferences"),
    *("/etc/kai/provision-principal-workspace", "/etc/kai/provision-sponsored-workspace"),
)


@pytest.fixture(scope="module")
def site(machine: Machine) -> Iterator[Site2]:
    # ssh's socket below this home has to have a short path
    with tempfile.TemporaryDirectory(prefix="desk-") as directory:
        site = Site2(machine, Path(directory))
        become_kai_2_1(site.desk.source)
        site.install()
        yield site


def principal(site: Site2, telegram_id: int) -> str:
    return principal_of_telegram(site.workshop(), telegram_id)


def as_bot(site: Site2, *command: str) -> str:
    return site.machine.run(["sudo", "-n", *command], user="kai").stdout


# these tests build on each other and run in this order


def test_one_install_writes_them_all_with_the_users_they_know(site: Site2) -> None:
    for path in HELPERS:
        mode = "700" if path in (READER, POLICIES) else "755"
        assert site.machine.run(["stat", "-c", "%U:%G %a", path]).stdout == f"root:root {mode}\n"
    for user in (ADA, BEN):
        one = principal(site, int(str(user["telegram_id"])))
        home = site.machine.run(["cat", f"/var/lib/kai/home/{one}/AGENTS.md"]).stdout
        answer = json.loads(as_bot(site, READER, one, "principal_policy"))
        assert (answer["state"], answer["content"]) == ("present", home)
        memory = site.machine.run(["cat", f"/var/lib/kai/memory/{one}/MEMORY.md"]).stdout
        assert as_bot(site, MEMORY, one) == memory
    status = site.run("status")
    assert status.report["drift"] == [], status.text


def test_parts_of_the_release_run_as_root_with_fixed_words(site: Site2) -> None:
    ada, ben = principal(site, 1), principal(site, 2)
    words, uid = json.loads(as_bot(site, POLICIES, "write", ada, "0" * 64))
    assert (words[0], words[2:], uid) == ("--helper", ["write", ada, "0" * 64], 0)
    assert json.loads(words[1]) == {
        one: {"os_user": account, "path": f"/var/lib/kai/home/{one}/AGENTS.md"}
        for one, account in ((ada, "alice"), (ben, "bob"))
    }
    [words, uid] = json.loads(as_bot(site, "/etc/kai/manage-principal-preferences", "x"))
    assert (words, uid) == (["--helper", "/var/lib/kai", "x"], 0)


def test_nobody_else_may_run_them(site: Site2) -> None:
    for path in HELPERS:
        refused = site.machine.run(["sudo", "-n", path, "x"], user="alice", check=False)
        assert refused.returncode != 0
        assert "password is required" in refused.stderr


def test_a_second_run_changes_nothing_and_what_is_lost_comes_back(site: Site2) -> None:
    before = site.state(), site.health()["pid"]
    site.install()
    assert (site.state(), site.health()["pid"]) == before
    site.machine.run(["rm", READER])
    site.machine.run(["chmod", "0777", MEMORY])
    drift = {one["where"] for one in site.run("status").report["drift"]}
    assert drift == {READER, MEMORY}
    site.install()
    files, pid = site.state()[0], site.health()["pid"]
    # a helper is run anew each time, so the bot goes on
    assert ({path: files[path] for path in HELPERS}, pid) == (
        {path: before[0][0][path] for path in HELPERS},
        before[1],
    )


def test_a_rollback_to_a_source_without_them_takes_them_away(site: Site2) -> None:
    for path in OF_2_1.rglob("*.py"):
        (site.desk.source / "src" / path.relative_to(OF_2_1)).unlink()
    site.install()
    rules = site.machine.run(["cat", "/etc/sudoers.d/kai"]).stdout
    for path in HELPERS:
        assert path not in rules
        assert site.machine.run(["test", "-e", path], check=False).returncode == 1
    done = site.run("rollback", "--yes")
    assert done.code == 0, done.text
    assert json.loads(as_bot(site, READER, principal(site, 1), "file_memory"))["state"] == "present"


def test_who_is_not_root_finds_no_drift(site: Site2) -> None:
    with site.without_privilege():
        status = site.run("status")
    assert (status.report["as_root"], status.report["drift"]) == (False, []), status.text


def test_an_agent_that_stops_what_reads_as_it_keeps_no_install_away(site: Site2) -> None:
    stopper = "while :; do pkill -STOP -u alice -f read-principal-document; done"
    unit = ["systemd-run", "--unit=stopper", "--uid=alice", "sh", "-c", stopper]
    site.machine.run(unit)
    try:
        site.set(kai_install_default_timeout=77)
        site.install()
    finally:
        site.machine.run(["systemctl", "stop", "stopper.service"])


def test_after_a_restore_they_know_the_users_of_the_backup(site: Site2) -> None:
    become_kai_2_1(site.desk.source)
    before = principal(site, 1)
    done = site.run("backup")
    assert done.code == 0, done.text
    archive = done.report["file"]
    assert site.run("uninstall", "--purge", "--yes").code == 0
    site.install()
    assert principal(site, 1) != before
    restored = site.run("restore", archive, "--no-backup", "--yes")
    assert restored.code == 0, restored.text
    assert principal(site, 1) == before
    assert json.loads(as_bot(site, READER, before, "file_memory"))["state"] == "present"
    status = site.run("status")
    assert status.report["drift"] == [], status.text


def test_an_uninstall_removes_them(site: Site2) -> None:
    assert site.run("uninstall", "--yes").code == 0
    for path in HELPERS:
        assert site.machine.run(["test", "-e", path], check=False).returncode == 1
