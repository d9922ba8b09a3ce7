"""An operator's desk and the one host that it installs a bot on, seen from both sides."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.cli.desk import KAI_ANSIBLE, TOKEN, Desk
from tests.conftest import STAND_IN
from tests.json_documents import checked
from tests.testbed.machines import Machine

__all__ = ["ANOTHER_MACHINE", "KAI_ANSIBLE", "TOKEN", "Done", "Site"]

RELEASES = "/opt/kai/releases"
AGENTS_OWN = re.compile(r"/home/[^/]+/\.codex([/ ]|$)")
# seconds for a bot that will answer, however busy the machine is, and for one that will not; the
# former bot has to come back within the latter
PATIENT = 120
IMPATIENT = 20
# a machine of its own is one with processes of its own
ANOTHER_MACHINE = [
    "unshare",
    *(["--user", "--map-root-user"] if os.geteuid() else []),
    *("--pid", "--fork", "--mount-proc", "--kill-child"),
]

# a Python that dies, and every other after it, before it does what /run/mortal says
MORTAL = "/usr/local/bin/python-mortal"
_MORTAL = '#!/bin/sh\nPYTHONPATH=/usr/local/lib/mortal exec /usr/bin/python3 "$@"\n'
_SITECUSTOMIZE = """
import os, signal, sys
def die(event, arguments):
    what = {'os.rename': 1, 'subprocess.Popen': 1}.get(event)
    if what is None or not os.path.exists('/run/mortal'):
        return
    if f'{event} {arguments[what]}' == open('/run/mortal').read():
        open('/run/mortal-died', 'w').close()
        os.kill(os.getpid(), signal.SIGKILL)
if os.path.exists('/run/mortal-died'):
    os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(die)
"""

# everything that an install replaces, and what an interrupted one could leave beside it
_STATE = """
import hashlib, json, os, pwd, subprocess, sys
found = {}
def note(path):
    status = os.lstat(path)
    kind = os.readlink(path) if os.path.islink(path) else 'directory'
    if os.path.isfile(path) and not os.path.islink(path):
        kind = open(path, 'rb').read().decode()
    found[path] = [pwd.getpwuid(status.st_uid).pw_name, f'{status.st_mode & 0o7777:04o}', kind]
for place in sys.argv[1:]:
    if os.path.lexists(place):
        note(place)
    if os.path.isdir(place) and not os.path.islink(place):
        for name in sorted(os.listdir(place)):
            note(os.path.join(place, name))
print(json.dumps(found))
"""
_TREE = """
import hashlib, json, os, sys
found = {}
for parent, directories, files in os.walk('/var/lib/kai'):
    for name in directories + files:
        path = os.path.join(parent, name)
        if path.startswith(('/var/lib/kai/logs/', '/var/lib/kai/kai.db')):
            continue
        status = os.lstat(path)
        content = open(path, 'rb').read() if os.path.isfile(path) else b''
        digest = hashlib.sha256(content).hexdigest()
        found[path] = [status.st_uid, status.st_gid, status.st_mode, digest]
print(json.dumps(found))
"""
# what systemd and the tools for accounts keep for themselves
_HOST = """
import hashlib, json, os
found = {}
for top in ('/etc', '/opt', '/var/lib', '/home'):
    for parent, directories, files in os.walk(top):
        # what no path leads through, or nothing can read to its end: tests/tree_state.py sees it
        directories[:] = [name for name in directories if name != 'hostile']
        for name in directories + files:
            path = os.path.join(parent, name)
            if path.startswith(('/var/lib/systemd/', '/etc/.pwd.lock')):
                continue
            if parent == '/etc' and name.endswith('-'):
                continue
            status = os.lstat(path)
            text = os.readlink(path) if os.path.islink(path) else ''
            if os.path.isfile(path) and not text:
                text = hashlib.sha256(open(path, 'rb').read()).hexdigest()
            found[path] = [status.st_uid, status.st_gid, oct(status.st_mode), text]
