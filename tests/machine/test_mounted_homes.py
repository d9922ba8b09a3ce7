"""File systems that are mounted below users' directories: FUSE, bind mounts, servers that hang.

A user's FUSE file system lets nobody else in, root included. The server here reads every request
and answers none, so that not even a killed process gets away from it.
"""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.machine.site import Done, Site, Snapshot
from tests.testbed.machines import Machine

INSTALLED = True
MACHINE_OPTIONS = ("--device", "/dev/fuse", "--cap-add", "SYS_ADMIN")
pytestmark = [
    pytest.mark.later("mounts of users, case by case; tests/unit judges the walk and the rules"),
    pytest.mark.skipif(not Path("/dev/fuse").exists(), reason="this host has no FUSE"),
]

HOME = "/var/lib/kai/home/1"
# a machine that is busy with other tests included
LIMIT_SECONDS = 300
# usage: PLACE USER OPTIONS; fuse(4): header of 40 bytes, the answer has one of 16 and 64 of INIT
SERVER = """
import ctypes, os, pwd, struct, sys
place, user, options = sys.argv[1:]
account = pwd.getpwnam(user)
libc = ctypes.CDLL(None, use_errno=True)
fuse = os.open("/dev/fuse", os.O_RDWR)
data = f"fd={fuse},rootmode=40000,user_id={account.pw_uid},group_id={account.pw_gid}{options}"
if libc.mount(b"silent", place.encode(), b"fuse", 6, data.encode()):
    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), place)
while True:
    request = os.read(fuse, 1 << 20)
    _size, opcode, unique = struct.unpack_from("IIQ", request)
    if opcode == 26:
        answer = struct.pack("IIIIHHIIHHI28x", 7, 31, 0, 0, 12, 9, 4096, 1, 0, 0, 0)
        os.write(fuse, struct.pack("IiQ", 16 + len(answer), 0, unique) + answer)
"""
# what lies elsewhere and is hers as well
BIND = f"""
install -d -o alice /srv/precious/deep {HOME}/bound
echo kept >/srv/precious/deep/file
echo kept >/srv/one
chown -R alice: /srv/precious
mount --bind /srv/precious {HOME}/bound
touch {HOME}/one
mount --bind /srv/one {HOME}/one
"""
UNBIND = f"umount {HOME}/bound {HOME}/one"
PRECIOUS = "cat /srv/precious/deep/file /srv/one; stat -c %u /srv/precious /srv/precious/deep/file"


class Mounted(Site):
    """A site where a user mounts a file system that does not answer."""

    number = 100

    def change(self) -> None:
        """Want another setting, so that the bot has to be replaced."""
        self.number += 1
        self.set(kai_install_agent_timeout_seconds=self.number)

    def timely(self, *arguments: str) -> Done:
        """Run a command, which has to end in time."""
        begun = time.monotonic()
        done = self.run(*arguments)
        assert time.monotonic() - begun < LIMIT_SECONDS, done.text
        return done

    @contextmanager
    def silent(self, place: str, options: str = "") -> Iterator[None]:
        """Let a FUSE file system of alice be mounted there meanwhile, as fusermount does it."""
        self.machine.run(["install", "-d", "-o", "alice", place])
        unit = f"silent-{place.strip('/').replace('/', '-')}"
        command = ["python3", "-c", SERVER, place, "alice", options]
        self.machine.run(["systemd-run", f"--unit={unit}", "--quiet", "--collect", *command])
        wait = f"until grep -q '^silent {place} ' /proc/mounts; do sleep 0.05; done"
        self.machine.run(["sh", "-c", wait], timeout=30)
        try:
            yield
        finally:
            # without its server everything that waits gets an error
            self.machine.run(["systemctl", "kill", "--signal=KILL", unit], check=False)
            self.machine.run(["umount", "--lazy", place], check=False)


@pytest.fixture(scope="module")
def site(machine: Machine, snapshot: Snapshot) -> Iterator[Mounted]:
    # ssh's socket below this home has to have a short path
    with tempfile.TemporaryDirectory(prefix="desk-") as directory:
        site = Mounted(machine, Path(directory), snapshot)
        site.set(kai_install_health_timeout=30)
        site.install()
        yield site


