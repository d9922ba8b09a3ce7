"""Root runs, reads and writes only what root alone can change, whatever hides who else can.

What an attacker leaves says who ran it: every program here writes its effective UID to a file.
"""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.machine.site import Done, Site
from tests.testbed.machines import Machine

pytestmark = pytest.mark.later(
    "one of many places; tests/unit/test_trusted_paths.py judges the rule"
)

RAN_AS = "/srv/ran-as"
ADA = {"telegram_id": 1, "name": "Ada", "role": "admin", "os_user": "alice"}
BEN = {"telegram_id": 2, "name": "Ben", "os_user": "bob", "agent_backend": "codex"}

# what a Python or an agent says, so that a check that runs it finds nothing wrong
WITNESS = f"""#!/bin/sh
id -u >>{RAN_AS}
case "$*" in
*--version*) echo 9.9 ;;
*) exec /usr/bin/python3 "$@" ;;
esac
"""
# Holds a write lease, so that a check that opens the file without waiting is told to come again;
# gives it up after that, so that a program that is run after the check does start.
LEASE = """
import fcntl, os, signal, sys, time
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGIO])
ready, tells = os.pipe()
if os.fork():
    os.read(ready, 1)
    sys.exit()
os.setsid()
for number in range(3):
    os.close(number)
while True:
    held = os.open(sys.argv[1], os.O_RDWR)
    try:
        fcntl.fcntl(held, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    except OSError:
        os.close(held)
        time.sleep(0.05)
        continue
    os.write(tells, b"x")
    signal.sigwait([signal.SIGIO])
    time.sleep(0.3)
    os.close(held)
    time.sleep(0.05)
"""
# everything that a check could want to see of a release that works
RELEASE = """
install -d {place}/releases/0123456789ab/venv/bin {place}/installs/1
ln -sfn releases/0123456789ab {place}/current
touch {place}/releases/0123456789ab/.complete
echo 'home = /usr/bin' >{place}/releases/0123456789ab/venv/pyvenv.cfg
install -m 0755 /srv/witness {place}/releases/0123456789ab/venv/bin/python
"""
ARCHIVE = "the backup"
# a bot is looked at and changed by these; logins alone has nothing to refuse
COMMANDS: list[tuple[str, ...]] = [
    ("install",),
    ("install", "--check"),
    ("status",),
    ("doctor",),
    ("rollback", "--yes"),
    ("backup",),
    ("restore", ARCHIVE, "--yes"),
    ("uninstall", "--yes"),
]


class Hunted(Site):
    """A site with a backup of its bot."""

    archive = ""

    def run(self, *arguments: str) -> Done:
        """Run a command, on the backup where it names ARCHIVE."""
        return super().run(*(self.archive if word == ARCHIVE else word for word in arguments))


@pytest.fixture(scope="module")
def site(machine: Machine) -> Iterator[Hunted]:
    machine.run(["install", "-m", "0755", "/dev/stdin", "/srv/witness"], input=WITNESS)
    machine.run(["chmod", "0755", "/home/alice", "/home/bob"])
    with tempfile.TemporaryDirectory(prefix="desk-") as directory:
        site = Hunted(machine, Path(directory))
        site.set(kai_install_health_timeout=120)
        site.install()
        # a rollback needs something to go back to
        site.set(kai_install_agent_timeout_seconds=123)
        site.install()
        site.archive = site.run("backup").report["file"]
        yield site


@pytest.fixture(autouse=True)
def on_record(machine: Machine, site: Hunted) -> Iterator[None]:
    """Every test begins with nothing run, and with the same variables."""
    variables = site.desk.host_vars("bot") / "kai.yml"
    before = variables.read_text(encoding="utf-8")
    machine.run(["install", "-m", "0666", "/dev/null", RAN_AS])
    yield
    variables.write_text(before, encoding="utf-8")


@pytest.fixture
def undone(machine: Machine) -> Iterator[Callable[[str], None]]:
    """Do something on the machine, and something else after the test."""
    after: list[str] = []

    def do(command: str, undo: str = "true") -> None:
        after.append(undo)
        machine.run(["sh", "-ec", command])

    yield do
    for command in reversed(after):
        machine.run(["sh", "-ec", command])


def ran_as(machine: Machine) -> set[str]:
    """Return the UIDs that ran what an attacker has left."""
    return set(machine.run(["cat", RAN_AS]).stdout.split())


