"""An install ends with a verified new bot, or with the host as it was, whenever it is cut short."""

import json
import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.machine.site import IMPATIENT, TOKEN, Site, mortal_python
from tests.testbed.machines import Machine
from tests.waiting import until

WAIT = {
    "unit": "kai",
    "env_file": "/etc/kai/env",
    "port_key": "WEBHOOK_PORT",
    "default_port": 8080,
}
MORE = pytest.mark.later(
    "more of switches; a first install and an upgrade that fail are in every run"
)
ADA = {"telegram_id": 1, "name": "Ada", "role": "admin", "os_user": "alice"}
DAVE = {"telegram_id": 4, "name": "Dave", "os_user": "dave"}
BOB = {"telegram_id": 2, "name": "Bob", "os_user": "bob"}


@pytest.fixture(scope="module")
def site(machine: Machine) -> Iterator[Site]:
    # ssh's socket below this home has to have a short path
    with tempfile.TemporaryDirectory(prefix="desk-") as directory:
        yield Site(machine, Path(directory), ansible_python_interpreter=mortal_python(machine))


def in_one_of(path: str, places: Iterable[str]) -> bool:
    """Return whether a path is one of the places, above one or below one."""
    return any(
        f"{place}/".startswith(f"{path}/") or path.startswith(f"{place}/") for place in places
    )


# these tests build on each other and run in this order


def test_L8_a_first_install_that_fails_leaves_nothing(site: Site) -> None:
    before = site.everything()
    site.fault(CRASH_AT_IMPORT="1")
    # accounts of people are made as well
    site.set(kai_install_users=[ADA, DAVE], kai_install_create_os_users=True)
    done = site.run("install")
    assert done.code == 1
    assert "kai is not healthy: the process ends again and again" in done.failure
    assert "RuntimeError: stand-in fault" in done.failure
    assert "the bot did not run then either" in done.failure
    assert TOKEN not in done.text
    [release] = site.releases()
    after = site.everything()
    made = after.keys() - before.keys()
    # the release for a look, and the log with the account whose it is
    places = (f"/opt/kai/releases/{release}", "/var/lib/kai/logs/kai.log", "/home/kai")
    assert [path for path in made if not in_one_of(path, places)] == []
    accounts = {f"/etc/{name}" for name in ("passwd", "shadow", "group", "gshadow")}
    assert {path for path in before if before[path] != after.get(path)} <= accounts
    assert "This stays: /var/lib/kai/logs: not empty, /var/lib/kai: not empty" in done.failure
    assert "account kai: it owns files that stay" in done.failure
    assert site.machine.run(["id", "dave"], check=False).returncode != 0
    site.set(kai_install_users=[ADA], kai_install_create_os_users=None)
    assert f"Release {release} stays in /opt/kai/releases for inspection" in done.failure
    status = site.run("status")
    assert status.code == 3
    assert status.report["releases"] == [{"id": release, "live": False, "state": "failed"}]


def test_L1_L5_an_install_is_done_when_the_bot_answers_and_comes_back_after_a_reboot(
    site: Site,
) -> None:
    site.fault()
    report = site.install()
    assert report["seconds_without"] is None
    assert report["verified"]
    site.machine.restart()
    until(lambda: site.run("status").code == 0, "the bot comes back")
    assert site.health()["release"] == report["release"]


def test_L8_an_upgrade_that_fails_leaves_the_host_as_it_was(site: Site) -> None:
    # a directory was widened, which an install fixes
    site.machine.run(["chmod", "0755", "/var/lib/kai/home/1"])
    before, live = (site.state(), site.data()), site.health()["release"]
    site.new_release("b")
    site.fault(HEALTH_STATUS="500")
    done = site.run("install")
    assert done.code == 1
    assert re.search(r"still bot: Switching and verifying \(\d+ s, at most", done.text)
    assert f", at most {IMPATIENT} s)" in done.text
    assert f"/health answers 500 for {IMPATIENT} s" in done.failure
    assert "The host is as it was before this run, and the bot answers again after" in done.failure
    # what it said before this start is of no use here
    assert done.failure.count("starting Kai") <= 3
    assert (site.state(), site.data()) == before
    assert site.health()["release"] == live
    assert "KAI_STANDIN" not in str(site.health()["settings"])
    allowed = ["sudo", "-n", "-H", "-u", "alice", "/usr/local/bin/codex", "--version"]
    assert site.machine.run(allowed, user="kai").returncode == 0
    status = site.run("status")
    assert status.report["problems"] == [], status.text
    # it is what host_vars say that the bot did not survive
    assert [entry["where"] for entry in status.report["drift"]] == [
        "/etc/kai/env: KAI_STANDIN_HEALTH_STATUS",
        "/etc/kai/kai-ansible.json: kai_install_health_timeout",
        "/var/lib/kai/home/1",
    ]
    assert sorted(entry["state"] for entry in status.report["releases"]) == ["failed", "good"]


@MORE
def test_L7_drift_of_owner_and_mode_is_repaired_and_reported(site: Site) -> None:
    site.new_release("b")
    site.fault()
    site.install()
    before = site.state()[0]
    site.machine.run(["chmod", "0644", "/etc/kai/users.yaml"])
    site.machine.run(["chown", "kai", "/etc/sudoers.d/kai"])
    report = site.install()
    paths = {change["path"] for change in report["changes"]}
    assert {"/etc/kai/users.yaml", "/etc/sudoers.d/kai"} <= paths
    after = site.state()[0]
    assert {path: entry for path, entry in after.items() if "installs" not in path} == {
        path: entry for path, entry in before.items() if "installs" not in path
    }


