"""Real Kais of every line, one after the other on one machine, and all the way back."""

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kai_ansible.rules.principal_ids import principal_of_telegram
from tests.machine.site import Site
from tests.machine.site_2 import ADA, Site2
from tests.real.lab import CA, answer_of_telegram, prepare
from tests.testbed import machines

SECONDS = 180
NUMBER = int(str(ADA["telegram_id"]))
HOME = f"/var/lib/kai/home/{NUMBER}"
_TABLES = """
import json, sqlite3
database = sqlite3.connect("file:/var/lib/kai/kai.db?mode=ro", uri=True)
names = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
print(json.dumps({name: database.execute(f"SELECT * FROM {name}").fetchall()
                  for name in names if not name.startswith("sqlite_")}))
"""


class EveryLine(Site2):
    """A desk whose host_vars are of line 1, until they are migrated."""

    def __init__(self, machine: machines.Machine, directory: Path, trees: dict[str, Path]) -> None:
        self.trees = trees
        super().__init__(machine, directory, trees["1"])

    def configure(self) -> None:
        """Write the host_vars of the machine."""
        Site.configure(self)
        self.set(
            kai_install_users=[ADA],
            kai_install_codex_bin="/usr/local/bin/codex",
            kai_install_extra_env={"SSL_CERT_FILE": CA},
        )

    def move_to(self, line: str) -> dict[str, Any]:
        """Rewrite host_vars for a line and install its tree; return the report."""
        done = self.run("migrate", "--to", line, "--yes")
        assert done.code == 0, done.text
        self.set(kai_install_source=str(self.trees[line]))
        return self.install()

    def roll_back(self, to: int) -> None:
        """Roll back to an install, which has to succeed."""
        done = self.run("rollback", "--to", str(to), "--yes")
        assert done.code == 0, done.text

    def tables(self) -> dict[str, list[Any]]:
        """Return the rows of every table of the bot's database."""
        found: dict[str, list[Any]] = json.loads(self.python(_TABLES))
        return found

    def answers(self, text: str) -> None:
        """Let Ada say something to Telegram, which her agent has to answer."""
        who = r"\[codex as alice\] echo"
        assert text in answer_of_telegram(self.machine, NUMBER, text, who, SECONDS)

    def history(self) -> str:
        """Return what the bot wrote down under Ada's Telegram ID."""
        place = f"/var/lib/kai/history/{NUMBER}"
        return self.machine.run(["sh", "-c", f"cat {place}/*.jsonl"]).stdout


@pytest.fixture(scope="module")
def site(trees: dict[str, Path]) -> Iterator[EveryLine]:
    with (
        machines.running(f"real-lines-{os.getpid()}") as machine,
        # ssh's socket below this home has to have a short path
        tempfile.TemporaryDirectory(prefix="desk-") as directory,
    ):
        prepare(machine)
        yield EveryLine(machine, Path(directory), trees)


@pytest.fixture(scope="module")
def of_1(site: EveryLine) -> dict[str, list[Any]]:
    """Kai 1 has answered Ada, who has files of her own; return the rows of its database."""
    assert site.install()["install"] == 1
    site.answers("said to line 1")
    write = ["sh", "-c", f"cat > {HOME}/.claude/CLAUDE.md"]
    site.machine.run(write, user="alice", input="# Ada's own\n")
    return site.tables()


# these tests build on each other and run in this order


def test_kai_1_becomes_kai_2_0(site: EveryLine, of_1: dict[str, list[Any]]) -> None:
    assert of_1["sessions"]
    assert site.move_to("2.0")["install"] == 2
    site.answers("said to line 2.0")
    assert "said to line 1" in site.history()


@pytest.mark.usefixtures("of_1")
def test_kai_2_0_becomes_kai_2(site: EveryLine) -> None:
    assert site.move_to("2")["install"] == 3
    assert site.turn(NUMBER, "!env", SECONDS)["status"] == "completed"
    site.answers("said to line 2")
    person = principal_of_telegram(site.tables()["workshops"][0][0], NUMBER)
    identity = f"/var/lib/kai/home/{person}/AGENTS.md"
    assert site.machine.run(["cat", identity]).stdout == "# Ada's own\n"
    assert site.run("status").report["drift"] == []


@pytest.mark.usefixtures("of_1")
def test_a_rollback_brings_kai_2_0_back(site: EveryLine) -> None:
    site.roll_back(2)
    assert "workshops" not in site.tables()
    site.answers("said to line 2.0 again")


def test_a_rollback_brings_kai_1_back_with_its_database(
    site: EveryLine, of_1: dict[str, list[Any]]
) -> None:
    site.roll_back(1)
    assert site.tables() == of_1
    assert "said to line 1" in site.history()
    site.answers("said to line 1 again")


@pytest.mark.usefixtures("of_1")
def test_a_rollback_brings_kai_2_back_with_its_database(site: EveryLine) -> None:
    site.roll_back(3)
    assert site.tables()["workshops"]
    site.answers("said to line 2 again")