def problem_of(done: Done, where: str) -> dict[str, str]:
    """Return the problem about a place, from any command."""
    document = done.document
    told = [*document.get("problems", ())]
    for host in document.get("hosts", {}).values():
        told += host.get("problems", ())
    told += document.get("bot", {}).get("problems", ())
    [found] = {str(problem): problem for problem in told if problem["where"] == where}.values()
    return dict(found)


def lease(machine: Machine, path: str, user: str) -> None:
    """Let an account hold a lease on a file of its own until the machine goes."""
    machine.run(["python3", "-c", LEASE, path], user=user)


def own_program(machine: Machine, user: str, name: str) -> str:
    """Return a program of an account's own that reports who runs it."""
    path = f"/home/{user}/{name}"
    machine.run(["install", "-m", "0755", "/srv/witness", path], user=user)
    return path


def test_a_python_of_an_account_is_not_run_by_root_whatever_lease_it_has(
    machine: Machine, site: Hunted, undone: Callable[..., None]
) -> None:
    path = own_program(machine, "alice", "python3")
    lease(machine, path, "alice")
    # what an administrator may have done, without any setting
    undone(f"ln -sfn {path} /usr/local/bin/python3", "rm -f /usr/local/bin/python3")
    site.new_release("leased")
    checked = site.run("install", "--check")
    assert checked.code == 0, checked.text
    assert ran_as(machine) == set()
    site.set(kai_install_python="/usr/local/bin/python3")
    refused = site.run("install", "--check")
    assert refused.code == 2, refused.text
    assert "is not for root to run, as it can be changed by alice (through " in refused.text
    assert "unknown accounts" in refused.text
    assert ran_as(machine) == set()


def test_the_module_that_builds_asks_again_before_it_runs_a_python(
    machine: Machine, run_module: Callable[..., dict[str, Any]]
) -> None:
    path = own_program(machine, "alice", "python4")
    lease(machine, path, "alice")
    machine.run(["sh", "-ec", "mkdir -p /srv/build; tar -czf /srv/build/a.tgz -T /dev/null"])
    built = run_module(
        "kai_release",
        {
            "path": "/srv/build/0123456789ab",
            "archive": "/srv/build/a.tgz",
            "python": path,
            "constraints": "constraints.txt",
            "module": "kai",
            "service_user": "kai",
        },
    )
    assert built["failed"] is True
    assert f"{path}: found a path that can be changed by alice" in built["msg"]
    assert ran_as(machine) == set()


def test_an_agent_of_another_account_is_not_run_whatever_lease_it_has(
    machine: Machine, site: Hunted
) -> None:
    path = own_program(machine, "bob", "codex")
    lease(machine, path, "bob")
    site.set(kai_install_codex_bin=path, kai_install_users=[ADA, BEN])
    for command in (("install", "--check"), ("install",), ("status",), ("doctor",)):
        done = site.run(*command)
        assert done.code in (2, 3), done.text
        assert f"{path!r}, which can be changed by bob" in done.text
    # asked for a login, the program would tell it
    assert site.run("logins", "--check").code == 3
    assert ran_as(machine) == set()


@pytest.mark.parametrize(
    ("place", "user", "commands"),
    [
        # as an account puts its own in the place of it, and as root made it once
        ("/home/kai/bot", "kai", COMMANDS),
        ("/home/kai/bot", "root", COMMANDS[1:3]),
        ("/tmp/kai", "kai", COMMANDS[1:3]),
        ("/tmp/kai", "root", COMMANDS[1:3]),
    ],
)
def test_nothing_runs_in_a_place_that_another_account_can_exchange(
    machine: Machine,
    site: Hunted,
    undone: Callable[..., None],
    place: str,
    user: str,
    commands: list[tuple[str, ...]],
) -> None:
    undone(f"runuser -u {user} -- sh -ec '{RELEASE.format(place=place)}'", f"rm -rf {place}")
    site.set(kai_install_install_dir=place)
    for command in commands:
        done = site.run(*command)
        assert done.code in (1, 2, 3), (command, done.text)
        assert ran_as(machine) == set(), command
        assert place in done.text, (command, done.text)
        assert f"(through {place.rpartition('/')[0]}" in done.text, (command, done.text)
    site.run("logins")
    assert ran_as(machine) == set()
    # and before there is anything
    machine.run(["rm", "-rf", place])
    done = site.run("install")
    assert done.code == 2
    assert "kai_install_install_dir" in problem_of(done, place)["fix"]


