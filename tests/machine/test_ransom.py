"""Nothing that an agent can change or hold keeps a bot from being replaced, or from coming back."""

import itertools
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.machine.site import Done, Site
from tests.testbed.machines import Machine

pytestmark = pytest.mark.later(
    "what one account can hold, case by case; tests/unit judges the rules"
)

HOME = "/var/lib/kai/home/1"
ADA = {"telegram_id": 1, "name": "Ada", "role": "admin", "os_user": "alice"}
BOB = {"telegram_id": 2, "name": "Bob", "os_user": "bob"}
BACK = "The host is as it was before this run"

# every kind of thing that she may do to a directory of her own
OPEN = f"""
setfacl -m u:bob:x {HOME}
setfacl -d -m u:bob:rwx /var/lib/kai/memory/1
chmod 0777 /var/lib/kai/preferences/1
chmod 0 {HOME}/.claude
chgrp alice /var/lib/kai/tmp/alice
"""
CLOSED = f"getfacl -cp --skip-base {HOME} /var/lib/kai/memory/1"
OPENS_AGAIN = f"while :; do setfacl -m u:bob:x {HOME}; done"
# she ends whatever runs as her, and stops what she does not get to
ENDS_HER_OWN = "while :; do pkill -KILL -u alice -f [a]pp-server; done"
STOPS_HER_OWN = "while :; do pkill -STOP -u alice -f [a]pp-server; done"
TAKES_THE_PORT = """
import os, socket, time
while True:
    if os.fork() == 0:
        try:
            server = socket.create_server(("127.0.0.1", 8080))
            time.sleep(3600)
        except OSError:
            os._exit(0)
    os.wait()
"""
LISTENS_BESIDE = """
import socket, time
servers = [socket.create_server(("::1", 8080), family=socket.AF_INET6)]
servers.append(socket.create_server(("127.0.0.2", 8080)))
time.sleep(3600)
"""
IGNORES_THE_END = (
    "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(3600)"
)
WRITES = f"""
import os
os.chdir("{HOME}")
number = 0
while True:
    # a backup is through with what does not grow for ever
    number = (number + 1) % 20000
    try:
        os.makedirs(f"made/{{number % 50}}", exist_ok=True)
        open(f"made/{{number % 50}}/{{number}}", "w").close()
    except OSError:
        pass
"""


NUMBERS = itertools.count(1)


class Held(Site):
    """A site whose person does what she likes in the background."""

    def change(self) -> None:
        """Want another setting, so that the bot has to be replaced."""
        self.number = getattr(self, "number", 100) + 1
        self.set(kai_install_agent_timeout_seconds=self.number)

    def succeeds(self, *arguments: str) -> dict[str, Any]:
        """Run a command, which has to succeed; then the bot runs what it should."""
        done = self.run(*arguments)
        assert done.code == 0, done.text
        assert self.health()["status"] == "ok"
        return done.report

    @contextmanager
    def background(self, command: list[str], user: str = "alice") -> Iterator[None]:
        """Run a command as alice, or another account, outside of the bot's unit meanwhile."""
        # systemd forgets a unit of that name only after it has ended
        self.unit = f"hers-{next(NUMBERS)}.service"
        options = [f"--unit={self.unit}", f"--uid={user}", "--quiet", "--collect"]
        self.machine.run(["systemd-run", *options, *command])
        try:
            yield
        finally:
            self.machine.run(["systemctl", "kill", "--signal=KILL", self.unit], check=False)
            self.machine.run(["systemctl", "stop", self.unit], check=False)

    def is_at_work(self) -> bool:
        """Return whether that command still runs."""
        shown = ["systemctl", "is-active", "--quiet", self.unit]
        return self.machine.run(shown, check=False).returncode == 0


@pytest.fixture(scope="module")
def site(machine: Machine) -> Iterator[Held]:
    # ssh's socket below this home has to have a short path
    with tempfile.TemporaryDirectory(prefix="desk-") as directory:
        site = Held(machine, Path(directory))
        site.set(kai_install_users=[ADA, BOB], kai_install_health_timeout=30)
        site.install()
        yield site


def told(done: Done) -> str:
    return " ".join(done.report["notes"])


# these tests build on each other and run in this order


def test_what_she_opens_is_seen_and_closed(site: Held) -> None:
    site.machine.run(["sh", "-ec", OPEN], user="alice")
    opened = {HOME, f"{HOME}/.claude"}
    opened |= {f"/var/lib/kai/{name}" for name in ("memory/1", "preferences/1", "tmp/alice")}
    seen = site.run("status")
    assert opened <= {entry["where"] for entry in seen.report["drift"]}
    look = site.run("install", "--check")
    assert look.code == 0
    assert opened <= {change["path"] for change in look.report["changes"]}
    site.change()
    report = site.succeeds("install")
    assert (
        "each account works in its own directories and in no other account's" in report["verified"]
    )
    assert site.machine.run(["sh", "-c", CLOSED]).stdout == ""
    assert site.run("status").report["drift"] == []


