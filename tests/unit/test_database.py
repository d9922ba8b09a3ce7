"""The bot's database is kept whole, and exchanged so that it can be brought back.

The work is done in this process as the present account; tests/machine does it as the service user.
"""

import itertools
import os
import pwd
import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from kai_ansible.host import database
from kai_ansible.rules.problems import Refused

ACCOUNT = pwd.getpwuid(os.getuid()).pw_name
SUFFIX = ".before-rollback-1"
AS_ACCOUNT = database._as_account


class Killed(BaseException):
    """The end of a process."""


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def attempt(_account: pwd.struct_passwd, work: Callable[[], None]) -> str:
        try:
            work()
        except (OSError, sqlite3.Error) as error:
            return str(error)
        return ""

    monkeypatch.setattr(database, "_as_account", attempt)


def make(path: Path, *texts: str) -> None:
    with closing(sqlite3.connect(path)) as opened, opened:
        opened.execute("CREATE TABLE IF NOT EXISTS said (text TEXT)")
        opened.executemany("INSERT INTO said VALUES (?)", [(text,) for text in texts])


def said(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as opened:
        return [row[0] for row in opened.execute("SELECT text FROM said")]


def overwrite(path: Path, offset: int, content: bytes) -> None:
    with path.open("r+b") as opened:
        opened.seek(offset)
        opened.write(content)


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
def test_a_copy_of_a_database_in_use_is_whole_and_private(tmp_path: Path, mode: str) -> None:
    path, copy = tmp_path / "kai ?#%.db", tmp_path / "copy.db"
    make(path, "one")
    with closing(sqlite3.connect(path)) as bot:
        bot.execute(f"PRAGMA journal_mode={mode}")
        with bot:
            bot.execute("INSERT INTO said VALUES ('two')")
        if mode == "WAL":
            # a turn that is not finished is not part of it
            bot.execute("INSERT INTO said VALUES ('three')")
        before = path.read_bytes()
        database.save(str(path), str(copy), ACCOUNT, str(tmp_path))
        assert path.read_bytes() == before
    assert said(copy) == ["one", "two"]
    assert copy.stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / ".snapshot").exists()


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b"no database at all" * 100),
        lambda path: path.write_bytes(path.read_bytes()[:-4096]),
        lambda path: path.unlink(),
        lambda path: overwrite(path, 3 * 4096, bytes(4096)),
    ],
    ids=["something else", "cut off", "absent", "a page lost"],
)
def test_a_damaged_database_is_refused(tmp_path: Path, damage: Callable[[Path], object]) -> None:
    path, copy = tmp_path / "kai.db", tmp_path / "copy.db"
    make(path, *("words" * 200 for _ in range(50)))
    damage(path)
    with pytest.raises(Refused, match=r"(?s)cannot be copied .* move it away: the bot"):
        database.save(str(path), str(copy), ACCOUNT, str(tmp_path))
    assert not copy.exists()
    assert not (tmp_path / ".snapshot").exists()