@MORE
def test_an_unchanged_install_neither_restarts_nor_records(site: Site) -> None:
    before = site.state(), site.health()["pid"]
    report = site.install()
    assert (report["changes"], report["seconds_without"]) == ([], None)
    assert (site.state(), site.health()["pid"]) == before


@MORE
def test_a_change_of_rules_alone_does_not_stop_the_bot(site: Site) -> None:
    pid = site.health()["pid"]
    site.machine.run(["sed", "-i", "1i # by hand", "/etc/sudoers.d/kai"])
    changes = {change["path"]: change["key"] for change in site.install()["changes"]}
    assert changes.pop("/etc/sudoers.d/kai") == ""
    # the record of this install, and of one that is too old by now
    assert {path.rpartition("/")[0] for path in changes} <= {"/opt/kai/installs"}
    assert site.health()["pid"] == pid


@MORE
def test_F7_everybody_works_in_their_own_directories_and_nobody_in_anothers(site: Site) -> None:
    site.set(kai_install_users=[ADA, BOB])
    assert (
        "each account works in its own directories and in no other account's"
        in (site.install()["verified"])
    )
    home = "/var/lib/kai/home/1"
    # what alice herself could open is closed again; tests/machine/test_ransom.py has more of it
    site.machine.run(["setfacl", "--modify", "u:bob:rwx", home])
    assert home in {change["path"] for change in site.install()["changes"]}
    site.machine.run(["usermod", "--append", "--groups", "kai", "bob"])
    done = site.run("install")
    site.machine.run(["gpasswd", "--delete", "bob", "kai"])
    assert done.code == 1
    assert f"bob can access {home}, which belongs to alice" in done.failure
    site.set(kai_install_users=[ADA])
    site.install()


CODEX = "/usr/local/bin/codex"
NO_AGENTS = {
    "sudo lets nobody start it": (f"echo 'kai ALL=(alice) !{CODEX}' >/etc/sudoers.d/zz", "sudo:"),
    "sudo lets nobody end it": (
        "echo 'kai ALL=(alice) !/bin/kill' >/etc/sudoers.d/zz",
        "sudo -n -u alice /bin/kill failed: sudo:",
    ),
    "it ends at once": (
        f"printf '#!/bin/sh\necho no such subcommand >&2; exit 3\n' >{CODEX}.new;"
        f"chmod 0755 {CODEX}.new; mv {CODEX} {CODEX}.good; mv {CODEX}.new {CODEX}",
        "it ended with exit code 3: no such subcommand",
    ),
}


@MORE
@pytest.mark.parametrize(("plant", "says"), NO_AGENTS.values(), ids=NO_AGENTS)
def test_an_agent_that_the_bot_cannot_use_is_no_success(
    site: Site, run_module: Callable[..., dict[str, Any]], plant: str, says: str
) -> None:
    record = f"/opt/kai/installs/{len(site.run('status').report['installs'])}/record.json"
    recorded = json.loads(site.machine.run(["cat", record]).stdout)["proof"]
    wait = {**WAIT, "timeout": recorded.pop("timeout")}
    proof = {**recorded, "wait": wait}
    what = "the bot starts codex as alice, and ends it"
    assert what in run_module("kai_proof", proof)["verified"]
    site.machine.run(["sh", "-c", plant])
    try:
        failed = run_module("kai_proof", proof)
    finally:
        repair = f"rm -f /etc/sudoers.d/zz; [ ! -e {CODEX}.good ] || mv {CODEX}.good {CODEX}"
        site.machine.run(["sh", "-c", repair])
    assert failed["failed"] is True
    assert f"{what} failed: " in failed["msg"]
    assert says in failed["msg"]
    left = site.machine.run(["pgrep", "-u", "alice", "-f", "app-server"], check=False)
    assert left.stdout == ""


@MORE
def test_L8_a_killed_ansible_and_a_reboot_can_be_taken_back(
    site: Site, ansible_environment: dict[str, str]
) -> None:
    site.fault(START_DELAY_SECONDS="60")
    site.set(kai_install_health_timeout=120)
    ansible = subprocess.Popen(
        site.playbook("install"),
        cwd=ROOT,
        env=ansible_environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    environment = ["cat", "/etc/kai/env"]
    until(lambda: "START_DELAY" in site.machine.run(environment).stdout, "the files are switched")
    os.killpg(ansible.pid, signal.SIGKILL)
    ansible.wait()
    site.machine.restart()
    assert site.run("status").report["unfinished"]
    taken_back = site.run("rollback", "--yes")
    assert taken_back.code == 0, taken_back.text
    assert "unfinished" in [change["before"] for change in taken_back.report["changes"]]
    assert "START_DELAY" not in site.machine.run(["cat", "/etc/kai/env"]).stdout
    assert site.run("status").report["problems"] == []


@MORE
def test_L4_health_counts_only_from_the_process_of_the_unit(
    site: Site, run_module: Callable[..., dict[str, Any]]
) -> None:
    site.machine.run(["systemctl", "stop", "kai.service"])
    server = ["python3", "-m", "http.server", "--bind", "127.0.0.1", "8080"]
    site.machine.run(["systemd-run", "--unit=foreign", *server])
    # the unit itself is up, but another one has the port
    site.machine.run(["systemctl", "start", "--no-block", "kai.service"])
    failed = run_module("kai_proof", {"wait": {**WAIT, "timeout": 20}})
    assert failed["failed"] is True
    assert "kai is not healthy: port 8080 is held by process" in failed["msg"]
    assert "http.server" in failed["msg"]
    site.machine.run(["systemctl", "stop", "foreign.service"])
