"""What a backup holds comes back to a fresh host whole, or the host is as it was."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.machine.site import PATIENT, Site, mortal_python
from tests.testbed.machines import Machine

pytestmark = pytest.mark.later(
    "backup and restore, off the whole way; tests/unit judges the archive"
)

TOTP = "/etc/kai/totp.secret"
# owner, mode, time and content of what people and the bot could have in the data
_FILL = """
import os, pwd, sqlite3
alice, kai = pwd.getpwnam('alice'), pwd.getpwnam('kai')
home = '/var/lib/kai/home/1'
os.makedirs(home + '/work/deep', mode=0o750, exist_ok=True)
for path, text, mode in (
    (home + '/work/a b\\udcff.txt', b'hello', 0o640),
    (home + '/work/run', b'#!/bin/sh\\n', 0o755),
    (home + '/work/deep/empty', b'', 0o600),
    (home + '/work/big', os.urandom(9 << 20), 0o400),
):
    with open(os.fsencode(path), 'wb') as handle:
        handle.write(text)
    os.chmod(os.fsencode(path), mode)
    os.utime(os.fsencode(path), (1e9, 1e9 + 0.5))
os.symlink('/usr/bin/python3', home + '/work/python')
os.mkfifo(home + '/work/pipe')
for parent, directories, files in os.walk(home + '/work'):
    for name in [*directories, *files, '.']:
        os.chown(os.path.join(parent, name), alice.pw_uid, alice.pw_gid, follow_symlinks=False)
with open('/etc/kai/totp.secret', 'w') as handle:
    handle.write('ABC')
os.chmod('/etc/kai/totp.secret', 0o600)
os.chown('/var/lib/kai/kai.db', kai.pw_uid, kai.pw_gid)
"""
_TABLE = """
import sqlite3, sys
database = sqlite3.connect('/var/lib/kai/kai.db')
for statement in sys.argv[1:]:
    found = database.execute(statement).fetchall()
database.commit()
print(found)
"""
_TREE = """
import hashlib, json, os, pwd, grp
found = {}
for parent, directories, files in os.walk('/var/lib/kai'):
    directories[:] = [name for name in directories if name != 'hostile']
    for name in directories + files:
        path = os.path.join(parent, name)
        # what the bot goes on writing, and what is no file
        if path.startswith(('/var/lib/kai/logs/', '/var/lib/kai/kai.db')) or name == 'pipe':
            continue
        status = os.lstat(path)
        text = os.readlink(path) if os.path.islink(path) else ''
        if not text and os.path.isfile(path):
            text = hashlib.sha256(open(path, 'rb').read()).hexdigest()
        owner = pwd.getpwuid(status.st_uid).pw_name, grp.getgrgid(status.st_gid).gr_name
        time = 0 if path.count('/') < 6 else round(status.st_mtime, 3)
        found[repr(path)] = [*owner, oct(status.st_mode), time, text]
print(json.dumps(found))
"""


# as alice may leave it in her workspace
_PLANT = """
import os, struct
here = os.open('/var/lib/kai/home/1/work', os.O_RDONLY)
os.mkdir('hostile', dir_fd=here)
here = os.open('hostile', os.O_RDONLY, dir_fd=here)
def chain(name, depth):
    inside = os.dup(here)
    for _level in range(depth):
        os.mkdir(name, dir_fd=inside)
        inside, before = os.open(name, os.O_RDONLY, dir_fd=inside), inside
        os.close(before)
    with open(os.open('bottom', os.O_CREAT | os.O_WRONLY, dir_fd=inside), 'w') as handle:
        handle.write('deep')
    os.close(inside)
chain('n' * 250, 20)
chain('d', 1200)
def file(name, text=''):
    with open(os.open(name, os.O_CREAT | os.O_WRONLY, dir_fd=here), 'w') as handle:
        handle.write(text)
file('sparse')
os.truncate(f'/proc/self/fd/{here}/sparse', 15 << 40)
os.mkfifo(b'pipe\\xff', dir_fd=here)
for name, seconds in (('late', 2**41), ('early', -1000)):
    file(name)
    os.utime(name, (seconds, seconds), dir_fd=here)
file('many', 'x' * 100_000)
for number in range(200):
    os.link('many', f'many-{number}', src_dir_fd=here, dst_dir_fd=here)