# these tests build on each other and run in this order


def test_what_is_mounted_in_a_home_stops_nothing(site: Mounted) -> None:
    site.machine.run(["sh", "-ec", BIND])
    precious = site.machine.run(["sh", "-c", PRECIOUS]).stdout
    with site.silent(f"{HOME}/hers"), site.silent(f"{HOME}/dead", ",allow_other"):
        assert site.timely("status").code == 0
        site.change()
        assert site.timely("install", "--check").code == 0
        done = site.timely("install")
        assert done.code == 0, done.text
        assert "findings" in site.timely("doctor").report
        made = site.timely("backup")
        assert made.code == 0, made.text
        mounted = [f"{HOME}/{name}" for name in ("bound", "dead", "hers", "one")]
        assert made.report["left"] == [f"{place}: another file system" for place in mounted]
        refused = site.timely("restore", made.report["file"], "--yes")
        assert refused.code != 0
        assert f"umount {' '.join(mounted)}" in refused.text
        done = site.timely("rollback", "--yes")
        assert done.code == 0, done.text
    assert site.health()["status"] == "ok"
    # an account with another number gets its own, and nothing behind a mount
    site.machine.run(["sh", "-c", f"touch {HOME}/mine"], user="alice")
    site.machine.run(["usermod", "--uid", "4321", "alice"])
    site.install()
    owners = ["stat", "-c", "%u", f"{HOME}/mine", HOME]
    assert site.machine.run(owners).stdout == "4321\n4321\n"
    assert site.machine.run(["sh", "-c", PRECIOUS]).stdout == precious


@pytest.mark.parametrize(
    ("options", "says"),
    [("", "root cannot enter (Permission denied)"), (",allow_other", "does not answer")],
    ids=["hers", "dead"],
)
def test_what_is_mounted_over_a_home_is_reported_with_what_clears_it(
    site: Mounted, options: str, says: str
) -> None:
    pid = site.health()["pid"]
    fix = f"umount --lazy {HOME}"
    with site.silent(HOME, options):
        seen = site.timely("status")
        assert seen.code == 3
        [drift] = [entry for entry in seen.report["drift"] if entry["where"] == HOME]
        assert drift["found"] == f"a mounted file system that {says}"
        assert fix in drift["fix"]
        assert fix in site.timely("doctor").text
        site.change()
        for arguments in (["install", "--check"], ["install"]):
            done = site.timely(*arguments)
            assert done.code in (1, 2), done.text
            assert done.failure.count(f"{HOME}: found a mounted file system that {says}") == 1
            assert fix in done.failure
        assert site.health()["pid"] == pid
        made = site.timely("backup")
        assert made.code == 0, made.text
        assert made.report["left"][0] == f"{HOME}: another file system"
        # the former bot comes back all the same
        done = site.timely("rollback", "--yes")
        assert done.code == 0, done.text
        assert site.health()["status"] == "ok"
    site.install()


def test_a_purge_leaves_what_is_mounted_and_removes_the_rest(site: Mounted) -> None:
    precious = site.machine.run(["sh", "-c", PRECIOUS]).stdout
    with site.silent(f"{HOME}/hers"), site.silent(f"{HOME}/dead", ",allow_other"):
        places = [f"{HOME}/{name}" for name in ("bound", "dead", "hers", "one")]
        look = site.timely("uninstall", "--purge", "--check")
        done = site.timely("uninstall", "--purge", "--yes")
        for each in (look, done):
            assert each.code == 0, each.text
            told = "\n".join(each.report["left"])
            assert [place for place in places if f"umount {place}" not in told] == []
        assert site.machine.run(["sh", "-c", PRECIOUS]).stdout == precious
        left = site.machine.run(["ls", HOME]).stdout.split()
        assert left == ["bound", "dead", "hers", "one"]
        assert site.machine.run(["ls", "/var/lib/kai"]).stdout == "home\n"
    site.machine.run(["sh", "-ec", UNBIND])
    done = site.timely("uninstall", "--purge", "--yes")
    assert done.code == 0, done.text
    assert site.machine.run(["test", "-e", "/var/lib/kai"], check=False).returncode == 1
    assert site.machine.run(["sh", "-c", PRECIOUS]).stdout == precious
