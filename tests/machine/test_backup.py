"""What a backup holds comes back to a fresh host whole, or the host is as it was."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.machine.site import Site, mortal_python
from tests.testbed.machines import Machine

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


class Story(Site):
    """A site with data, and the backup of it."""

    archive: Path

    def tree(self) -> dict[str, Any]:
        """Return owner, mode, time and hash of everything in the data that the bot leaves alone."""
        found: dict[str, Any] = json.loads(self.python(_TREE))
        return found

    def database(self, *statements: str) -> str:
        """Return what the last statement finds, as the service user."""
        return self.python(_TABLE, *statements, user="kai").strip()

    def leftovers(self) -> str:
        """Return what lies beside the data that should not."""
        return self.machine.run(["find", "/var/lib", "-maxdepth", "1", "-name", ".*kai*"]).stdout


@pytest.fixture(scope="module")
def site(machine: Machine) -> Iterator[Story]:
    # ssh's socket below this home has to have a short path
    with tempfile.TemporaryDirectory(prefix="desk-") as directory:
        yield Story(machine, Path(directory), ansible_python_interpreter=mortal_python(machine))


# the tests tell one story, in this order


def test_without_a_bot_there_is_nothing_to_back_up(site: Story) -> None:
    done = site.run("backup")
    assert done.code == 1
    assert "no data directory" in done.text
    assert not any((site.desk.work / "backups").iterdir())


def test_a_backup_is_made_while_the_bot_runs(site: Story) -> None:
    site.install()
    site.python(_FILL)
    site.database("CREATE TABLE mine (word TEXT)", "INSERT INTO mine VALUES ('kept')")
    pid = site.health()
    done = site.run("backup")
    assert done.code == 0, done.text
    site.archive = Path(done.report["file"])
    assert site.archive.parent == site.desk.work / "backups"
    assert site.archive.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in site.archive.parent.iterdir()] == [site.archive.name]
    assert "a named pipe of alice" in "".join(done.report["left"])
    assert site.health() == pid
    assert site.leftovers() == ""
    content = site.archive.read_bytes()
    assert b"TELEGRAM" not in content
    assert b"hello" not in content
