"""From Kai 1 to Kai 2 in place: code, files, database and directories, and all of it back."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kai_ansible.rules.principal_ids import principal_of_telegram
from tests.cli.desk import exit_code
from tests.conftest import STAND_IN
from tests.machine.site import Site, mortal_python
from tests.machine.site_2 import AGENTS, STAND_IN_2, Site2
from tests.testbed.machines import Machine

pytestmark = pytest.mark.later(
    "a way that a host goes once; an install of each line is in every run, and tests/unit has the "
    "migration and the snapshot of the database"
)
ADA = 1
DATA = "/var/lib/kai"
DATABASE = f"{DATA}/kai.db"
FORMER = {name: f"{DATA}/{name}/{ADA}" for name in ("home", "memory", "preferences")}
_MARK = """
import sqlite3
with sqlite3.connect("/var/lib/kai/kai.db") as database:
    database.execute("CREATE TABLE mark (said TEXT)")
    database.execute("INSERT INTO mark VALUES ('of line 1')")
"""
_READ = """
import json, sqlite3
database = sqlite3.connect("file:/var/lib/kai/kai.db?mode=ro", uri=True)
known = {row[0] for row in database.execute("SELECT name FROM sqlite_master")}
found = {name: database.execute(f"SELECT {column} FROM {name}").fetchall()[0][0]
         for name, column in (("mark", "said"), ("workshops", "id")) if name in known}