def test_what_she_opens_again_and_again_stops_nothing(site: Held) -> None:
    with site.background(["sh", "-c", OPENS_AGAIN]):
        site.change()
        site.succeeds("install")
        site.change()
        site.succeeds("install")
        # which does not lay anything out
        assert "bob can access" in str(site.succeeds("rollback", "--yes")["notes"])
    site.succeeds("install")
    assert site.machine.run(["sh", "-c", CLOSED]).stdout == ""


def test_what_is_not_hers_to_open_is_refused_before_the_bot_is_touched(site: Held) -> None:
    pid = site.health()["pid"]
    site.machine.run(["usermod", "--append", "--groups", "kai", "bob"])
    site.change()
    refused = site.run("install")
    site.machine.run(["gpasswd", "--delete", "bob", "kai"])
    assert refused.code == 1
    assert f"bob can access {HOME}, which belongs to alice" in refused.failure
    assert "Nothing had been switched: the bot was not touched." in refused.failure
    assert site.health()["pid"] == pid


@pytest.mark.parametrize("script", [ENDS_HER_OWN, STOPS_HER_OWN], ids=["ended", "stopped"])
def test_an_agent_that_she_keeps_from_working_is_noted(site: Held, script: str) -> None:
    with site.background(["sh", "-c", script]):
        site.change()
        report = site.succeeds("install")
        [note] = [note for note in report["notes"] if "the bot starts codex as alice" in note]
        assert "the program starts elsewhere" in note
        assert "the bot starts codex as bob, and ends it" in report["verified"]
        back = site.succeeds("rollback", "--yes")
        assert "the bot starts codex as alice" in str(back["notes"])
    report = site.succeeds("install")
    assert report["notes"] == []
    assert "the bot starts codex as alice, and ends it" in report["verified"]


def test_a_bot_that_hangs_is_started_anew(site: Held) -> None:
    before = site.health()["pid"]
    site.machine.run(["systemctl", "kill", "--kill-whom=main", "--signal=STOP", "kai.service"])
    report = site.succeeds("install")
    assert report["seconds_without"] is not None
    assert site.health()["pid"] != before
    before = site.health()["pid"]
    report = site.succeeds("install")
    assert (site.health()["pid"], report["changes"]) == (before, [])
    site.machine.run(["systemctl", "stop", "kai.service"])
    site.succeeds("install")


def test_an_agent_that_ignores_its_end_does_not_keep_the_bot_away(site: Held) -> None:
    group = site.python(
        "import glob, subprocess;"
        "name = subprocess.run(['systemctl', 'show', '--property=ControlGroup', '--value', 'kai'],"
        "capture_output=True, text=True).stdout.strip();"
        "print(*glob.glob(f'/sys/fs/cgroup/*{name}/cgroup.procs')"
        "+ glob.glob(f'/sys/fs/cgroup{name}/cgroup.procs')"
        "+ glob.glob(f'/sys/fs/cgroup/systemd{name}/cgroup.procs'))"
    ).split()[0]
    with site.background(["python3", "-c", IGNORES_THE_END]):
        show = ["systemctl", "show", "--property=MainPID", "--value", site.unit]
        pid = site.machine.run(show).stdout.strip()
        site.machine.run(["sh", "-c", f"echo {pid} >{group}"])
        site.change()
        report = site.succeeds("install")
        # systemd would wait for a minute and a half
        assert report["seconds_without"] < 60
        assert site.machine.run(["kill", "-0", pid], check=False).returncode != 0


def test_who_takes_the_port_of_the_bot_gives_it_back(site: Held) -> None:
    with site.background(["python3", "-c", TAKES_THE_PORT]):
        site.change()
        report = site.succeeds("install")
        assert "was held by" in str(report["notes"])
    with site.background(["python3", "-c", LISTENS_BESIDE]):
        site.change()
        site.succeeds("install")
        site.succeeds("rollback", "--yes")
        assert site.is_at_work()
    site.succeeds("install")
    # what fails goes back as well as what succeeds
    site.fault(HEALTH_STATUS="500")
    site.set(kai_install_health_timeout=20)
    with site.background(["python3", "-c", TAKES_THE_PORT]):
        failed = site.run("install")
    assert failed.code == 1
    assert "and the bot answers again" in failed.failure, failed.failure
    site.fault()
    site.succeeds("install")


