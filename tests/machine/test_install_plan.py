"""What an install shows before it does anything is what it does, and a look changes nothing."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pexpect
import pyte
import pytest

from tests.cli.desk import TOKEN, exit_code
from tests.machine.site import Site, Snapshot
from tests.testbed.machines import Machine

pytestmark = pytest.mark.later(
    "what a check says before a change; Molecule's default checks a host twice"
)

NEW_TOKEN = TOKEN.replace("AAbb", "ZZyy")
ADA = {"telegram_id": 1, "name": "Ada", "role": "admin", "os_user": "alice"}
BOB = {"telegram_id": 2, "name": "Bob", "os_user": "bob"}
DAVE = {"telegram_id": 3, "name": "Dave", "os_user": "dave", "agent_backend": "codex"}

# everything on the host; the bot and the system write on their own below what is left out
_EVERYTHING = r"""
import json, os

INSTALLED = True
LEFT_OUT = ("/proc", "/sys", "/dev", "/run", "/var/log", "/var/lib/kai/logs", "/var/lib/kai/kai.db")
found = {}
for parent, directories, files in os.walk("/"):
    directories[:] = [
        name for name in directories if not os.path.join(parent, name).startswith(LEFT_OUT)
    ]
    for name in directories + files:
        path = os.path.join(parent, name)
        if path.startswith(LEFT_OUT):
            continue
        status = os.lstat(path)
        found[path] = [status.st_mode, status.st_uid, status.st_gid]
        # the time of a directory tells only that something in it changed
        if not os.path.isdir(path) or os.path.islink(path):
            found[path] += [status.st_ino, status.st_size, status.st_mtime_ns]
