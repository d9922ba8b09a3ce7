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
    lines = [
        {"INVOCATION_ID": "now", "MESSAGE": "Started"},
        {"MESSAGE": "of nobody's"},
        {"_SYSTEMD_INVOCATION_ID": "before", "INVOCATION_ID": None},
        {"_SYSTEMD_INVOCATION_ID": "long ago"},
    ]
    said = "".join(json.dumps(line) + "\n" for line in lines)
    state = f"ActiveState=active\nInvocationID=now\nNRestarts={restarts}\n"

    def run(program: str, *_: str) -> subprocess.CompletedProcess[str]:
        text = said if program == "journalctl" else state
        return subprocess.CompletedProcess([], 0, text, "")

    monkeypatch.setattr(system, "_run", run)
    assert system.last_starts("kai") == wanted


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
