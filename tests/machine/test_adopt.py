"""A bot of Kai's own installer is adopted, and can be gone back to."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.machine.site import IMPATIENT, Site, mortal_python
from tests.testbed import kai_1_install
from tests.testbed.machines import Machine

pytestmark = pytest.mark.later(
    "adoption, a way to a first install that the whole way does not take"
)

FILES = [
    "/etc/kai/env",
    "/etc/kai/users.yaml",
    "/etc/sudoers.d/kai",
    "/etc/systemd/system/kai.service",
]
# what a new bot would be told by its operator
RULE = "kai ALL=(root) NOPASSWD: /usr/bin/systemctl restart kai"
_EVERYTHING = """
import hashlib, json, os, sys
found = {}
for place in sys.argv[1:]:
    for parent, directories, files in os.walk(place):
        # Python writes these by itself
        directories[:] = [name for name in directories if name != '__pycache__']
        for name in directories + files:
            path = os.path.join(parent, name)
            status = os.lstat(path)
            content = open(path, 'rb').read() if os.path.isfile(path) else b''
            digest = hashlib.sha256(content).hexdigest()
            found[path] = [status.st_uid, status.st_gid, status.st_mode, digest]
print(json.dumps(found))
"""
_ROWS = """
import sqlite3
database = sqlite3.connect('file:/var/lib/kai/kai.db?mode=ro', uri=True)
print(database.execute('SELECT count(*), min(text), max(text) FROM history').fetchone(),
      database.execute('PRAGMA journal_mode').fetchone(),
      database.execute('PRAGMA integrity_check').fetchone())
"""


class Adoption(Site):
    """A desk that knows nothing yet, and a machine on which Kai's own installer was at work."""

    def configure(self) -> None:
        kai_1_install.lay_out(self.machine)
        done = self.run("config", "--no-input", "--set", f"source={self.desk.source}")
        assert done.code == 0, done.text
        self.told = done.document
        self.set(kai_install_health_timeout=IMPATIENT)

    def everything(self, *places: str) -> dict[str, list[Any]]:
        """Return owner, mode and hash of everything below some directories, by path."""
        found: dict[str, list[Any]] = json.loads(self.python(_EVERYTHING, *places))
        return found

    def program(self) -> str:
        """Return what the unit's process was started as."""
        pid = self.machine.run(["systemctl", "show", "-P", "MainPID", "kai.service"]).stdout
        words = self.machine.run(["cat", f"/proc/{pid.strip()}/cmdline"]).stdout
        return words.split("\0")[0]


@pytest.fixture(scope="module")
def site(machine: Machine) -> Iterator[Adoption]:
    # ssh's socket below this home has to have a short path
    with tempfile.TemporaryDirectory(prefix="desk-") as directory:
        yield Adoption(machine, Path(directory), ansible_python_interpreter=mortal_python(machine))


# these tests build on each other and run in this order


def test_status_reports_what_is_there_before_an_adoption(site: Adoption) -> None:
    status = site.run("status").report
    assert status["live"] == "flat"
    assert status["releases"] == [{"id": "flat", "state": "not adopted", "live": True}]
    assert status["installs"] == []
    assert [problem["found"] for problem in status["problems"]] == ["not enabled"]


def test_G10_a_rule_that_nobody_knows_is_not_dropped(site: Adoption) -> None:
    site.machine.run(["sh", "-c", f"echo '{RULE}' >>/etc/sudoers.d/kai"])
    before = site.everything("/etc", "/opt", "/var/lib/kai/home")
    done = site.run("install")
    assert done.code != 0
    [problem] = done.document["problems"]
    assert problem["where"].startswith("/etc/sudoers.d/kai:")
    assert RULE in problem["found"]
    assert "visudo -f /etc/sudoers.d/kai-local" in problem["fix"]
    assert site.everything("/etc", "/opt", "/var/lib/kai/home") == before
    site.machine.run(["sed", "-i", "$ d", "/etc/sudoers.d/kai"])
    site.machine.run(
        ["install", "-m", "0440", "/dev/stdin", "/etc/sudoers.d/kai-local"], input=f"{RULE}\n"
    )