def test_a_locked_database_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_BUSY_SECONDS", 0)
    path, copy = tmp_path / "kai.db", tmp_path / "copy.db"
    make(path, "one")
    with closing(sqlite3.connect(path)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(
            database.Held, match=r"end the process that holds it \(fuser -v"
        ) as held:
            database.save(str(path), str(copy), ACCOUNT, str(tmp_path))
    assert "move it away" not in str(held.value)
    assert said(path) == ["one"]


def test_an_empty_file_is_no_database_yet(tmp_path: Path) -> None:
    path = tmp_path / "kai.db"
    assert not database.has_content(str(path))
    assert database.is_none(str(path))
    path.touch()
    assert not database.has_content(str(path))
    assert database.is_none(str(path))
    make(path)
    assert database.has_content(str(path))
    assert not database.is_none(str(path))
    with pytest.raises(Refused, match="not a regular file"):
        database.has_content(str(tmp_path))


def places(tmp_path: Path) -> Iterator[tuple[int, Path, Path]]:
    """Yield a step, a database that a bot left without tidying up, and a copy of an earlier one."""
    for step in itertools.count():
        directory = tmp_path / str(step)
        directory.mkdir()
        make(directory / "kai.db", "now")
        (directory / "kai.db-wal").write_bytes(b"")
        make(directory / "copy.db", "then")
        yield step, directory / "kai.db", directory / "copy.db"


def test_an_exchange_that_is_cut_short_anywhere_can_be_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[int] = []
    for name in ("rename", "open", "fchmod", "unlink"):
        real = getattr(os, name)

        def step(*arguments: object, real: Callable[..., object] = real, **named: object) -> object:
            if left and left.pop() == 0:
                raise Killed
            return real(*arguments, **named)

        monkeypatch.setattr(os, name, step)

    for number, path, copy in places(tmp_path):
        before = path.read_bytes()
        left[:] = range(number + 1)
        try:
            database.exchange(str(path), str(copy), ACCOUNT, SUFFIX)
            ended = bool(left)
        except Killed:
            ended = False
        left.clear()
        if ended:
            assert said(path) == ["then"]
            assert said(path.with_name(path.name + SUFFIX)) == ["now"]
            # what the bot left beside the one that goes away
            path.with_name("kai.db-wal").write_bytes(b"another one's")
        database.exchange_back(str(path), SUFFIX)
        assert path.read_bytes() == before
        assert path.with_name("kai.db-wal").read_bytes() == b""
        database.exchange_back(str(path), SUFFIX)
        assert path.read_bytes() == before
        if ended:
            assert number > 3, "the steps were not counted"
            return


def test_a_database_that_came_where_none_was_goes_away_again(tmp_path: Path) -> None:
    path, copy = tmp_path / "kai.db", tmp_path / "copy.db"
    make(copy, "then")
    database.exchange(str(path), str(copy), ACCOUNT, SUFFIX)
    path.with_name("kai.db-wal").write_bytes(b"of the bot that failed")
    gone = Path(database.exchange_back(str(path), SUFFIX, had_none=True))
    assert sorted(tmp_path.glob("kai.db*")) == [gone, gone.with_name(f"{gone.name}-wal")]
    assert said(gone) == ["then"]
    assert database.exchange_back(str(path), SUFFIX, had_none=True) == ""
    assert said(gone) == ["then"]


def test_a_second_exchange_keeps_what_the_first_one_replaced(tmp_path: Path) -> None:
    path, copy = tmp_path / "kai.db", tmp_path / "copy.db"
    make(path, "now")
    make(copy, "then")
    for _ in range(2):
        database.exchange(str(path), str(copy), ACCOUNT, SUFFIX)
        assert said(path) == ["then"]
        assert said(path.with_name(path.name + SUFFIX)) == ["now"]


def test_a_database_can_be_exchanged_for_none(tmp_path: Path) -> None:
    path = tmp_path / "kai.db"
    make(path, "now")
    for _ in range(2):
        database.exchange(str(path), None, ACCOUNT, SUFFIX)
        assert not path.exists()
    database.exchange_back(str(path), SUFFIX)
    assert said(path) == ["now"]


def test_X3_an_account_that_stops_its_process_stops_nobody_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # only root may do that
    monkeypatch.setattr(os, "setgroups", lambda groups: None)
    for number in (signal.SIGSTOP, signal.SIGKILL):
        fault = AS_ACCOUNT(
            pwd.getpwnam(ACCOUNT), lambda number=number: os.kill(os.getpid(), number)
        )
        assert fault == "the process that reads it was stopped or killed"
    monkeypatch.setattr(database, "_LIMIT_SECONDS", 0.2)
    fault = AS_ACCOUNT(pwd.getpwnam(ACCOUNT), threading.Event().wait)
    assert fault == "no end within 0.2 s"


@pytest.mark.parametrize("name", ["", "-wal", "-journal"])
def test_X3_a_pipe_beside_the_database_is_not_waited_for(tmp_path: Path, name: str) -> None:
    path = tmp_path / "kai.db"
    make(path, "one")
    planted = path.with_name(path.name + name)
    planted.unlink(missing_ok=True)
    os.mkfifo(planted)
    with pytest.raises(Refused, match="not a regular file"):
        if database.has_content(str(path)):
            database.save(str(path), str(tmp_path / "copy.db"), ACCOUNT, str(tmp_path))


def test_X3_a_link_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "kai.db").symlink_to("/etc/passwd")
    with pytest.raises(Refused, match="not a regular file"):
        database.has_content(str(tmp_path / "kai.db"))
    # nor a sign that there was none
    assert not database.is_none(str(tmp_path / "kai.db"))


def test_a_copy_that_its_owner_makes_longer_is_read_as_far_as_it_was_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, copy = tmp_path / "kai.db", tmp_path / "copy.db"
    make(path, "one")
    pread = os.pread

    def growing(descriptor: int, size: int, offset: int) -> bytes:
        with (tmp_path / ".snapshot/kai.db").open("ab") as handle:
            handle.write(bytes(1 << 20))
        return pread(descriptor, size, offset)

    monkeypatch.setattr(os, "pread", growing)
    database.save(str(path), str(copy), ACCOUNT, str(tmp_path))
    assert copy.stat().st_size == path.stat().st_size
    assert said(copy) == ["one"]


@pytest.mark.parametrize("pages", [0, 10])
def test_without_room_for_what_a_database_claims_there_is_no_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pages: int
) -> None:
    """One with holes claims more than it takes, and its copy has none."""
    path, copy = tmp_path / "kai.db", tmp_path / "copy.db"
    make(path, *("words" * 200 for _ in range(50)))
    monkeypatch.setattr(database, "free_bytes", lambda _directory: pages * 4096)
    with pytest.raises(database.NotKept, match="no free space for a copy") as refused:
        database.save(str(path), str(copy), ACCOUNT, str(tmp_path))
    assert "no free space" in refused.value.fault
    assert [entry.name for entry in tmp_path.iterdir()] == ["kai.db"]


def test_a_process_that_is_stopped_after_its_last_word_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(database, "_LIMIT_SECONDS", 1)
    monkeypatch.setattr(os, "setgroups", lambda groups: None)
    write = os.write

    def stopping(descriptor: int, content: bytes) -> int:
        written = write(descriptor, content)
        os.kill(os.getpid(), signal.SIGSTOP)
        return written

    def speak() -> None:
        monkeypatch.setattr(os, "write", stopping)
        raise OSError("its last word")

    assert AS_ACCOUNT(pwd.getpwnam(ACCOUNT), speak) == "its last word"