def test_who_writes_in_data_that_goes_stops_no_restore(site: Held) -> None:
    site.machine.run(["install", "-m", "0600", "/dev/null", f"{HOME}/kept"], user="alice")
    made = site.run("backup")
    assert made.code == 0, made.text
    archive = made.report["file"]
    site.machine.run(["rm", f"{HOME}/kept"], user="alice")
    with site.background(["python3", "-c", WRITES]):
        report = site.succeeds("restore", archive, "--yes")
        assert not site.is_at_work()
    assert [note for note in report["notes"] if "still in use" in note] == []
    beside = ["find", "/var/lib", "-maxdepth", "1", "-name", ".kai*"]
    assert site.machine.run(beside).stdout == ""
    names = site.machine.run(["ls", HOME]).stdout.split()
    assert "kept" in names
    assert "made" not in names
    # and one that fails brings the former data back
    site.fault(HEALTH_STATUS="500")
    with site.background(["python3", "-c", WRITES]):
        failed = site.run("restore", archive, "--yes")
    assert failed.code == 1
    assert "and the bot answers again" in failed.failure, failed.failure
    site.fault()
    site.succeeds("install")
    assert site.machine.run(beside).stdout == ""


LOCKS = """
import sqlite3, time
database = sqlite3.connect("/var/lib/kai/kai.db", isolation_level=None)
database.execute("BEGIN EXCLUSIVE")
time.sleep(3600)
"""


def test_who_locks_the_database_stops_no_upgrade(site: Held) -> None:
    site.machine.run(["sh", "-c", "echo >/var/lib/kai/files/x"], user="kai")
    table = "import sqlite3; sqlite3.connect('/var/lib/kai/kai.db').execute('CREATE TABLE x (y)')"
    site.python(table, user="kai")
    site.new_release("another")
    with site.background(["python3", "-c", LOCKS], user="kai"):
        site.succeeds("install")
        assert not site.is_at_work()
    [last] = [entry for entry in site.run("status").report["installs"] if entry["snapshot"]][-1:]
    assert last["release"] == site.health()["release"]


def test_an_account_with_another_number_gets_what_is_its_own(site: Held) -> None:
    work = f"{HOME}/work"
    site.machine.run(["mkdir", "-p", f"{work}/deep"], user="alice")
    site.machine.run(["touch", f"{work}/deep/file"], user="alice")
    site.machine.run(["usermod", "--uid", "4321", "alice"])
    seen = site.run("status")
    assert HOME in {entry["where"] for entry in seen.report["drift"]}
    site.succeeds("install")
    for path in (HOME, work, f"{work}/deep", f"{work}/deep/file"):
        assert site.machine.run(["stat", "-c", "%U", path]).stdout == "alice\n"
    site.machine.run(["touch", f"{work}/deep/new"], user="alice")
    assert site.run("status").report["drift"] == []


@pytest.mark.parametrize(
    ("path", "plant"),
    [
        ("/etc/kai/env", "ln -s /etc/passwd {path}"),
        ("/etc/kai/env", "mkfifo {path}"),
        ("/etc/kai/users.yaml", "mkdir {path}"),
        ("/etc/systemd/system/kai.service", "ln -s /etc/passwd {path}"),
    ],
)
def test_what_is_in_the_way_of_a_file_is_reported_with_what_clears_it(
    site: Held, path: str, plant: str
) -> None:
    pid = site.health()["pid"]
    site.machine.run(["sh", "-ec", f"mv {path} {path}.kept; {plant.format(path=path)}"])
    try:
        results = {command: site.run(command) for command in ("status", "doctor", "install")}
    finally:
        site.machine.run(["sh", "-ec", f"rm -d {path}; mv {path}.kept {path}"])
        site.machine.run(["systemctl", "daemon-reload"])
    assert {name: done.code for name, done in results.items()} == {
        "status": 3,
        "doctor": 3,
        "install": 2,
    }
    for name, done in results.items():
        assert f"mv {path} {path}.old" in done.text, (name, done.text)
    assert site.health()["pid"] == pid


def test_who_is_at_work_everywhere_stops_no_uninstall(site: Held) -> None:
    with site.background(["python3", "-c", WRITES]):
        done = site.run("uninstall", "--purge", "--no-backup", "--yes")
    assert done.code == 0, done.text
    assert site.machine.run(["ls", "/var/lib/kai"], check=False).returncode != 0
    assert site.machine.run(["id", "kai"], check=False).returncode != 0
    assert not [line for line in done.report["left"] if "/var/lib/kai" in line]