def test_an_adoption_that_fails_leaves_the_old_bot_running(site: Adoption) -> None:
    files, flat = site.everything("/etc"), site.everything("/opt/kai")
    old, rows = site.health(), site.python(_ROWS)
    own = {"HAND_ADDED": "1"}
    site.set(kai_install_extra_env={**own, "KAI_STANDIN_HEALTH_STATUS": "500"})
    done = site.run("install")
    assert done.code == 1
    assert "The host is as it was before this run, and the bot answers again" in done.failure
    assert site.everything("/etc") == files
    now = site.everything("/opt/kai")
    assert {path: now.get(path) for path in flat} == flat
    [failed] = site.releases()
    release = f"/opt/kai/releases/{failed}"
    others = {path for path in now if path not in flat and not path.startswith(release)}
    assert others == {"/opt/kai/releases"}
    new = site.health()
    assert (new["settings"], new["users"]) == (old["settings"], old["users"])
    assert site.program() == "/opt/kai/venv/bin/python"
    assert site.python(_ROWS) == rows
    shown = site.machine.run(["systemctl", "is-enabled", "kai.service"], check=False).stdout
    assert shown == "disabled\n"
    site.set(kai_install_extra_env=own)


def test_an_adoption_that_was_killed_can_be_finished_or_taken_back(site: Adoption) -> None:
    files = site.everything("/etc")
    # tests/unit/test_interrupted_switch.py cuts at every step
    site.cut_short("os.rename /opt/kai/current")
    assert site.everything("/etc") != files
    assert site.run("status").report["unfinished"]
    # the rules that are deployed by now are no reason to refuse
    would = site.run("install", "--check")
    assert would.code == 0, would.text
    back = site.run("rollback", "--yes")
    assert back.code == 0, back.text
    assert site.everything("/etc") == files
    assert site.program() == "/opt/kai/venv/bin/python"
    assert site.run("status").report["installs"] == []


def test_a_bot_of_kais_own_installer_is_adopted(site: Adoption) -> None:
    old, rows, data = site.health(), site.python(_ROWS), site.data()
    before = site.everything("/etc", "/opt/kai")
    would = site.run("install", "--check").report
    assert site.everything("/etc", "/opt/kai") == before
    assert site.data() == data
    report = site.install()
    assert report["changes"] == would["changes"]
    assert any("is adopted" in note for note in would["notes"])
    [left] = [note for note in report["notes"] if note.startswith("Kept, because it may")]
    for path in ("/opt/kai/home", "/opt/kai/NOTES", "/etc/kai/notes.txt"):
        assert path in left
    for path in ("/etc/sudoers.d/kai-backup", "/etc/sudoers.d/kai-local"):
        assert path in left
    assert "/opt/kai/venv" not in left
    assert "/etc/kai/totp" not in left

    new = site.health()
    assert new["users"][0]["os_user"] == "alice"
    settings = new["settings"]
    assert settings["DEFAULT_MODEL"] == old["settings"]["CLAUDE_MODEL"]
    assert float(settings["BUDGET_CEILING"]) == 7.5
    for key in ("HAND_ADDED", "AGENT_TIMEOUT_SECONDS", "TELEGRAM_BOT_TOKEN", "WEBHOOK_SECRET"):
        assert settings[key] == old["settings"][key], key
    assert "MEMORY_REASONER_BACKEND" not in settings
    assert site.machine.run(["systemctl", "is-enabled", "kai.service"]).stdout == "enabled\n"
    assert site.program().startswith("/opt/kai/current/")

    assert site.python(_ROWS) == rows
    after = site.data()
    assert {path: after[path][3] for path in data} == {path: data[path][3] for path in data}
    kept = site.everything("/etc", "/opt/kai")
    told = {change["path"] for change in report["changes"]}
    assert {path for path in before if kept[path] != before[path]} <= {*told, *FILES}
    # what lies in a directory that is given to another owner goes along
    given = {path for path in data if after[path] != data[path]} - told
    assert all(any(path.startswith(f"{place}/") for place in told) for path in given)
    assert {path: after[path][2:] for path in given} == {path: data[path][2:] for path in given}


