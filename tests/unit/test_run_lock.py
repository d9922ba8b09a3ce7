"""Whose the lock of a host is, judged by processes and connections that are real."""

import errno
import fcntl
import json
import os
import pwd
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kai_ansible.host import system
from kai_ansible.host.flock import Busy, held
from kai_ansible.host.run_as import FAILED, ask_as
from kai_ansible.host.run_lock import (
    BrokenRecord,
    Run,
    connection_here,
    is_gone,
    is_over,
    problem_of_holder,
    problem_of_lock,
    run_of,
    run_of_process,
    take,
)
from kai_ansible.host.system import boot_and_namespace
from tests.conftest import PRIVATE

ROOT = Path(__file__).parents[2]
ELSEWHERE = ("another boot", "pid:[1]")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_no_other_account_holds_a_lock() -> None:
    with tempfile.TemporaryDirectory(dir=PRIVATE) as directory:
        Path(directory).chmod(0o755)
        place = f"{directory}/lock"
        with held(place, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 1):
            opened = ask_as(pwd.getpwuid(1), [lambda: os.close(os.open(place, os.O_RDONLY))])
    assert opened == [FAILED]


@pytest.fixture
def lock(tmp_path: Path) -> str:
    return str(tmp_path / "lock")


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """A process that lives until the test ends it."""
    with subprocess.Popen(["sleep", "infinity"]) as started:
        yield started
        started.kill()


@pytest.fixture
def connection() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a TCP connection, the host's first."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        accepted, _ = server.accept()
    yield accepted, client
    accepted.close()
    client.close()


def run(pid: int | None = None, host: str = "bot") -> Run:
    return run_of_process(os.getpid() if pid is None else pid, "ada", host)


def elsewhere(**fields: str) -> Run:
    """A run of another controller."""
    return replace(run(), boot="b", namespace="n", machine="m", started="1", **fields)


def test_a_run_that_is_alive_keeps_every_other_one_out(
    lock: str, process: subprocess.Popen[bytes]
) -> None:
    first = run(process.pid)
    assert take(lock, first) is None
    assert stat.S_IMODE(Path(lock).stat().st_mode) == 0o600
    held_by = take(lock, run())
    assert held_by is not None
    assert (held_by.identity, held_by.by) == (first.identity, f"ada@{socket.gethostname()}")
    assert held_by.since.endswith(" UTC")
    told = problem_of_holder(lock, held_by)
    assert told.where == lock
    assert f"by {first.by} (process {first.pid} there, since {held_by.since})" in told.found
    assert f"rm {lock}" in told.fix


def test_a_run_that_was_killed_keeps_nobody_out(
    lock: str, process: subprocess.Popen[bytes]
) -> None:
    assert take(lock, run(process.pid)) is None
    process.kill()
    process.wait()
    assert take(lock, run()) is None


def test_a_pid_that_was_used_again_is_another_process(lock: str) -> None:
    assert take(lock, replace(run(), started="1")) is None
    assert take(lock, run(host="alias")) is None


def test_a_run_finds_its_own_lock_but_not_that_of_another_name_of_the_host(lock: str) -> None:
    assert take(lock, run()) is None
    assert take(lock, run()) is None
    assert take(lock, run(host="alias")) is not None


def test_an_emptied_file_is_free(lock: str) -> None:
    assert take(lock, run()) is None
    os.truncate(lock, 0)
    assert take(lock, run(host="alias")) is None


