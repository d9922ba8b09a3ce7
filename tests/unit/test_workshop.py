"""The workshop of a bot is read while it runs, and its database is never written."""

import contextlib
import hashlib
import os
import pwd
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from plugins.module_utils.host.workshop import workshop_seen

W = "wsp_" + "0" * 32
PROFILE = "rtp_" + "1" * 32
ME = pwd.getpwuid(os.geteuid())
QUERIES = {
    "workshop": "SELECT id FROM workshops",
    "assigned": "SELECT runtime_profile_id FROM channel_agent_runtime_assignments",
    "owners": "SELECT profile, principal, channel FROM owners",
    "archived": "SELECT id FROM channels WHERE archived_at IS NOT NULL",
}


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "kai.db"


def made(path: Path, workshops: list[str], profiles: list[str]) -> sqlite3.Connection:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE workshops (id TEXT)")
    connection.execute("CREATE TABLE channel_agent_runtime_assignments (runtime_profile_id TEXT)")
    connection.executemany("INSERT INTO workshops VALUES (?)", [(one,) for one in workshops])
    rows = [(one,) for one in profiles]
    connection.executemany("INSERT INTO channel_agent_runtime_assignments VALUES (?)", rows)
    connection.commit()
    return connection


def change(path: Path, statement: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


def seen(path: Path, account: pwd.struct_passwd | None = ME) -> Any:
    return workshop_seen({"database": str(path), **QUERIES}, account)


# what is written stays in the log of changes until the bot ends
BOT = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("INSERT INTO channel_agent_runtime_assignments VALUES ('rtp_x')")
connection.commit()
print("ready", flush=True)
sys.stdin.read()
"""


def test_a_running_bot_keeps_its_log_of_changes(database: Path) -> None:
    made(database, [W], [PROFILE]).close()
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", BOT, str(database)], **pipes) as bot:
        assert bot.stdout and bot.stdout.readline() == b"ready\n"
        wal = Path(f"{database}-wal")
        before = hashlib.sha256(wal.read_bytes()).digest(), wal.stat().st_ino
        assert wal.stat().st_size > 0
        assert seen(database) == {
            "id": W,
            "assigned": [PROFILE],
            "owners": {},
            "fault": None,
        }
        assert (hashlib.sha256(wal.read_bytes()).digest(), wal.stat().st_ino) == before


def test_before_the_first_start_there_is_none(database: Path) -> None:
    nothing = {"id": None, "assigned": [], "owners": {}, "fault": None}
    assert seen(database) == nothing
    database.touch()
    assert seen(database) == nothing
    # a bot of another line
    sqlite3.connect(database).execute("CREATE TABLE messages (id)").connection.commit()
    assert seen(database) == nothing


def test_what_cannot_be_read_is_unknown(database: Path) -> None:
    database.write_bytes(b"no database" * 1000)
    found = seen(database)
    assert (found["id"], found["assigned"]) == (None, None)
    assert str(database) in found["fault"]
    assert seen(database, None)["assigned"] is None


@pytest.mark.parametrize("workshops", [["wsp_/../x"], [W, "wsp_" + "2" * 32], ["x" * 100000]])
def test_an_id_that_is_none_is_not_used(database: Path, workshops: list[str]) -> None:
    made(database, workshops, ["rtp_1", PROFILE]).close()
    found = seen(database)
    assert (found["id"], found["assigned"]) == (None, None)
    assert "not one workshop" in found["fault"]


def test_each_profile_with_one_owner_has_it(database: Path) -> None:
    ada, ben = (f"prn_{digit * 32}" for digit in "12")
    first, second = (f"chn_{digit * 32}" for digit in "12")
    other = "rtp_" + "2" * 32
    with made(database, [W], [PROFILE]) as connection:
        connection.execute("CREATE TABLE owners (profile TEXT, principal TEXT, channel TEXT)")
        rows = [
            *((PROFILE, ada, first), (PROFILE, ada, second)),
            *((other, ada, first), (other, ben, first)),
            *(("rtp_x", ada, first), ("rtp_" + "3" * 32, "../x", first)),
            ("rtp_" + "4" * 32, ben, "../x"),
        ]
        connection.executemany("INSERT INTO owners VALUES (?, ?, ?)", rows)
    connection.close()
    # the first channel is the user's own
    of_ada: dict[str, Any] = {"principal": ada, "channel": first, "channels": [first, second]}
    assert seen(database)["owners"] == {PROFILE: of_ada}
    known = {"id": W, "assigned": [PROFILE], "owners": {PROFILE: of_ada}, "fault": None}
    # before September there is no such column
    change(database, "CREATE TABLE channels (id TEXT)")
    change(database, f"INSERT INTO channels VALUES ('{first}')")
    assert seen(database) == known
    change(database, "ALTER TABLE channels ADD COLUMN archived_at TEXT")
    assert seen(database) == known
    change(database, "UPDATE channels SET archived_at = 'now'")
    left = {"principal": ada, "channel": second, "channels": [second]}
    assert seen(database)["owners"] == {PROFILE: left}
