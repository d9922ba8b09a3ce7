"""Questions that another process asks."""

import fcntl
import os
import pwd
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from kai_ansible.host.run_as import (
    FAILED,
    UNANSWERED,
    ask_as,
    ask_each,
    blocked_at,
    fault_of_entry,
    fault_of_program,
)


def test_a_question_that_hangs_or_fails_takes_no_other_with_it() -> None:
    answers = ask_as(
        None,
        [lambda: 1, threading.Event().wait, lambda: [2], lambda: 1 / 0, lambda: None],
        seconds=0.3,
    )
    assert answers == [1, UNANSWERED, [2], FAILED, None]
    assert ask_as(None, []) == []


# longer than any test; a child that is waited for makes the test hang
LONG = 3600.0


def test_one_that_is_stopped_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped() -> None:
        os.kill(os.getpid(), signal.SIGSTOP)

    assert ask_as(None, [lambda: 1, stopped, lambda: 2], LONG) == [1, UNANSWERED, 2]
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
    # after its last answer it has nothing to do but to end
    leave = os._exit

    def stop_and_leave(code: int) -> None:
        stopped()
        leave(code)

    monkeypatch.setattr(os, "_exit", stop_and_leave)
    assert ask_as(None, [lambda: 1], LONG) == [1]
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_who_does_not_answer_is_given_less_time_then(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = sys.modules[ask_each.__module__]
    given = []

    def nobody_answers(_asked: object, limits: Sequence[float]) -> list[object]:
        given.append(list(limits))
        return [UNANSWERED]

    monkeypatch.setattr(rules, "_answers", nobody_answers)
    me = pwd.getpwuid(os.getuid())
    assert ask_each([(me, os.getpid), (None, os.getpid), (me, os.getpid)], 10) == [UNANSWERED] * 3
    # a file system that hangs is no reason to think less of the next one that root looks at
    assert given == [[10, 10, 10], [10, 1], [1]]


def test_nothing_of_this_process_is_open_in_one_that_asks(tmp_path: Path) -> None:
    def opened() -> list[list[str]]:
        return [[path.name, str(path.resolve())] for path in Path("/proc/self/fd").iterdir()]

    with (tmp_path / "lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        [found] = ask_as(None, [opened])
    names = dict(found)
    assert [names[name] for name in "012"] == ["/dev/null"] * 3
    # its pipe, and the directory that it looked into
    assert set(names) == set("01234")


def test_a_long_answer_arrives_whole() -> None:
    assert ask_as(None, [lambda: "x" * 300_000, lambda: "y"]) == ["x" * 300_000, "y"]


class Writer:
    """A child that writes pieces for ever, each after a moment."""

    def __init__(self, piece: bytes, seconds: float) -> None:
        self.piece, self.seconds = piece, seconds

    def read(self, seconds: float) -> bytes | None:
        time.sleep(min(seconds, self.seconds))
        return self.piece if seconds > self.seconds else None


def test_an_answer_that_never_ends_is_none() -> None:
    lines: Any = sys.modules[ask_each.__module__]._lines
    # the limit is one for the whole answer, not for each piece of it
    assert lines(Writer(b"x", 0.01), 1, [0.1]) == ([], False)
    assert lines(Writer(b"x" * 65536, 0), 1, [60]) == ([], True)


def test_what_is_not_there_is_not_closed(tmp_path: Path) -> None:
    assert fault_of_entry(str(tmp_path / "none" / "deeper")) is None
    assert fault_of_entry(str(tmp_path), write=True) is None


def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert blocked_at(str(tmp_path / "a")) is None
    assert fault_of_entry(str(tmp_path / "a")) == ("cannot enter", str(tmp_path / "a"))
    assert fault_of_program(str(tmp_path / "a")) == "cannot execute"


@pytest.fixture
def common() -> Iterator[Path]:
    """A directory that everybody can enter, which is not so for those of pytest."""
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        place.chmod(0o755)
        yield place


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_one_process_asks_for_many_and_each_is_only_themselves(common: Path) -> None:
    own, home = common / "own", common / "home"
    for place, uid in ((own, 1), (home, 2)):
        place.mkdir()
        os.chown(place, uid, uid)
        place.chmod(0o700)
    people = [pwd.getpwuid(uid) for uid in (1, 2)]
    questions = [
        (account, lambda place=place: [os.access(place, os.W_OK), os.getuid(), os.geteuid()])
        for account in [*people, None, *people]
        for place in (own, home)
    ]
    expected = [[True, 1, 1], [False, 1, 1], [False, 2, 2], [True, 2, 2]]
    assert ask_each(questions) == [*expected, [True, 0, 0], [True, 0, 0], *expected]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_nobody_opens_what_only_root_may(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    secret.chmod(0o600)

    def reads() -> bool:
        try:
            return secret.read_text() == "x"
        except PermissionError:
            return False

    nobody = pwd.getpwnam("nobody")
    assert ask_each([(None, reads), (nobody, reads), (None, reads)]) == [True, False, True]