def test_an_adopted_bot_is_on_record_and_adopting_twice_is_no_change(site: Adoption) -> None:
    release = site.health()["release"]
    status = site.run("status").report
    assert status["problems"] == []
    found = [(entry["number"], entry["release"]) for entry in status["installs"]]
    assert found == [(1, "flat"), (2, release)]
    assert [entry["id"] for entry in status["releases"] if entry["state"] == "good"] == sorted(
        ["flat", release]
    )
    kept = site.machine.run(["find", "/opt/kai/installs", "-perm", "/077"]).stdout
    assert kept == ""
    pid = site.health()["pid"]
    report = site.install()
    assert report["changes"] == []
    assert not any("is adopted" in note for note in report["notes"])
    assert site.health()["pid"] == pid


def test_a_rollback_goes_back_to_it_byte_for_byte(site: Adoption) -> None:
    release, rows = site.health()["release"], site.python(_ROWS)
    ours = {path: entry for path, entry in site.everything("/etc").items() if path in FILES}
    done = site.run("rollback", "--yes")
    assert done.code == 0, done.text
    assert done.report["rolled_back_to"] == 1
    [link] = [row for row in done.report["changes"] if row["path"] == "/opt/kai/current"]
    assert link["after"] == ""
    for path, text, mode in (
        ("/etc/kai/env", kai_1_install.ENV, "600"),
        ("/etc/kai/users.yaml", kai_1_install.USERS, "600"),
        ("/etc/sudoers.d/kai", kai_1_install.RULES, "440"),
        ("/etc/systemd/system/kai.service", kai_1_install.UNIT, "644"),
    ):
        assert site.machine.run(["cat", path]).stdout == text
        shown = site.machine.run(["stat", "-c", "%U:%G %a", path]).stdout
        assert shown == f"root:root {mode}\n"
    for path, text in kai_1_install.OPERATORS_OWN.items():
        assert site.machine.run(["cat", path]).stdout == text
    assert site.program() == "/opt/kai/venv/bin/python"
    assert site.health()["settings"]["CLAUDE_MODEL"] == "gpt-5.4"
    assert site.run("status").report["live"] == "flat"
    assert site.python(_ROWS) == rows

    assert site.run("rollback", "--yes").code == 0
    assert site.health()["release"] == release
    again = {path: entry for path, entry in site.everything("/etc").items() if path in FILES}
    assert again == ours
    # and from the flat one, what host_vars say comes back as well
    assert site.run("rollback", "--yes", "--to", "1").code == 0
    assert site.install()["release"] == release
    assert site.health()["release"] == release


def test_G12_only_what_kais_installer_made_is_removed_in_the_end(site: Adoption) -> None:
    before = site.everything("/opt/kai")
    site.set(kai_install_keep_releases=1)
    site.new_release("b")
    report = site.install()
    assert "flat" in report["removed_releases"]
    [left] = [note for note in report["notes"] if note.startswith("Kept of release flat")]
    assert left.endswith(": /opt/kai/NOTES, /opt/kai/home.")
    names = set(site.machine.run(["ls", "-A", "/opt/kai"]).stdout.split())
    assert names == {"NOTES", "home", "current", "installs", "models", "releases"}
    now = site.everything("/opt/kai")
    for path in ("/opt/kai/NOTES", "/opt/kai/home/keep.md"):
        assert now[path] == before[path]
    assert [entry["release"] for entry in site.run("status").report["installs"]] == [
        report["release"]
    ]
    assert site.run("rollback", "--yes", "--to", "flat").code == 2