print(json.dumps(found))
"""


class BothLines(Site2):
    """A desk whose host_vars are of line 1, until they are migrated."""

    def configure(self) -> None:
        """Write the host_vars of the machine."""
        Site.configure(self)
        ada = {"telegram_id": ADA, "name": "Ada", "role": "admin", "os_user": "alice"}
        self.set(kai_install_users=[ada], kai_install_codex_bin=AGENTS["codex"])

    def database(self) -> dict[str, str]:
        """Return the mark of line 1 and the workshop, as far as the database has them."""
        found: dict[str, str] = json.loads(self.python(_READ))
        return found

    def write(self, path: str, text: str) -> None:
        """Let Ada write a file."""
        self.machine.run(["sh", "-c", f"cat > {path}"], user="alice", input=text)

    def read(self, path: str) -> str:
        """Return a file of the machine."""
        return self.machine.run(["cat", path]).stdout


@pytest.fixture(scope="module")
def site(machine: Machine) -> Iterator[BothLines]:
    # ssh's socket below this home has to have a short path
    with tempfile.TemporaryDirectory(prefix="desk-") as directory:
        shutil.copytree(STAND_IN_2, Path(directory) / "kai-2")
        python = mortal_python(machine)
        found = BothLines(machine, Path(directory), STAND_IN, ansible_python_interpreter=python)
        found.install()
        found.write(f"{FORMER['home']}/.claude/CLAUDE.md", "# Ada's own\n")
        found.write(f"{FORMER['home']}/work.txt", "half done\n")
        found.write(f"{FORMER['memory']}/MEMORY.md", "# likes tea\n")
        machine.run(["systemctl", "stop", "kai"])
        found.python(_MARK, user="kai")
        machine.run(["systemctl", "start", "kai"])
        found.wait_for_health()
        done = found.run("migrate", "--to", "2", "--yes")
        assert done.code == 0, done.text
        found.set(kai_install_source=str(Path(directory) / "kai-2"))
        yield found


# these tests build on each other and run in this order


def test_two_identities_of_a_user_are_refused_before_anything_changes(site: BothLines) -> None:
    before, other = site.state(), f"{FORMER['home']}/AGENTS.md"
    site.write(other, "# another one\n")
    done = site.run("install")
    assert done.code == 2, done.text
    assert f"{FORMER['home']}/.claude/CLAUDE.md" in done.text
    assert f"merge both into {other}" in done.text
    assert site.state() == before
    site.machine.run(["rm", other])


def test_a_failed_start_brings_the_bot_of_1_back(site: BothLines) -> None:
    before, live = site.everything(), site.health()["release"]
    site.fault(NOT_READY="store")
    done = site.run("install")
    assert done.code == 1, done.text
    assert "core.ready" in done.failure
    assert "the bot answers again" in done.failure
    assert site.health()["release"] == live
    assert site.database() == {"mark": "of line 1"}
    after = site.everything()
    places = ("/etc/", f"{DATA}/home", f"{DATA}/memory", f"{DATA}/preferences")
    assert {path: entry for path, entry in after.items() if path.startswith(places)} == {
        path: entry for path, entry in before.items() if path.startswith(places)
    }
    site.fault()


def test_a_failed_start_leaves_no_database_where_there_was_none(site: BothLines) -> None:
    site.machine.run(["systemctl", "stop", "kai"])
    site.machine.run(["mv", DATABASE, "/root/kai.db"])
    site.fault(NOT_READY="store")
    done = site.run("install")
    assert done.code == 1, done.text
    assert "the database of the bot that failed" in done.failure
    assert site.machine.run(["test", "-e", DATABASE], check=False).returncode == 1
    site.machine.run(["sh", "-c", f"ls {DATABASE}.before-rollback-*"])
    site.fault()
    site.machine.run(["mv", "/root/kai.db", DATABASE])
    site.machine.run(["systemctl", "start", "kai"])
    site.wait_for_health()


def test_a_switch_that_was_killed_is_taken_back_with_the_database(site: BothLines) -> None:
    live = site.health()["release"]
    # Kai 2 has started, and its database is not one of Kai 1 any more
    site.cut_short("os.rename /run/kai-ansible.proofs")
    assert set(site.database()) == {"mark", "workshops"}
    done = site.run("rollback", "--yes")
    assert done.code == 0, done.text
    assert done.report["database"] == "restored"
    assert site.health()["release"] == live
    assert site.database() == {"mark": "of line 1"}


def test_one_install_switches_everything(site: BothLines) -> None:
    report = site.install()
    assert site.health()["release"] == report["release"]
    changed = f"Ada may have changed {FORMER['home']}/.claude/CLAUDE.md"
    assert any(note.startswith(changed) for note in report["notes"]), report["notes"]
    found = site.database()
    assert found["mark"] == "of line 1"
    person = principal_of_telegram(found["workshops"], ADA)
    assert site.read(f"{DATA}/home/{person}/AGENTS.md") == "# Ada's own\n"
    assert site.read(f"{DATA}/home/{person}/work.txt") == "half done\n"
    assert site.read(f"{DATA}/memory/{person}/MEMORY.md") == "# likes tea\n"
    assert site.read(f"{FORMER['home']}/.claude/CLAUDE.md") == "# Ada's own\n"
    for name in FORMER:
        path = f"{DATA}/{name}/{person}"
        assert site.machine.run(["stat", "-c", "%U %a", path]).stdout == "alice 700\n"
    assert site.turn(ADA)["status"] == "completed"


def test_a_second_run_changes_nothing(site: BothLines) -> None:
    before = site.state(), site.data(), site.health()["pid"]
    site.install()
    assert (site.state(), site.data(), site.health()["pid"]) == before


def test_the_question_of_a_rollback_says_that_the_database_goes_back(site: BothLines) -> None:
    child = site.desk.spawn("rollback")
    child.expect("The rollback restores the database of install 1. Everything that the bot", 300)
    child.expect("back to install 1, with its database, and set the present one aside")
    child.sendline("no")
    child.wait()
    assert exit_code(child) == 0
    assert set(site.database()) == {"mark", "workshops"}


def test_a_rollback_brings_the_bot_of_1_back_with_its_database(site: BothLines) -> None:
    done = site.run("rollback", "--yes")
    assert done.code == 0, done.text
    assert done.report["database"] == "restored"
    assert site.database() == {"mark": "of line 1"}
    assert site.read(f"{FORMER['home']}/work.txt") == "half done\n"
    for name in ("backends", "runtime-profiles"):
        found = site.machine.run(["test", "-e", f"/etc/kai/{name}.yaml"], check=False)
        assert found.returncode == 1


def test_a_rollback_of_that_brings_kai_2_back_with_its_database(site: BothLines) -> None:
    done = site.run("rollback", "--yes")
    assert done.code == 0, done.text
    assert set(site.database()) == {"mark", "workshops"}
    assert site.turn(ADA)["status"] == "completed"