print(json.dumps(found))
"""
_HEALTH = """
import sys, urllib.request
print(urllib.request.urlopen("http://127.0.0.1:8080/health", timeout=10).read().decode())
"""
_WAIT_FOR_HEALTH = """
import sys, time, urllib.request
end = time.monotonic() + 90
while True:
    try:
        sys.exit(urllib.request.urlopen("http://127.0.0.1:8080/health", timeout=10).status != 200)
    except OSError:
        if time.monotonic() > end:
            raise
        time.sleep(0.05)
"""


def mortal_python(machine: Machine) -> str:
    """Put a Python on the machine with which ``Site.cut_short`` works, and return its path."""
    for path, mode, text in (
        (MORTAL, "0755", _MORTAL),
        ("/usr/local/lib/mortal/sitecustomize.py", "0644", _SITECUSTOMIZE),
    ):
        machine.run(["install", "-D", "-m", mode, "/dev/stdin", path], input=text)
    return MORTAL


class Done:
    """How a command ended: its exit code, what it printed, and its JSON document."""

    def __init__(self, run: subprocess.CompletedProcess[str]) -> None:
        self.code = run.returncode
        self.text = run.stdout + run.stderr
        self.document: dict[str, Any] = checked(run.stdout) if run.stdout.startswith("{") else {}

    @property
    def report(self) -> dict[str, Any]:
        """What was reported of the only host."""
        return dict(self.document["hosts"]["bot"])

    @property
    def failure(self) -> str:
        """Why it failed on the only host."""
        return str(self.document["failures"][0]["message"])


@dataclass(frozen=True)
class Snapshot:
    """A host that was installed from a desk: its image, and the desk's files by their place."""

    image: str
    desk: dict[str, str]