def test_nobody_else_reads_the_record_while_one_is_written(
    lock: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []

    def in_the_middle() -> str:
        with Path(lock).open(encoding="utf-8") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                found.append("closed")
        return ""

    monkeypatch.setattr(sys.modules[take.__module__], "connection_here", in_the_middle)
    assert take(lock, run()) is None
    assert found == ["closed"]


def test_another_controller_is_judged_by_its_connection(
    lock: str, connection: tuple[socket.socket, socket.socket]
) -> None:
    accepted, client = connection
    inode = str(os.fstat(accepted.fileno()).st_ino)
    holder = elsewhere(connection=inode)
    assert not is_over(holder, run(), boot_and_namespace())
    client.close()
    accepted.close()
    assert is_over(holder, run(), boot_and_namespace())


def test_another_controller_without_a_connection_may_be_alive() -> None:
    assert not is_over(elsewhere(), run(), boot_and_namespace())


def test_on_the_host_the_process_of_ones_own_controller_is_not_judged(
    process: subprocess.Popen[bytes],
) -> None:
    mine, killed = run(), run(process.pid)
    process.kill()
    process.wait()
    assert not is_over(killed, mine, ELSEWHERE)
    assert is_gone(killed, boot_and_namespace())
    assert not is_gone(mine, boot_and_namespace())
    # the machine that asks knows nothing of another one's processes
    assert not is_gone(elsewhere(connection="1"), boot_and_namespace())


def test_a_controller_that_was_booted_again_left_nothing_behind() -> None:
    # its end of the connection is gone, and nobody told the host
    holder = replace(run(), boot="earlier", machine="7 ada", connection="1")
    later = replace(run(), boot="later", machine="7 ada")
    assert is_over(holder, later, ELSEWHERE)
    # containers of one image on one kernel are several controllers
    container = replace(run(), namespace="pid:[2]", machine="7 ada")
    assert not is_over(container, replace(run(), machine="7 ada"), ELSEWHERE)
    # nor can machines without a name be told apart
    assert not is_over(
        replace(holder, machine="", connection=""), replace(later, machine=""), ELSEWHERE
    )


def test_the_connection_is_found_through_sudo(
    connection: tuple[socket.socket, socket.socket],
) -> None:
    accepted, client = connection
    words = [*map(str, client.getsockname()), *map(str, accepted.getsockname())]
    # sudo drops the variable, but keeps it in its own environment
    asked = subprocess.run(
        ["sh", "-c", 'env -u SSH_CONNECTION "$@" && true', "sh", sys.executable, "-c", ASK],
        env={**os.environ, "SSH_CONNECTION": " ".join(words), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert asked.stdout.split() == [str(os.fstat(accepted.fileno()).st_ino)]


ASK = "from kai_ansible.host.run_lock import connection_here; print(connection_here())"


def test_without_ssh_there_is_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules[connection_here.__module__]
    monkeypatch.setattr(module, "environment_of", lambda pid: {})
    assert connection_here() == ""


def with_value(name: str, value: Any) -> bytes:
    return json.dumps({**run().as_dict(), name: value}).encode()


VALUES = (None, True, -1, 1.5, 10**30, "", "../..", "a\0b", "\ud800", [], {})


@pytest.mark.parametrize(
    "content",
    [
        *(b"{", b"[]", b'{"by": "ada"}', b'"x"', b"7", b" ", b"\0" * 9, b"\xe9", b"[" * 10**5),
        *(b"1" * 10**5, b" " * 10**6, json.dumps({"by": 1}).encode(), with_value("more", 1)),
        *(with_value(name, value) for name in ("pid", "connection") for value in VALUES if value),
        *(with_value("by", value) for value in VALUES if not isinstance(value, str)),
    ],
)
def test_what_is_no_record_is_neither_free_nor_lost(lock: str, content: bytes) -> None:
    Path(lock).write_bytes(content)
    with pytest.raises(BrokenRecord) as refused:
        take(lock, run())
    assert Path(lock).read_bytes() == content
    problem = problem_of_lock(lock, refused.value)
    assert f"rm -r {lock}" in problem.fix
    json.dumps(problem.as_dict(), ensure_ascii=False).encode()


def test_the_key_of_a_record_that_is_wrong_is_named(lock: str) -> None:
    Path(lock).write_bytes(with_value("pid", "../.."))
    with pytest.raises(BrokenRecord, match=r'pid: found "../..", expected an integer from 1'):
        take(lock, run())


@pytest.mark.parametrize("plant", [Path.mkdir, os.mkfifo], ids=["a directory", "a named pipe"])
def test_what_is_no_file_is_no_lock(lock: str, plant: Callable[[Path], None]) -> None:
    plant(Path(lock))
    with pytest.raises((BrokenRecord, OSError)) as refused:
        take(lock, run())
    problem = problem_of_lock(lock, refused.value)
    assert (problem.where, f"rm -r {lock}" in problem.fix) == (lock, True)


def test_a_link_is_not_followed(lock: str, tmp_path: Path) -> None:
    Path(lock).symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic link"):
        take(lock, run())
    assert not (tmp_path / "victim").exists()


def test_a_full_file_system_is_no_reason_to_remove_a_lock(lock: str) -> None:
    problem = problem_of_lock(lock, OSError(errno.ENOSPC, "No space left on device"))
    assert "df -h" in problem.fix
    assert "rm" not in problem.fix.split()


def test_a_run_is_reported_and_read_whole() -> None:
    assert run_of(run().as_dict()) == run()


def test_when_a_process_started_is_reported_without_proc_too() -> None:
    assert system._started_of_ps(os.getpid())
    assert system._started_of_ps(os.getpid()) == system._started_of_ps(os.getpid())
    assert system.started(2**22) is None
    assert system._started_of_ps(2**22) is None


def test_a_process_that_goes_on_alone_is_named_with_its_start(lock: str) -> None:
    script = (
        f"import fcntl, time; f = open({lock!r}, 'w'); fcntl.flock(f, 2); print(1, flush=True); "
        "time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as left:
        assert left.stdout
        assert left.stdout.readline()
        try:
            with pytest.raises(Busy) as busy, held(lock, os.O_RDWR, 0):
                pass
        finally:
            left.kill()
    found = busy.value.problem.found
    assert f"process {left.pid} ({sys.executable}), since 20" in found
    # an argument may be a secret
    assert "import fcntl" not in found
    assert "end it on the host" in busy.value.problem.fix
