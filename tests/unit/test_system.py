"""Processes, sockets and accounts of this machine."""

import contextlib
import os
import pwd
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kai_ansible.host import run_as, subprocesses, system
from kai_ansible.host.system import ESTABLISHED, ancestors, sockets, started, strangers

LISTEN = """
import socket
with socket.create_server(("127.0.0.1", 0)) as server:
    print(server.getsockname()[1], flush=True)
    input()
"""


@pytest.fixture
def listener() -> Iterator[tuple[int, int]]:
    """PID and port of a process that listens."""
    command = [sys.executable, "-c", LISTEN]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        assert running.stdout
        yield running.pid, int(running.stdout.readline())
        running.kill()


def own_group() -> str:
    line = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()[0]
    return line.rpartition(":")[2]


def test_of_what_a_process_shows_of_itself_a_part_is_read() -> None:
    # the kernel shows a quarter of the stack, and any memory that the process names (prctl(2))
    long = ["x" * 100_000] * 14
    names = {f"LONG_{number}": "x" * 100_000 for number in range(14)}
    wait = "print(flush=True); input()"
    for arguments, environment in ((long, {}), ([], names)):
        with subprocess.Popen(
            ["/usr/bin/python3", "-I", "-c", wait, *arguments],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as process:
            assert process.stdout
            process.stdout.readline()
            shown = (
                system.command_of(process.pid),
                "".join(system.environment_of(process.pid).values()),
            )
            process.kill()
        assert 1000 < max(map(len, shown)) <= 1 << 20


def test_a_stranger_on_the_port_is_named(listener: tuple[int, int]) -> None:
    pid, port = listener
    [found] = strangers(port, 0, "")
    assert found.pid == pid
    assert found.command.startswith(sys.executable)
    assert str(found).startswith(f"process {pid} of ")
    # a service that runs beside it does not make it one of its own
    assert [other.pid for other in strangers(port, os.getpid(), "/no such group")] == [pid]


def test_a_process_of_the_service_is_no_stranger(listener: tuple[int, int]) -> None:
    pid, port = listener
    assert strangers(port, pid, own_group()) == []
    assert strangers(port, os.getpid(), own_group()) == []


def test_a_free_port_has_nobody() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert strangers(port, 0, "") == []


@pytest.mark.parametrize("address", ["127.0.0.2", "::1"])
def test_who_listens_on_another_address_is_no_stranger(address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family) as server:
        port = server.getsockname()[1]
        assert strangers(port, 0, "") == []
        [found] = strangers(port, 0, "", "127.0.0.2") if family == socket.AF_INET else [None]
        assert found is None or found.pid == os.getpid()
        # not beside the bot either
        with socket.create_server(("127.0.0.1", port)):
            [found] = strangers(port, 0, "")
            assert found.pid == os.getpid()


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "::ffff:127.0.0.1"])
def test_who_listens_on_every_address_is_one(address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    both = family == socket.AF_INET6
    with socket.create_server((address, 0), family=family, dualstack_ipv6=both) as server:
        [found] = strangers(server.getsockname()[1], 0, "")
        assert found.pid == os.getpid()


def test_a_process_that_cannot_be_seen_is_known_by_its_account(
    listener: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, port = listener
    # as it is for root in a container that may not look into other accounts' processes
    monkeypatch.setattr(system, "_descriptors", lambda pid: iter(()))
    [found] = strangers(port, 0, "")
    assert (found.pid, found.command) == (None, "")
    assert str(found) == f"a process of {found.user} that cannot be seen"
    # the service runs as that account, so it is taken for its own
    assert strangers(port, os.getpid(), "/x") == []


def test_a_connection_is_known_by_both_its_ports() -> None:
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("::1", 0), family=socket.AF_INET6))
        pairs = []
        for _ in range(2):
            stack.enter_context(socket.create_connection(server.getsockname()[:2]))
            pairs.append(stack.enter_context(server.accept()[0]))
        ports = [(one.getsockname()[1], one.getpeername()[1]) for one in pairs]
        inodes = [str(os.fstat(one.fileno()).st_ino) for one in pairs]
        assert [list(sockets(ESTABLISHED, *both)) for both in ports] == [[one] for one in inodes]
    assert [sockets(ESTABLISHED, *both) for both in ports] == [{}, {}]


def test_ancestors_end_with_the_first_process() -> None:
    found = list(ancestors(os.getpid()))
    assert found[:2] == [os.getpid(), os.getppid()]
    assert found[-1] == 1 or started(found[-1])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another account")
def test_an_account_with_more_groups_than_a_call_takes_keeps_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    account = pwd.getpwnam("nobody")
    monkeypatch.setattr(os, "getgrouplist", lambda *_: [account.pw_gid, *range(5000, 5019)])

    def few(groups: list[int]) -> None:
        assert len(groups) > 16
        raise ValueError("too many groups")

    monkeypatch.setattr(os, "setgroups", few)
    found = run_as.ask_as(account, [lambda: [os.geteuid(), os.getegid(), *os.getgroups()]])
    assert found == [[account.pw_uid, account.pw_gid, account.pw_gid]]


def test_a_program_of_an_account_with_too_many_groups_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ValueError("too many extra_groups")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    with pytest.raises(OSError, match="too many extra_groups"):
        subprocesses.run_bounded(["true"], {}, 5)