file('line\\nbreak')
file('listed')
entries = [(1, 6, -1), (2, 4, 1), (4, 0, -1), (16, 4, -1), (32, 0, -1)]
packed = b''.join(struct.pack('<HHi', *entry) for entry in entries)
os.setxattr(f'/proc/self/fd/{here}/listed', 'system.posix_acl_access', b'\\2\\0\\0\\0' + packed)
os.setxattr(f'/proc/self/fd/{here}/listed', 'user.mine', b'\\xff\\0')
"""
_TOO_DEEP = """
import os
here = os.open('/var/lib/kai/home/1/work', os.O_RDONLY)
for _level in range(10_010):
    os.mkdir('deeper', dir_fd=here)
    here, before = os.open('deeper', os.O_RDONLY, dir_fd=here), here
    os.close(before)
"""
# a process that goes on creating in the data
_BUSY = """
import os, sys, time
os.chdir('/var/lib/kai/home/1/work')
child = os.fork()
if child:
    print(child, flush=True)
    os._exit(0)
os.setsid()
os.close(1)
for number in range(10**9):
    try:
        # enough to go on for hours, and few enough to be removed in seconds
        os.mkdir(f'busy-{number % 10000}')
    except OSError:
        time.sleep(0.01)
"""
_STATE_OF_TREES = (ROOT / "tests/tree_state.py").read_text(encoding="utf-8")


class Story(Site):
    """A site with data, and the backup of it."""

    archive: Path
    last: Path
    before: dict[str, Any]
    planted: str

    def hostile(self) -> str:
        """Return the state of everything that alice planted."""
        return self.python(_STATE_OF_TREES, "/var/lib/kai/home/1/work/hostile")

    def tree(self) -> dict[str, Any]:
        """Return owner, mode, time and hash of everything in the data that the bot leaves alone."""
        found: dict[str, Any] = json.loads(self.python(_TREE))
        return found

    def database(self, *statements: str) -> str:
        """Return what the last statement finds, as the service user."""
        return self.python(_TABLE, *statements, user="kai").strip()

    def everything(self) -> dict[str, Any]:
        """Return what could be changed, but for what the bot logs by itself."""
        found = super().everything()
        return {path: entry for path, entry in found.items() if "/kai/logs/" not in path}

    def leftovers(self) -> str:
        """Return what lies beside the data that should not."""
        return self.machine.run(["find", "/var/lib", "-maxdepth", "1", "-name", ".*kai*"]).stdout


@pytest.fixture(scope="module")
def site(machine: Machine) -> Iterator[Story]:
    # ssh's socket below this home has to have a short path
    with tempfile.TemporaryDirectory(prefix="desk-") as directory:
        yield Story(machine, Path(directory), ansible_python_interpreter=mortal_python(machine))


# these tests build on each other and run in this order


def test_without_a_bot_there_is_nothing_to_back_up(site: Story) -> None:
    done = site.run("backup")
    assert done.code == 1
    assert "no data directory" in done.text
    assert list((site.desk.work / "backups").glob("*")) == []


def test_a_backup_is_made_while_the_bot_runs(site: Story) -> None:
    site.install()
    site.python(_FILL)
    site.python(_PLANT, user="alice")
    site.planted = site.hostile()
    site.database("CREATE TABLE mine (word TEXT)", "INSERT INTO mine VALUES ('kept')")
    pid = site.health()
    done = site.run("backup")
    assert done.code == 0, done.text
    site.archive = Path(done.report["file"])
    assert site.archive.parent == site.desk.work / "backups"
    assert site.archive.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in site.archive.parent.iterdir()] == [site.archive.name]
    assert done.report["complete"]
    assert done.report["left"] == [
        "/var/lib/kai/home/1/work/hostile/pipe\\xff: a named pipe of alice",
        "/var/lib/kai/home/1/work/pipe: a named pipe of alice",
    ]
    assert site.health() == pid
    assert site.leftovers() == ""
    content = site.archive.read_bytes()
    assert b"TELEGRAM" not in content
    assert b"hello" not in content


def test_what_is_no_whole_backup_changes_nothing(site: Story, tmp_path: Path) -> None:
    before = site.everything()
    cut, changed, other = (tmp_path / name for name in ("cut", "changed", "other"))
    content = site.archive.read_bytes()
    cut.write_bytes(content[: -(1 << 20)])
    changed.write_bytes(content[: 5 << 20] + b"?" + content[(5 << 20) + 1 :])
    other.write_text("a letter\n", encoding="utf-8")
    for path, text in ((cut, "unexpected end"), (changed, "cut off, changed, or"), (other, "")):
        done = site.run("restore", str(path), "--yes")
        assert done.code in (1, 2), done.text
        assert str(path) in done.text
        assert text in done.text
    password = tmp_path / "password"
    password.write_text("another\n", encoding="utf-8")
    done = site.run("restore", str(site.archive), "--yes", f"--vault-password-file={password}")
    assert (done.code, "does not open" in done.text) == (2, True)
    assert site.everything() == before


def test_a_purge_makes_a_last_backup_or_changes_nothing(site: Story) -> None:
    before = site.everything()
    place = site.archive.parent
    kept = shutil.move(place, place.with_name("kept"))
    place.write_text("no directory\n", encoding="utf-8")
    assert site.run("uninstall", "--purge", "--yes").code == 2
    assert site.everything() == before
    place.unlink()
    shutil.move(kept, place)
    # what no backup could hold is not removed either
    site.python(_TOO_DEEP, user="alice")
    done = site.run("uninstall", "--purge", "--yes")
    assert done.code == 1, done.text
    assert "deeper than 10000 levels" in done.text
    assert site.health()
    site.machine.run(["rm", "-rf", "/var/lib/kai/home/1/work/deeper"])
    assert site.everything() == before
    site.before = site.tree()
    assert site.hostile() == site.planted
    done = site.run("uninstall", "--purge", "--yes")
    assert done.code == 0, done.text
    site.last = Path(done.report["backup"]["file"])
    assert site.machine.run(["test", "-e", "/var/lib/kai"], check=False).returncode == 1


def test_it_comes_back_to_a_fresh_host(site: Story) -> None:
    host_vars = site.desk.host_vars("bot")
    texts = {path.name: path.read_text(encoding="utf-8") for path in host_vars.iterdir()}
    shutil.rmtree(host_vars)
    site.machine.run(["rm", "-rf", TOTP])
    done = site.run("restore", str(site.last), "--yes")
    assert done.code == 0, done.text
    assert {path.name: path.read_text(encoding="utf-8") for path in host_vars.iterdir()} == texts
    assert site.tree() == site.before
    assert site.hostile() == site.planted
    assert site.database("SELECT word FROM mine") == "[('kept',)]"
    assert site.machine.run(["cat", TOTP]).stdout == "ABC"
    assert site.run("status").code == 0
    assert site.leftovers() == ""


def test_a_restore_that_fails_leaves_everything_as_it_was(site: Story) -> None:
    site.database("UPDATE mine SET word = 'newer'")
    before = site.tree()
    site.fault(CRASH_AT_IMPORT="1")
    done = site.run("restore", str(site.archive), "--yes")
    assert done.code == 1, done.text
    assert site.tree() == before
    assert site.database("SELECT word FROM mine") == "[('newer',)]"
    assert site.leftovers() == ""
    site.set(kai_install_extra_env=None, kai_install_health_timeout=PATIENT)
    assert site.run("status").code == 0


def test_a_restore_that_was_killed_is_taken_back_by_the_next_run(site: Story) -> None:
    before = site.tree()
    # between the two renames that exchange the data
    deadly = "os.rename /var/lib/kai"
    site.machine.run(["install", "-m", "0644", "/dev/stdin", "/run/mortal"], input=deadly)
    assert site.run("restore", str(site.archive), "--yes").code == 1
    site.machine.run(["rm", "/run/mortal", "/run/mortal-died"])
    site.machine.run(["test", "-e", "/var/lib/.kai.kai-ansible/former/kai.db"])
    refused = site.run("backup")
    assert (refused.code, "cut short" in refused.text) == (1, True)
    site.install()
    assert site.tree() == before
    assert site.database("SELECT word FROM mine") == "[('newer',)]"
    assert site.run("status").code == 0
    assert site.leftovers() == ""


def test_a_process_that_writes_all_the_time_outruns_no_purge(site: Story) -> None:
    pid = site.python(_BUSY, user="alice").strip()
    done = site.run("uninstall", "--purge", "--yes")
    site.machine.run(["kill", "-KILL", pid], check=False)
    assert done.code == 0, done.text
    assert site.machine.run(["test", "-e", "/var/lib/kai"], check=False).returncode == 1
    assert site.leftovers() == ""