print(json.dumps(found))
"""
ACCOUNT_FILES = {
    f"/etc/{name}{backup}"
    for name in ("passwd", "group", "shadow", "gshadow", "subuid", "subgid")
    for backup in ("", "-")
}
# what no row tells: caches of the installer, and what an agent makes on its own when it is verified
NOT_TOLD = (
    *("/root/.cache/", "/home/alice/.", "/home/bob/.", "/tmp/cc-socks", "/tmp/claude-"),
    # what uninstall will have to know
    *("/opt/kai/installs/original", "/opt/kai/installs/made"),
)


class Terminal:
    """An install at a terminal of some width, and what it shows, the last screens included."""

    def __init__(self, site: Site, columns: int) -> None:
        self.screen = pyte.HistoryScreen(columns, 200, history=1000)
        self.stream = pyte.Stream(self.screen)
        self.child = site.desk.spawn("install", term="xterm-256color", dimensions=(200, columns))
        self.child.timeout = 120

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.screen.display)

    def wait(self, words: str) -> None:
        """Let the screen show everything up to some words."""
        self.child.expect_exact(words)
        self.stream.feed(str(self.child.before) + str(self.child.after))

    def end(self) -> int:
        """Return the exit code."""
        self.child.expect(pexpect.EOF)
        self.stream.feed(str(self.child.before))
        assert "Traceback" not in self.text, self.text
        return exit_code(self.child)


@pytest.fixture(scope="module")
def site(machine: Machine, snapshot: Snapshot) -> Iterator[Site]:
    """A host on which a mixed change is waiting: all that host_vars and the source can say."""
    # ssh's socket below this home has to have a short path
    with tempfile.TemporaryDirectory(prefix="desk-") as directory:
        site = Site(machine, Path(directory), snapshot)
        site.set(kai_install_users=[ADA, BOB], kai_install_keep_releases=1)
        site.install()
        settings = {
            "AGENT_BACKEND": "claude",
            "AGENT_TIMEOUT_SECONDS": 321,
            "TELEGRAM_BOT_TOKEN": NEW_TOKEN,
        }
        answers = site.desk.write("answers.yml", {"settings": settings})
        done = site.desk.run("config", "--no-input", "--no-probe", "--answers", str(answers))
        assert done.returncode == 0, done.stderr
        site.set(kai_install_users=[ADA, DAVE], kai_install_create_os_users=True)
        site.new_release("b")
        yield site


def everything(site: Site) -> dict[str, Any]:
    """Return every path of the host with the state that changes when it is touched."""
    found: dict[str, Any] = json.loads(site.python(_EVERYTHING))
    return found


def is_told(path: str, rows: list[dict[str, str]]) -> bool:
    """Return whether some row stands for a path."""
    for row in rows:
        told = row["path"]
        account = told.removeprefix("account ")
        if path == told or path.startswith(f"{told}/"):
            return True
        if account != told and (path in ACCOUNT_FILES or path.startswith(f"/home/{account}")):
            return True
        if told == "kai.service at boot" and path.endswith(".wants/kai.service"):
            return True
    return False


@pytest.fixture(scope="module")
def rows(site: Site) -> list[dict[str, str]]:
    """What a check lists, which changed nothing on the host."""
    before = everything(site)
    would = site.run("install", "--check")
    assert would.code == 0, would.text
    assert everything(site) == before
    assert not [secret for secret in (TOKEN, NEW_TOKEN) if secret in would.text]
    found: list[dict[str, str]] = would.report["changes"]
    return found


# these tests build on each other and run in this order


def test_G6_a_check_lists_what_would_change_and_changes_nothing(rows: list[dict[str, str]]) -> None:
    env = {row["key"]: row for row in rows if row["path"] == "/etc/kai/env"}
    assert env["AGENT_BACKEND"]["before"] == "codex"
    assert env["AGENT_BACKEND"]["after"] == "claude"
    assert env["AGENT_TIMEOUT_SECONDS"]["after"] == "321"
    marks = [env["TELEGRAM_BOT_TOKEN"][state].partition(" ") for state in ("before", "after")]
    assert [mark[0] for mark in marks] == ["fingerprint"] * 2
    assert marks[0] != marks[1]
    paths = {row["path"] for row in rows}
    assert {"account dave", "/etc/sudoers.d/kai", "/opt/kai/current", "kai.service"} <= paths
    people = [row["key"] for row in rows if row["path"] == "/etc/kai/users.yaml"]
    assert {"users[Bob 2].os_user", "users[Dave 3].os_user"} <= set(people)


def test_before_a_person_it_is_shown_and_asked_for(site: Site) -> None:
    before = everything(site)
    asked = Terminal(site, 80)
    asked.wait("Apply?")
    asked.child.send("n")
    assert asked.end() == 0
    told = asked.text
    assert "Nothing was changed." in told
    for part in ("/etc/kai/env", "AGENT_TIMEOUT_SECONDS", "321", "1 new: dave", "fingerprint"):
        assert part in told
    assert not {line for line in told.splitlines() if len(line) > 80}
    assert everything(site) == before


def test_X4_what_is_applied_is_what_was_shown(site: Site) -> None:
    before = everything(site)
    asked = Terminal(site, 200)
    asked.wait("Apply?")
    site.new_release("c")
    asked.child.send("y")
    assert asked.end() == 2
    assert "which you have confirmed" in asked.text
    assert "kai_install_source" in asked.text
    site.new_release("b")

    asked = Terminal(site, 200)
    asked.wait("Apply?")
    site.set(kai_install_agent_timeout_seconds=322)
    asked.child.send("y")
    assert asked.end() == 2
    assert "other changes than those that you have confirmed" in asked.text
    site.set(kai_install_agent_timeout_seconds=321)
    assert everything(site) == before


def test_G6_G7_an_install_changes_what_the_check_listed(
    site: Site, rows: list[dict[str, str]]
) -> None:
    before = everything(site)
    done = site.run("install")
    assert done.code == 0, done.text
    assert done.report["changes"] == rows
    after = everything(site)
    changed = {path for path in {*before, *after} if before.get(path) != after.get(path)}
    untold = {path for path in changed if not is_told(path, rows)}
    assert {path for path in untold if not path.startswith(NOT_TOLD)} == set()
    named = {row["path"] for row in rows if row["path"].startswith("/")}
    named -= {"/var/lib/kai/kai.db"}
    assert {path for path in named if path not in changed} == set()


def test_where_nothing_is_to_be_changed_it_is_verified_without_a_question(site: Site) -> None:
    pid = site.health()["pid"]
    verified = Terminal(site, 80)
    assert verified.end() == 0
    assert "Nothing to change." in verified.text
    assert "the bot starts claude as alice" in verified.text
    assert "Apply?" not in verified.text
    assert site.health()["pid"] == pid


def test_the_log_of_a_run_reports_it_without_a_secret(site: Site) -> None:
    log = site.desk.logs[-1]
    entries = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    outcomes = (entries[0]["outcome"], entries[-1]["outcome"])
    assert outcomes == ("started", "succeeded")
    assert "Verify that the bot and its agents work" in str(entries)
    secrets = [text for text in site.desk.secrets("bot").values() if isinstance(text, str)]
    assert NEW_TOKEN in secrets
    secrets += [TOKEN, site.desk.password_file.read_text(encoding="utf-8").strip()]
    for log in site.desk.logs:
        assert log.stat().st_mode & 0o7777 == 0o600
        text = log.read_text(encoding="utf-8")
        assert [secret for secret in secrets if secret in text] == []


def test_what_was_agreed_to_is_reported_once(site: Site) -> None:
    site.set(kai_install_agent_timeout_seconds=323)
    asked = Terminal(site, 80)
    asked.wait("Apply?")
    asked.child.send("y")
    assert asked.end() == 0, asked.text
    assert "bot: changed as shown" in asked.text
    assert asked.text.count("323") == 1
    assert "undo this install with:" in asked.text
    # the only host of the inventory needs no name
    assert "  kai-ansible rollback\n" in asked.text


def test_a_setting_that_hides_results_hides_no_change(site: Site) -> None:
    (site.desk.work / "ansible.cfg").write_text("[defaults]\nno_log = True\n", encoding="utf-8")
    site.set(kai_install_agent_timeout_seconds=324)
    asked = Terminal(site, 80)
    asked.wait("Apply?")
    asked.child.send("n")
    asked.end()
    assert "AGENT_TIMEOUT_SECONDS" in asked.text
    assert "324" in asked.text