@pytest.mark.parametrize(
    "change",
    [
        "setfacl --modify u:kai:rwx /opt/kai",
        "chown alice /opt/kai/releases",
        "chmod g+w /opt/kai/installs; chgrp bob /opt/kai/installs",
    ],
)
def test_who_comes_in_by_a_list_or_an_owner_is_named_and_the_fix_works(
    machine: Machine, site: Hunted, undone: Callable[..., None], change: str
) -> None:
    undone(change, "chown -R root: /opt/kai; chmod -R go-w /opt/kai; setfacl -b /opt/kai")
    status, install = site.run("status"), site.run("install")
    assert (status.code, install.code) == (3, 2), status.text + install.text
    problem = problem_of(install, "/opt/kai")
    assert problem["found"].startswith("a path that can be changed by ")
    assert problem["fix"] == "chown -R root: /opt/kai && chmod -R go-w /opt/kai"
    for command in (("rollback", "--yes"), ("backup",), ("uninstall", "--yes")):
        done = site.run(*command)
        assert done.code in (1, 2), done.text
        assert problem["fix"] in done.text
    machine.run(["sh", "-ec", problem["fix"]])
    assert site.run("status").code == 0


def test_a_data_directory_below_a_home_is_refused(site: Hunted) -> None:
    site.set(kai_install_data_dir="/home/kai/data")
    for command in COMMANDS:
        done = site.run(*command)
        assert done.code in (1, 2, 3), done.text
        assert "/home/kai/data" in done.text
        assert "a path that can be changed by kai (through /home/kai)" in done.text


@pytest.mark.parametrize("name", ["wheels", "index", "uv"])
def test_what_a_build_uses_is_judged_before_anything_is_changed(
    machine: Machine, site: Hunted, undone: Callable[..., None], name: str
) -> None:
    site.new_release(f"with {name}")
    if name == "uv":
        path = own_program(machine, "alice", "uv")
        undone(f"ln -sfn {path} /usr/local/bin/uv", "rm -f /usr/local/bin/uv")
        where = "/usr/local/bin/uv"
    else:
        where = f"/home/alice/{name}"
        undone(f"install -d -o alice {where}", f"rm -r {where}")
        named = {"kai_install_wheelhouse": where}
        if name == "index":
            named = {"kai_install_index_url": f"file://{where}"}
        site.set(**named)
    done = site.run("install", "--check")
    assert done.code == 2, done.text
    assert "alice" in problem_of(done, where)["found"]
    assert ran_as(machine) == set()


def test_a_release_whose_python_became_somebodys_is_not_run(
    machine: Machine, site: Hunted, undone: Callable[..., None]
) -> None:
    path = own_program(machine, "alice", "python5")
    python = "$(readlink -f /opt/kai/current)/venv/bin/python"
    undone(
        f"cp -P {python} /srv/python; ln -sfn {path} {python}",
        f"cp -P --remove-destination /srv/python {python}",
    )
    done = site.run("status")
    assert done.code == 3
    assert "a Python that can be changed by alice" in done.text
    assert ran_as(machine) == set()


def test_an_account_that_is_root_by_another_name_runs_nothing(
    machine: Machine, site: Hunted, undone: Callable[..., None]
) -> None:
    undone(
        "useradd --non-unique --uid 0 --create-home toor\n"
        "install -m 0755 /srv/witness /home/toor/codex\n"
        f"echo 'id -u >>{RAN_AS}' >/home/toor/.profile\n"
        "install -D /dev/null /home/toor/.codex/auth.json",
        "sed -i '/^toor:/d' /etc/passwd /etc/shadow /etc/group /etc/gshadow; rm -r /home/toor",
    )
    site.set(kai_install_users=[{**ADA, "os_user": "toor"}])
    for path in ("/home/toor/codex", None):
        site.set(kai_install_codex_bin=path)
        for command in COMMANDS[:4]:
            done = site.run(*command)
            assert "'toor', which has the same UID as root" in done.text, (command, done.text)
        site.run("logins", "--check")
        assert "0" not in ran_as(machine), path


def test_the_service_user_is_never_root(
    machine: Machine, site: Hunted, undone: Callable[..., None]
) -> None:
    uid = machine.run(["id", "-u", "kai"]).stdout.strip()
    undone(
        "sed -i 's/^kai:x:[0-9]*:/kai:x:0:/' /etc/passwd",
        f"sed -i 's/^kai:x:0:/kai:x:{uid}:/' /etc/passwd",
    )
    before = site.state()[1]
    for command in (("status",), ("install",), ("rollback", "--yes"), ("doctor",), ("backup",)):
        done = site.run(*command)
        assert done.code != 0, (command, done.text)
        assert "UID 0" in done.text or "UID is 0" in done.text, (command, done.text)
    assert site.state()[1] == before
