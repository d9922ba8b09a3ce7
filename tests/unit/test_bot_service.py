"""A request of the health route is bounded in time and memory, whatever process answers."""

import json
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kai_ansible.host import service, system
from kai_ansible.host.service import health


@contextmanager
def answering(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server that treats one connection in its own way, and its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                answer(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


@pytest.mark.parametrize("status", [200, 503])
def test_the_status_of_an_answer(status: int) -> None:
    requests: list[bytes] = []

    def answer(connection: socket.socket) -> None:
        requests.append(connection.recv(4096))
        for piece in ("HTT", f"P/1.0 {status}", " Some words\r\n\r\n", "{}"):
            connection.sendall(piece.encode())

    with answering(answer) as port:
        assert health("127.0.0.1", port, "/health") == status
    assert requests[0].startswith(b"GET /health HTTP/1.1\r\n")


@pytest.mark.parametrize("said", [b"", b"no such thing\r\n", b"HTTP/1.1 ok\r\n", b"x" * 100_000])
def test_what_is_no_answer(said: bytes) -> None:
    def answer(connection: socket.socket) -> None:
        connection.recv(4096)
        # the other side may have heard enough
        try:
            connection.sendall(said)
        except OSError:
            return

    with answering(answer) as port, pytest.raises(OSError, match="no HTTP answer"):
        health("127.0.0.1", port, "/health")


@pytest.mark.slow
def test_a_bot_that_says_one_letter_after_the_other_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(service, "_ANSWER_SECONDS", 1)
    heard_enough = threading.Event()

    def answer(connection: socket.socket) -> None:
        while not heard_enough.wait(0.001):
            try:
                connection.sendall(b"x")
            except OSError:
                return

    with answering(answer) as port:
        with pytest.raises(TimeoutError):
            health("127.0.0.1", port, "/health")
        heard_enough.set()


@pytest.mark.parametrize(
    ("restarts", "wanted"), [("0", ["now"]), ("", ["now"]), ("2", ["now", "before"])]
)
def test_a_start_that_has_only_just_begun_is_not_all_that_is_looked_at(
    monkeypatch: pytest.MonkeyPatch, restarts: str, wanted: list[str]
) -> None:
    # newest first; systemd itself tells the id in a field of its own
    entries = [
        {**OF_MANAGER, "INVOCATION_ID": "now", "MESSAGE": "Started"},
        {**OF_MANAGER, "MESSAGE": "of nobody's"},
        # a process of the bot that forges an id, and accounts beside it
        {**OF_BOT, "INVOCATION_ID": "forged"},
        {"_UID": "1002", "_PID": "9", "UNIT": "kai.service", "INVOCATION_ID": "forged"},
        {"_UID": "0", "_PID": "9", "COREDUMP_UNIT": "kai.service", **of_start("of the dump")},
        {**OF_BOT, **of_start("before"), "INVOCATION_ID": "forged"},
        {**OF_BOT, **of_start("long ago")},
    ]
    state = f"ActiveState=active\nInvocationID=now\nNRestarts={restarts}\n"
    monkeypatch.setattr(system, "_run", journal_of(entries, state))
    assert system.last_starts("kai") == wanted


OF_MANAGER = {"_PID": "1", "_UID": "0", "UNIT": "kai.service", "_SYSTEMD_UNIT": "init.scope"}
OF_BOT = {"_PID": "7", "_UID": "1001", "_SYSTEMD_UNIT": "kai.service"}


def of_start(start: str) -> dict[str, str]:
    return {"_SYSTEMD_INVOCATION_ID": start}


def journal_of(
    entries: list[dict[str, str]], state: str = ""
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run programs on a host whose journal has these entries.

    journalctl(1): fields of one name are alternatives, those of different names are all required,
    and a + is between whole alternatives. --unit has alternatives that other accounts do not reach.
    """

    def matches(entry: dict[str, str], terms: list[str]) -> bool:
        wanted: dict[str, set[str]] = {}
        for term in terms:
            name, _equals, value = term.partition("=")
            wanted.setdefault(name, set()).add(value)
        return all(entry.get(name) in values for name, values in wanted.items())

    def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        if program != "journalctl":
            return subprocess.CompletedProcess([], 0, state, "")
        alternatives: list[list[str]] = [[]]
        for argument in arguments:
            if argument == "+":
                alternatives.append([])
            elif not argument.startswith("--"):
                alternatives[-1].append(argument)
        found = [entry for entry in entries if any(matches(entry, one) for one in alternatives)]
        is_json = "--output=json" in arguments
        lines = [json.dumps(entry) if is_json else entry["MESSAGE"] for entry in found]
        return subprocess.CompletedProcess([], 0, "".join(f"{line}\n" for line in lines), "")

    return run


@pytest.mark.parametrize("dated", [False, True])
def test_no_other_account_writes_into_the_log_of_a_start(
    monkeypatch: pytest.MonkeyPatch, dated: bool
) -> None:
    forged = {"INVOCATION_ID": "now", "UNIT": "kai.service", "MESSAGE": "forged"}
    entries = [
        {**OF_MANAGER, "INVOCATION_ID": "now", "MESSAGE": "Started"},
        {**OF_BOT, **of_start("now"), "MESSAGE": "of the bot"},
        {**OF_MANAGER, "INVOCATION_ID": "before", "MESSAGE": "failed before"},
        {**OF_BOT, **of_start("before"), "MESSAGE": "of the bot before"},
        {**forged, "_PID": "9", "_UID": "1002"},
        {**forged, "_PID": "9", "_UID": "0"},
        {**forged, "_PID": "1", "_UID": "1002"},
        {**forged, **OF_BOT, **of_start("other")},
    ]
    monkeypatch.setattr(system, "_run", journal_of(entries))
    assert system.log_of(["now"], 9, dated=dated).splitlines() == ["Started", "of the bot"]
    both = system.log_of(["now", "before"], 9, dated=dated).splitlines()
    assert both == ["Started", "of the bot", "failed before", "of the bot before"]


def test_no_agent_writes_into_the_log_of_the_bot(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [
        {**OF_MANAGER, "INVOCATION_ID": "now", "MESSAGE": "Started"},
        {**of_start("now"), "_UID": "999", "MESSAGE": "of the bot"},
        {**of_start("now"), "_UID": "0", "MESSAGE": "of sudo"},
        {**of_start("now"), "_UID": "1001", "MESSAGE": "of an agent"},
    ]
    monkeypatch.setattr(system, "_run", journal_of(entries))
    said = system.log_of(["now"], 9, uid=999).splitlines()
    assert said == ["Started", "of the bot", "of sudo"]


def test_a_journal_that_fails_is_no_empty_log(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = subprocess.CompletedProcess([], 1, "", "Failed to open the journal")
    monkeypatch.setattr(system, "_run", lambda *_: failed)
    with pytest.raises(OSError, match="Failed to open the journal"):
        system.log_of(["now"], 5)


def test_running_turns_are_counted_whatever_lies_in_their_place(tmp_path: Path) -> None:
    place = tmp_path / ".responding"
    assert service.turns_in(str(place)) == 0
    place.mkdir()
    for user in range(3):
        (place / str(user)).touch()
    assert service.turns_in(str(place)) == 3
    for user in range(service.MOST_TURNS):
        (place / f"more-{user}").touch()
    assert service.turns_in(str(place)) == service.MOST_TURNS
    # what the bot can plant there is neither followed nor waited for, nor taken for none
    (tmp_path / "link").symlink_to(place)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "circle").symlink_to("circle")
    for name in ("link", "pipe", "circle"):
        assert service.turns_in(str(tmp_path / name)) is None