class Site:
    """A desk whose inventory has one machine, and that machine. Ada runs codex as alice.

    snapshot: what the machine was started from; the desk is then the one that installed it.
    source: of the bot, which the desk has a copy of. variables: those of the connection.
    """

    # how long a command may take
    run_seconds = 400

    def __init__(
        self,
        machine: Machine,
        directory: Path,
        snapshot: Snapshot | None = None,
        source: Path = STAND_IN,
        **variables: Any,
    ) -> None:
        self.machine = machine
        shutil.copytree(source, directory / "kai", ignore=shutil.ignore_patterns("__pycache__"))
        self.desk = Desk(directory / "desk", directory / "kai")
        if snapshot:
            self.desk.put_kept(snapshot.desk)
        entry = {**machine.inventory_entry(), **variables}
        self.desk.write("inventory/hosts.yml", {"all": {"hosts": {"bot": entry}}})
        if snapshot:
            self.wait_for_health()
            return
        self.configure()
        login = ["install", "-D", "-m", "0600", "/dev/null", "/home/alice/.codex/auth.json"]
        machine.run(login, user="alice")

    def configure(self) -> None:
        """Write the host_vars of the machine."""
        self.desk.given(self.desk.answers(AGENT_BACKEND="codex"))
        self.set(kai_install_health_timeout=PATIENT)

    @contextmanager
    def without_privilege(self) -> Iterator[None]:
        """Let Ansible log in as bob, who cannot become root."""
        key = self.machine.private_key.with_suffix(".pub").read_text(encoding="ascii")
        self.machine.run(["install", "-d", "-m", "0700", "/home/bob/.ssh"], user="bob")
        keys = ["install", "-m", "0600", "/dev/stdin", "/home/bob/.ssh/authorized_keys"]
        self.machine.run(keys, user="bob", input=key)
        hosts = self.desk.inventory / "hosts.yml"
        as_root = hosts.read_text(encoding="utf-8")
        as_bob = as_root.replace("ansible_user: root", "ansible_user: bob")
        hosts.write_text(as_bob, encoding="utf-8")
        try:
            yield
        finally:
            hosts.write_text(as_root, encoding="utf-8")

    def set(self, **variables: Any) -> None:
        """Change kai.yml as an operator with an editor would; None removes a variable."""
        path = self.desk.host_vars("bot") / "kai.yml"
        values = {**yaml.safe_load(path.read_text(encoding="utf-8")), **variables}
        values = {name: value for name, value in values.items() if value is not None}
        path.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")

    def fault(self, **keys: str) -> None:
        """Give the stand-in bot these faults and no others; one with a fault gets little time."""
        self.set(
            kai_install_extra_env={f"KAI_STANDIN_{key}": value for key, value in keys.items()},
            kai_install_health_timeout=IMPATIENT if keys else PATIENT,
        )

    def new_release(self, name: str) -> None:
        """Make the source another one, always the same for the same name."""
        path = self.desk.source / "templates" / "RELEASE"
        path.write_text(f"{name}\n", encoding="utf-8")

    def run(self, *arguments: str) -> Done:
        """Run a command of kai-ansible with --json; no traceback but the bot's own appears."""
        done = self.desk.run_again(*arguments, "--json", seconds=self.run_seconds)
        assert "kai_ansible/" not in done.stderr, done.stderr
        return Done(done)

    def playbook(self, name: str, *arguments: str) -> list[str]:
        """Return the command that runs a playbook of the collection without this package."""
        return [
            str(Path(KAI_ANSIBLE).with_name("ansible-playbook")),
            f"kai.bot.{name}",
            f"--inventory={self.desk.inventory}",
            f"--vault-password-file={self.desk.password_file}",
            *arguments,
        ]

    def install(self) -> dict[str, Any]:
        """Install, which has to succeed, and return the report."""
        done = self.run("install")
        assert done.code == 0, done.text
        return done.report

    def cut_short(self, deadly: str) -> None:
        """Install until something is about to happen, and no further.

        The machine's interpreter has to be the ``mortal_python``.
        """
        self.machine.run(["install", "-m", "0644", "/dev/stdin", "/run/mortal"], input=deadly)
        assert self.run("install").code == 1
        self.machine.run(["test", "-e", "/run/mortal-died"])
        self.machine.run(["rm", "/run/mortal", "/run/mortal-died"])

    def python(self, script: str, *arguments: str, user: str | None = None) -> str:
        """Run a script on the machine, and return what it prints."""
        return self.machine.run(["python3", "-c", script, *arguments], user=user).stdout

    def state(self) -> tuple[dict[str, list[str]], str]:
        """Return every file that an install replaces, and how the service is."""
        places = ["/etc/kai", "/etc/sudoers.d", "/etc/systemd/system/kai.service"]
        places += ["/opt/kai/current", "/opt/kai/installs"]
        shown = ["systemctl", "show", "kai.service", "--property=ActiveState,UnitFileState"]
        service = self.machine.run(shown).stdout
        return json.loads(self.python(_STATE, *places)), service

    def everything(self) -> dict[str, Any]:
        """Return owner, group, mode and hash of whatever an install could change, and more.

        An agent writes files of its own whenever it starts, also to print its version.
        """
        found: dict[str, Any] = json.loads(self.python(_HOST))
        return {path: entry for path, entry in found.items() if not AGENTS_OWN.match(path)}

    def data(self) -> dict[str, Any]:
        """Return owner, mode and hash of everything in the data directory but database and log."""
        found: dict[str, Any] = json.loads(self.python(_TREE))
        return found

    def health(self) -> dict[str, Any]:
        """Return what the running bot says of itself."""
        answer: dict[str, Any] = json.loads(self.python(_HEALTH))
        return answer

    def wait_for_health(self) -> None:
        """Return when the bot answers."""
        self.python(_WAIT_FOR_HEALTH)

    def releases(self) -> list[str]:
        """Return the releases on the machine."""
        return sorted(self.machine.run(["ls", RELEASES]).stdout.split())
