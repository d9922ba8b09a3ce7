"""Who serves a file system by FUSE decides on all that is seen in it, whatever owner it shows."""

import ctypes
import os
import pwd
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kai_ansible.host import system, trusted_paths
from kai_ansible.host.layout import Tree
from tests.conftest import PRIVATE

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not Path("/dev/fuse").exists(), reason="needs root and /dev/fuse"
)
ALICE = pwd.getpwuid(1)
# shows a directory of root, with a link ``work`` to where its last argument says (linux/fuse.h)
SERVER = """
import os, struct, sys
fd, target = int(sys.argv[1]), sys.argv[2].encode()
INIT, LOOKUP, GETATTR, READLINK, OPENDIR, ACCESS = 26, 1, 3, 5, 27, 34
SILENT = (2, 42)
def attributes(inode, mode):
    size = len(target) if inode == 2 else 0
    return struct.pack("<QQQQQQIIIIIIIIII", inode, size, *[0] * 7, mode, 1, 0, 0, 0, 4096, 0)
VERSION = (7, 31, 65536, 0, 12, 10, 65536, 1, 0, 0)
ROOT, LINK = attributes(1, 0o40755), attributes(2, 0o120777)
while True:
    request = os.read(fd, 1 << 17)
    _length, what, unique, node = struct.unpack("<IIQQ", request[:24])
    error, answer = 0, b""
    if what in SILENT:
        continue
    if what == INIT:
        answer = struct.pack("<IIIIHHIIHH", *VERSION).ljust(64, b"\\0")
    elif what == LOOKUP and request[40:].rstrip(b"\\0") == b"work":
        answer = struct.pack("<QQQQII", 2, *[0] * 5) + LINK
    elif what == GETATTR:
        answer = struct.pack("<QII", 0, 0, 0) + (ROOT if node == 1 else LINK)
    elif what == READLINK:
        answer = target
    elif what == OPENDIR:
        answer = struct.pack("<QII", 1, 0, 0)
    elif what == LOOKUP:
        error = -2
    elif what != ACCESS:
        error = -38
    os.write(fd, struct.pack("<IiQ", 16 + len(answer), error, unique) + answer)
"""


@pytest.fixture
def mounted() -> Iterator[Path]:
    """A directory of an account, with a file system of its own on it that every account enters."""
    with tempfile.TemporaryDirectory(dir=PRIVATE) as name:
        base = Path(name)
        base.chmod(0o755)
        point, target = base / "home", base / "etc"
        point.mkdir()
        target.mkdir()
        os.chown(point, ALICE.pw_uid, ALICE.pw_gid)
        device = os.open("/dev/fuse", os.O_RDWR)
        server = subprocess.Popen(
            ["/usr/bin/python3", "-I", "-c", SERVER, str(device), str(target)],
            pass_fds=[device],
            user=ALICE.pw_uid,
        )
        # what fusermount does where /etc/fuse.conf has user_allow_other
        options = f"fd={device},rootmode=40000,user_id={ALICE.pw_uid},group_id=0,allow_other"
        libc = ctypes.CDLL(None, use_errno=True)
        source = b"named,user_id=0"
        fault = libc.mount(source, os.fsencode(point), b"fuse", 6, options.encode())
        reason = os.strerror(ctypes.get_errno())
        os.close(device)
        try:
            if fault:
                pytest.skip(f"no mount: {reason}")
            yield point
        finally:
            server.kill()
            server.wait()
            subprocess.run(["umount", "--lazy", point], check=not fault)


def test_its_server_can_change_it(mounted: Path) -> None:
    status = mounted.stat()
    assert (status.st_uid, status.st_mode & 0o777) == (0, 0o755)
    assert system.server_of(status.st_dev) == ALICE.pw_uid
    assert system.server_of(mounted.parent.stat().st_dev) is None
    found = {one["path"]: one["accounts"] for one in trusted_paths.changers_of(str(mounted))}
    assert found[str(mounted)] == [ALICE.pw_name]


def test_no_link_in_it_is_followed(mounted: Path) -> None:
    target = mounted.with_name("etc")
    entry = {
        "path": str(mounted / "work"),
        "owner": ALICE.pw_name,
        "group_of": ALICE.pw_name,
        "mode": "2750",
    }
    [(path, error)] = Tree(None, dry=False).ensure([entry], [])
    assert path == entry["path"]
    assert "found a link" in str(error)
    assert target.stat().st_uid == 0
