"""What agents do to the data neither stops a backup nor lengthens it; what it lacks it names."""

import errno
import fcntl
import functools
import importlib
import io
import itertools
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from kai_ansible.host import backup_copying, backup_laying
from kai_ansible.host.backup_laying import Laying, lay_out_rest
from kai_ansible.host.files import kept
from kai_ansible.rules import data_limits
from kai_ansible.rules.backup_archive import BadArchive, read_archive
from kai_ansible.rules.file_state import FileState
from tests.conftest import PRIVATE
from tests.conftest import ROOT as CHECKOUT
from tests.unit.hostile_trees import ROOT, Host, Node

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not ROOT, reason="owners and access lists need root"),
]
NOBODY = 65534


@pytest.fixture
def module(collection_plugins: None) -> Any:
    return importlib.import_module("ansible_collections.kai.bot.plugins.modules.kai_backup")


@pytest.fixture
def rules(module: Any) -> Any:
    """The collection's own copy of the rules, which the module uses."""

    class Rules:
        base = "ansible_collections.kai.bot.plugins.module_utils"
        copying = importlib.import_module(f"{base}.host.backup_copying")
        laying = importlib.import_module(f"{base}.host.backup_laying")
        walk = importlib.import_module(f"{base}.host.tree_walk")
        database = importlib.import_module(f"{base}.host.database")
        sparse_map = importlib.import_module(f"{base}.rules.sparse_map")

    return Rules


@pytest.fixture
def host(tmp_path: Path, module: Any) -> Host:
    return Host(tmp_path / "host", module)


def names_in(host: Host) -> set[str]:
    """Return the names of the data in a backup."""
    found = set()
    with Path(host.place.archive).open("rb") as handle:
        read_archive(handle, lambda member, _content: found.add(member.name))
    return found


def restored(host: Host, tmp_path: Path, module: Any) -> Host:
    other = Host(tmp_path / "other", module)
    other.restore(host.place.archive)
    return other


def test_twenty_directories_with_long_names_come_back(
    host: Host, tmp_path: Path, module: Any
) -> None:
    tree = {b"a" * 250: Node("chain", content=b"b" * 250, depth=20)}
    before = host.fill(tree)
    assert host.backup()["left"] == []
    assert restored(host, tmp_path, module).state() == before


def test_a_deep_directory_can_be_taken_out_with_tar(host: Host, tmp_path: Path) -> None:
    host.fill({b"a": Node("chain", content=b"b" * 250, depth=30)})
    host.backup()
    out = tmp_path / "out"
    out.mkdir()
    subprocess.run(["tar", "-C", out, "-xzf", host.place.archive], check=True)
    here = out / "data/a"
    for _level in range(29):
        # a link leads from one part to the next, and no path becomes too long
        here = (here / ("b" * 250)).resolve()
    assert (here / "bottom").exists()


def test_a_sparse_file_costs_what_it_has(host: Host, tmp_path: Path, module: Any) -> None:
    size = 15 * 2**40
    host.fill({b"disk": Node("sparse", size=size, content=[(0, b"boot"), (size - 9, b"end")])})
    before = host.state()
    told = host.backup()
    assert told["size"] < 1 << 16
    other = restored(host, tmp_path, module)
    assert other.state() == before
    status = Path(other.place.data_dir, "disk").stat()
    assert (status.st_size, status.st_blocks < 64) == (size, True)


def test_gnu_tar_makes_the_same_sparse_file(host: Host, tmp_path: Path) -> None:
    size = 10**9
    host.fill({b"disk": Node("sparse", size=size, content=[(123_456, b"x" * 90)])})
    host.backup()
    subprocess.run(["tar", "-C", tmp_path, "-xzf", host.place.archive], check=True)
    made = tmp_path / "data/disk"
    assert (made.stat().st_size, made.stat().st_blocks < 64) == (size, True)
    with made.open("rb") as handle:
        handle.seek(123_456)
        assert handle.read(90) == b"x" * 90


def test_a_file_with_thousands_of_holes_is_whole(host: Host, tmp_path: Path, module: Any) -> None:
    content = [(number << 17, b"%d" % number) for number in range(3000)]
    before = host.fill({b"holes": Node("sparse", size=1 << 30, content=content)})
    host.backup()
    assert restored(host, tmp_path, module).state() == before


def test_more_holes_than_are_kept_are_named(
    host: Host, rules: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules.sparse_map, "MOST_EXTENTS", 10)
    content = [(number << 17, b"%d" % number) for number in range(20)]
    host.fill({b"holes": Node("sparse", size=1 << 30, content=content), b"other": Node("file")})
    told = host.backup()
    assert not told["complete"]
    assert "holes: more than 10 parts" in told["left"][0]
    assert names_in(host) == {"data", "data/other"}


def test_a_file_that_grows_is_read_as_far_as_it_was_seen(
    host: Host, rules: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Path(host.place.data_dir, "log")
    log.write_bytes(b"x" * 1000)
    read = rules.copying.sparse.Reading.read

    def reading(self: Any, size: int = -1) -> bytes:
        with log.open("ab") as handle:
            handle.write(b"y" * 1000)
        piece: bytes = read(self, size)
        return piece

    monkeypatch.setattr(rules.copying.sparse.Reading, "read", reading)
    assert host.backup()["complete"]
    with tarfile.open(host.place.archive) as tar:
        assert tar.getmember("data/log").size == 1000


def test_a_file_that_becomes_shorter_is_named(
    host: Host, rules: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Path(host.place.data_dir, "log")
    log.write_bytes(b"x" * 1000)
    extents = rules.copying.Copying.extents

    def cut(self: Any, *arguments: Any) -> Any:
        found = extents(self, *arguments)
        os.truncate(log, 600)
        return found

    monkeypatch.setattr(rules.copying.Copying, "extents", cut)
    told = host.backup()
    assert (told["complete"], "400 bytes were gone" in told["left"][0]) == (True, True)


def test_a_file_that_cannot_be_read_is_named_and_the_rest_is_done(
    host: Host, rules: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.fill({b"bad": Node("file", content=b"x"), b"good": Node("file", content=b"y")})
    bad = Path(host.place.data_dir, "bad").stat().st_ino
    pread = os.pread

    def failing(descriptor: int, size: int, offset: int) -> bytes:
        if os.fstat(descriptor).st_ino == bad:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return pread(descriptor, size, offset)

    monkeypatch.setattr(os, "pread", failing)
    told = host.backup()
    assert not told["complete"]
    assert told["left"] == [f"{host.place.data_dir}/bad: Input/output error"]
    assert "data/good" in names_in(host)


def test_a_purge_wants_all_of_it(host: Host, rules: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    host.fill({b"a": Node("file", content=b"x"), b"pipe": Node("pipe")})
    host.backup(complete=True)
    monkeypatch.setattr(rules.walk, "DEEPEST", 1)
    host.fill({b"b": Node("directory", members={b"c": Node("directory")})})
    with pytest.raises(Exception, match=r"would lack some[^$]*/b: deeper than 1 levels"):
        host.backup(complete=True)


def test_the_largest_stays_out_when_there_is_no_room(
    host: Host, rules: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Node(
        "directory",
        members={
            name: Node("directory", members={b"f": Node("file", content=b"x" * size)})
            for name, size in ((b"1", 9 << 20), (b"2", 1 << 20), (b"3", 2 << 20))
        },
    )
    host.fill({b"home": home, b"logs": Node("file", content=b"y" * 1000)})
    monkeypatch.setattr(
        rules.copying.Copying,
        "no_room",
        lambda self: "no room",
    )
    place = type(host.place)
    module_place = host.module.StagingArea
    assert place is not module_place
    monkeypatch.setattr(
        module_place, "free_bytes", lambda self: (4 << 20) + data_limits.SPARE_BYTES
    )
    told = host.backup()
    assert told["left"] == [f"{host.place.data_dir}/home/1: no room, and it takes 9 MB"]
    assert {"data/home/2/f", "data/home/3/f", "data/logs"} < names_in(host)


def test_a_file_that_became_too_large_since_stays_out(
    host: Host, rules: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.fill({b"a": Node("file", content=b"x" * 1000), b"b": Node("file", content=b"y" * 10)})
    monkeypatch.setattr(
        host.module.StagingArea, "free_bytes", lambda self: 100 + data_limits.SPARE_BYTES
    )
    monkeypatch.setattr(rules.copying, "too_large", lambda _units, _room: {})
    told = host.backup()
    assert (told["complete"], "/a: " in told["left"][0]) == (False, True)
    assert names_in(host) == {"data", "data/b"}


def test_many_names_of_one_file_are_one_file(host: Host, tmp_path: Path, module: Any) -> None:
    place = Path(host.place.data_dir)
    (place / "first").write_bytes(os.urandom(1 << 20))
    for number in range(500):
        os.link(place / "first", place / f"again-{number}")
    outside = tmp_path / "outside"
    outside.write_text("of somebody else", encoding="utf-8")
    os.link(outside, place / "shared")
    before = host.state()
    assert host.backup()["size"] < 2 << 20
    other = restored(host, tmp_path, module)
    assert other.state() == before
    assert Path(other.place.data_dir, "shared").stat().st_nlink == 1


def test_a_new_file_with_the_inode_of_an_old_one_is_not_taken_for_it() -> None:
    status = os.stat_result((0o100644, 5, 1, 2, 1001, 1001, 10, 0, 0, 0))
    other = os.stat_result((0o100644, 5, 1, 2, 1002, 1001, 10, 0, 0, 0))
    assert backup_copying.linked_key(status) != backup_copying.linked_key(other)


def test_a_list_that_the_disk_cannot_keep_leaves_the_narrow_mode(
    host: Host, tmp_path: Path, module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(host.place.data_dir, "private")
    path.write_text("x", encoding="utf-8")
    path.chmod(0o600)
    # user::rw- user:daemon:r-- group::--- mask::r-- other::---
    entries = bytes.fromhex(
        "02000000 01000600ffffffff 0200040001000000 04000000ffffffff"
        "10000400ffffffff 20000000ffffffff"
    )
    os.setxattr(path, "system.posix_acl_access", entries)
    assert path.stat().st_mode & 0o777 == 0o640
    host.backup()
    setxattr = os.setxattr

    def refusing(path: Any, name: Any, value: bytes) -> None:
        if name == "system.posix_acl_access":
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
        setxattr(path, name, value)

    monkeypatch.setattr(os, "setxattr", refusing)
    other = Host(tmp_path / "other", module)
    laying = other.restore(host.place.archive)
    assert "private: its access list" in laying.notes.lines[0]
    made = Path(other.place.data_dir, "private")
    assert made.stat().st_mode & 0o777 == 0o600


def test_an_attribute_that_gives_rights_is_not_believed(host: Host, tmp_path: Path) -> None:
    """As an archive could tell of one that this program has not written."""
    target = io.BytesIO()
    from kai_ansible.rules.backup_archive import ArchiveWriter, Meta

    writer = ArchiveWriter(target, Meta("bot", "", None, "/var/lib/kai"))
    root = tarfile.TarInfo("data")
    root.type, root.mode = tarfile.DIRTYPE, 0o755
    writer.add(root)
    member = tarfile.TarInfo("data/ping")
    member.mode = 0o755
    member.pax_headers = {
        "SCHILY.xattr.security.capability": "\1\0\0\2\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        "SCHILY.xattr.user.mine": "yes",
    }
    writer.add(member, io.BytesIO())
    writer.finish()
    host.place.make()
    Laying(host.place, {}).run(io.BytesIO(target.getvalue()))
    assert os.listxattr(Path(host.place.data, "ping")) == ["user.mine"]


@pytest.mark.parametrize("mode", [0o600, 0o666])
def test_a_backup_opens_no_protected_file_to_other_accounts(host: Host, mode: int) -> None:
    target = io.BytesIO()
    from kai_ansible.rules.backup_archive import ArchiveWriter, Meta

    writer = ArchiveWriter(target, Meta("bot", "", None, "/var/lib/kai"))
    secret, root = tarfile.TarInfo("config/etc/kai/totp.secret"), tarfile.TarInfo("data")
    secret.mode, secret.size, secret.uid = mode, 6, 65534
    root.type, root.mode = tarfile.DIRTYPE, 0o755
    writer.add(secret, io.BytesIO(b"secret"))
    writer.add(root)
    writer.finish()
    host.place.make()
    Laying(host.place, {"/etc/kai/totp.secret": "0600"}).run(io.BytesIO(target.getvalue()))
    assert kept(host.place.config) == [FileState("/etc/kai/totp.secret", b"secret", 0o600)]


@pytest.mark.parametrize("released", [True, False])
def test_a_lease_keeps_no_file_out(
    host: Host, rules: Any, monkeypatch: pytest.MonkeyPatch, released: bool
) -> None:
    path = Path(host.place.data_dir, "leased")
    path.write_text("mine", encoding="utf-8")
    ready, waiting = os.pipe()
    child = os.fork()
    if child == 0:
        descriptor = os.open(path, os.O_RDWR)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        signal.signal(signal.SIGIO, lambda *_: None)
        os.write(waiting, b".")
        signal.pause()
        if not released:
            time.sleep(3600)
        # the end of the process ends the lease
        os._exit(0)
    try:
        os.read(ready, 1)
        if not released:
            monkeypatch.setattr(rules.copying, "LEASE_SECONDS", -1.0)
        told = host.backup()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(ready)
        os.close(waiting)
    assert told["complete"] is released
    assert ("data/leased" in names_in(host)) is released


@pytest.mark.parametrize("kind", ["link", "pipe", "damaged", "locked out"])
def test_the_service_does_not_stop_a_backup_with_its_database(
    host: Host, tmp_path: Path, module: Any, rules: Any, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    path = Path(host.place.data_dir, "kai.db")
    if kind == "link":
        path.symlink_to("/etc/shadow")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.write_bytes(b"no database at all" * 1000)
        Path(host.place.data_dir, "kai.db-wal").write_text("beside it", encoding="utf-8")
    if kind == "locked out":

        def refusing(*_arguments: str) -> None:
            raise rules.database.NotKept("", "no end within 600 s")

        monkeypatch.setattr(rules.database, "save", refusing)
    host.root.chmod(0o755)
    before = host.state()
    told = host.backup(database="/var/lib/kai/kai.db")
    assert told["complete"]
    other = restored(host, tmp_path, module)
    after = {name: entry for name, entry in before.items() if entry != ("neither",)}
    assert other.state() == after
    assert len(told["left"]) == (kind != "link")


# a bot that was killed: what it wrote last is in the log beside its database
UNFINISHED = """
import os, sqlite3, sys
database = sqlite3.connect(sys.argv[1])
database.execute("PRAGMA journal_mode=WAL")
database.execute("CREATE TABLE said (text)")
database.execute("INSERT INTO said VALUES ('one')")
database.commit()
os._exit(0)
"""


def test_a_snapshot_stands_for_the_database(host: Host, tmp_path: Path, module: Any) -> None:
    place = Path(host.place.data_dir)
    above = [path for path in tmp_path.parents if path.is_relative_to(PRIVATE)]
    for directory in (tmp_path, *above, host.root, place):
        directory.chmod(directory.stat().st_mode | 0o711)
    os.chown(place, 1, 1)
    # another process, as SQLite shares what it knows of a file with a fork of its own
    subprocess.run([sys.executable, "-c", UNFINISHED, str(place / "kai.db")], check=True)
    assert (place / "kai.db-wal").stat().st_size
    for path in place.iterdir():
        os.chown(path, 1, 1)
    (place / "aaa").touch()
    (place / "zzz").touch()
    told = host.backup(database="/var/lib/kai/kai.db")
    assert (told["left"], told["complete"]) == ([], True)
    assert names_in(host) == {"data", "data/aaa", "data/kai.db", "data/zzz"}
    other = restored(host, tmp_path, module)
    copy = Path(other.place.data_dir, "kai.db")
    assert copy.stat().st_uid == 1
    with closing(sqlite3.connect(copy)) as database:
        assert database.execute("SELECT text FROM said").fetchall() == [("one",)]


def test_what_cannot_be_laid_out_is_no_backup(
    host: Host, rules: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.fill({b"a": Node("directory", members={b"long": Node("file")})})
    opened = os.open

    def failing(path: Any, flags: int, *arguments: Any, **named: Any) -> int:
        if path == b"long" and flags & os.O_CREAT:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
        return opened(path, flags, *arguments, **named)

    monkeypatch.setattr(os, "open", failing)
    with pytest.raises(Exception, match="/a/long cannot be unpacked: File name too long"):
        host.backup()


def test_the_proof_takes_no_room(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    members = {b"%d" % n: Node("file", content=b"x" * 100_000) for n in range(20)}
    host.fill({b"a": Node("directory", members=members), b"b": Node("sparse", size=1 << 40)})
    most = [0]
    settle = backup_laying.Laying.settle

    def watched(self: Any, *arguments: Any) -> None:
        settle(self, *arguments)
        used = subprocess.run(["du", "-sB1", host.place.proof], capture_output=True, check=False)
        files = subprocess.run(
            ["find", host.place.proof, "-type", "f"], capture_output=True, check=False
        )
        assert files.stdout.count(b"\n") <= 2
        most[0] = max(most[0], int(used.stdout.split()[0]))

    host.backup()
    monkeypatch.setattr(backup_laying.Laying, "settle", watched)
    with Path(host.place.archive).open("rb") as handle:
        backup_laying.Laying(host.place, {}, proof=True).run(handle)
    assert 0 < most[0] < 50_000
    assert not Path(host.place.proof).exists()


DEEP = """
import importlib, json, os, resource, sys
sys.path[:0] = [sys.argv[1], sys.argv[2]]
plugins = "ansible_collections.kai.bot.plugins"
backup = importlib.import_module(f"{plugins}.modules.kai_backup")
laying = importlib.import_module(f"{plugins}.module_utils.host.backup_laying")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
told = backup.make(json.loads(sys.argv[3]))
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(json.dumps({**told, "grown": grown}))
"""


def measured(host: Host, collections_path: Path) -> dict[str, Any]:
    """Return what a backup in a process of its own tells, and by how many KB it grew."""
    parameters: list[dict[str, Any]] = []

    class Module:
        @staticmethod
        def make(given: dict[str, Any]) -> dict[str, Any]:
            parameters.append(given)
            return {}

    Host.backup(type("Other", (), {"module": Module, "root": host.root, "place": host.place})())
    done = subprocess.run(
        [sys.executable, "-c", DEEP, collections_path, CHECKOUT, json.dumps(parameters[0])],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_thousands_of_files_under_long_paths_take_little_memory(
    host: Host, collections_path: Path
) -> None:
    """285 levels of 255 letters are a path of 72 KB."""
    with host.data() as here:
        inside = os.dup(here)
        for _level in range(285):
            os.mkdir(b"d" * 255, dir_fd=inside)
            following = os.open(b"d" * 255, os.O_RDONLY, dir_fd=inside)
            os.close(inside)
            inside = following
        for number in range(5000):
            os.close(os.open(b"%d" % number, os.O_CREAT | os.O_WRONLY, dir_fd=inside))
        os.close(inside)
    told = measured(host, collections_path)
    assert (told["complete"], told["left"]) == (True, [])
    assert told["members"] > 5285
    assert told["grown"] < 30_000
    assert told["size"] < 4 << 20


@pytest.mark.slow
def test_a_hundred_thousand_odd_things_are_named_briefly(
    host: Host, collections_path: Path
) -> None:
    with host.data() as here:
        for number in range(100_000):
            os.mkfifo(b"\xff%d" % number, dir_fd=here)
    told = measured(host, collections_path)
    assert len(told["left"]) == data_limits.MOST_LINES + 1
    assert told["left"][0].startswith(f"{host.place.data_dir}/\\xff0: a named pipe of")
    assert told["left"][-1] == f"and {100_000 - data_limits.MOST_LINES} more like these"
    assert told["grown"] < 60_000


def test_an_agent_that_moves_and_writes_all_the_time_stops_nothing(
    host: Host, tmp_path: Path, module: Any
) -> None:
    place = Path(host.place.data_dir)
    for number in range(30):
        (place / f"kept/{number}").mkdir(parents=True)
        (place / f"kept/{number}/file").write_text("kept", encoding="utf-8")
    (place / "busy/a/b/c").mkdir(parents=True)
    ended = threading.Event()

    def disturb() -> None:
        steps = itertools.cycle(range(1000))
        while not ended.is_set():
            file = place / f"busy/a/b/{next(steps)}"
            attempts: list[Callable[[], object]] = [
                lambda: (place / "busy/a/b").rename(place / "busy/moved"),
                lambda: (place / "busy/moved").rename(place / "busy/a/b"),
                functools.partial(file.write_bytes, b"x" * 10_000),
                file.unlink,
                lambda: (place / "busy/link").symlink_to("/etc"),
                lambda: (place / "busy/link").unlink(),
                lambda: os.mkfifo(place / "busy/link"),
                lambda: (place / "busy/link").unlink(),
            ]
            for step in attempts:
                try:
                    step()
                except OSError:
                    continue

    disturbing = threading.Thread(target=disturb)
    disturbing.start()
    try:
        for _turn in range(20):
            host.backup()
            found = names_in(host)
            assert {f"data/kept/{number}/file" for number in range(30)} < found
    finally:
        ended.set()
        disturbing.join()
    host.purge()
    assert not place.exists()


def test_a_removal_is_not_outrun(host: Host) -> None:
    """A process that goes on creating files in the data is kept out of it."""
    place = Path(host.place.data_dir)
    (place / "home/1").mkdir(parents=True)
    for path in (place / "home/1", place / "home", place):
        os.chown(path, NOBODY, NOBODY)
    parents = [host.root, *list(host.root.parents)[:2]]
    for path in parents:
        path.chmod(0o711)
    ready, waiting = os.pipe()
    child = os.fork()
    if child == 0:
        os.chdir(place / "home/1")
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        os.write(waiting, b".")
        number = 0
        while True:
            number += 1
            try:
                os.close(os.open(str(number), os.O_CREAT | os.O_WRONLY))
                Path(f"d{number}").mkdir()
            except OSError:
                continue
    try:
        os.read(ready, 1)
        host.purge()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(ready)
        os.close(waiting)
    assert not place.exists()


def test_what_is_in_the_way_of_directories_is_moved_aside(
    host: Host, tmp_path: Path, module: Any
) -> None:
    host.fill(
        {
            b"logs": Node("link", content=b"/etc"),
            b"home": Node("file", content=b"no directory"),
            b"notes": Node("directory", members={b"NOTES.md": Node("directory")}),
            b"twice": Node("directory", members={b"a": Node("file"), b"b": Node("again", size=1)}),
        }
    )
    host.backup()
    other = Host(tmp_path / "other", module)
    other.place.make()
    with Path(host.place.archive).open("rb") as handle:
        Laying(other.place, {}).run(handle)
    directories = [
        {"path": f"{other.place.data_dir}{path}", "owner": "root", "group_of": None, "mode": "0711"}
        for path in ("", "/logs", "/home", "/home/1", "/new")
    ]
    seed = {"owner": "root", "group_of": None, "mode": "0600", "source": None, "narrow": True}
    seeds = [
        {**seed, "path": f"{other.place.data_dir}/{path}", "fallback": "first\n"}
        for path in ("notes/NOTES.md", "twice/a")
    ]
    moved = lay_out_rest(other.place, directories, seeds, None)
    assert [line.rpartition("/")[2].partition(" of")[0] for line in moved] == [
        "logs: a link",
        "home: a file",
        "NOTES.md: a directory",
        "a: a file",
    ]
    data = Path(other.place.data)
    assert (data / "logs.planted").is_symlink()
    assert (data / "home.planted").read_text(encoding="utf-8") == "no directory"
    assert (data / "home/1").is_dir()
    assert (data / "notes/NOTES.md").read_text(encoding="utf-8") == "first\n"
    assert (data / "twice/a").stat().st_nlink == 1


def test_a_default_list_above_gives_nothing_to_what_is_restored(
    host: Host, tmp_path: Path, module: Any
) -> None:
    before = host.fill({b"a": Node("directory", members={b"b": Node("file", mode=0o600)})})
    host.backup()
    other = Host(tmp_path / "other", module)
    os.setxattr(
        other.root,
        "system.posix_acl_default",
        bytes.fromhex(
            "02000000 01000700ffffffff 0200070001000000 04000000ffffffff"
            "10000700ffffffff 20000000ffffffff"
        ),
    )
    other.restore(host.place.archive)
    assert other.state() == before


def test_a_deployed_file_that_is_none_is_named(host: Host, tmp_path: Path) -> None:
    files = {name: tmp_path / name for name in ("env", "pipe", "huge", "absent")}
    files["env"].write_text("A=1", encoding="utf-8")
    os.mkfifo(files["pipe"])
    with files["huge"].open("wb") as handle:
        handle.truncate(1 << 40)
    told = host.backup(config_files=[str(path) for path in files.values()])
    assert not told["complete"]
    assert [line.partition(": ")[0] for line in told["left"]] == [
        str(files["pipe"]),
        str(files["huge"]),
    ]
    assert f"config{files['env']}" in names_in(host)


def format_1(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """Return a backup as the first format had it."""
    import hashlib

    meta = {"host": "bot", "created": "", "release": None, "data_dir": "/var/lib/kai"}
    texts = {"meta.json": json.dumps({**meta, "host_vars": {}, "format": 1}).encode()}
    target = io.BytesIO()
    digests = {}
    with tarfile.open(fileobj=target, mode="w:gz", format=tarfile.PAX_FORMAT) as tar:

        def add(member: tarfile.TarInfo, content: bytes) -> None:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
            digests[member.name] = hashlib.sha256(content).hexdigest() if member.isreg() else ""

        add(tarfile.TarInfo("meta.json"), texts["meta.json"])
        for member, content in members:
            add(member, content)
        manifest = json.dumps({"members": digests}).encode()
        last = tarfile.TarInfo("manifest.json")
        last.size = len(manifest)
        tar.addfile(last, io.BytesIO(manifest))
    return target.getvalue()


def member(name: str, **more: Any) -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    for key, value in {"mode": 0o755, "uname": "root", "gname": "root", **more}.items():
        setattr(found, key, value)
    return found


def test_a_backup_of_the_first_format_is_still_one(host: Host) -> None:
    deep = "/".join(["data", *["d" * 200] * 3])
    text = format_1(
        (member("data", type=tarfile.DIRTYPE), b""),
        *(
            (member("/".join(deep.split("/")[: n + 1]), type=tarfile.DIRTYPE, mtime=1.5), b"")
            for n in (1, 2, 3)
        ),
        (member(f"{deep}/\udcff", mtime=1e9 + 0.5), b"text"),
        (member("data/kai.db"), b"database"),
    )
    host.place.make()
    Laying(host.place, {}).run(io.BytesIO(text))
    data = Path(host.place.data)
    assert (data / "kai.db").read_bytes() == b"database"
    [file] = [path for path in data.rglob("*") if path.is_file() and path.name != "kai.db"]
    assert (os.fsencode(file.name), file.read_bytes()) == (b"\xff", b"text")
    assert file.stat().st_mtime == 1e9 + 0.5
    twice = format_1(
        (member("data", type=tarfile.DIRTYPE), b""),
        (member("data/a"), b""),
        (member("data/b"), b""),
        (member("data/a"), b"x"),
    )
    with pytest.raises(BadArchive, match="twice"):
        read_archive(io.BytesIO(twice))
