"""Every way out cleans up: signals, a lost terminal and a full disk, at each phase of a command."""

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pexpect
import pytest

from tests.cli.desk import KAI_ANSIBLE, KEEP, SECONDS, TOKEN, Desk, heeding_signals
from tests.waiting import until

# each case starts Ansible; a run that is ended has a host that never answers
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc and waits for a pidfd"),
]

SECRET, NEW_SECRET = "0f" * 32, "1e" * 32
INTERRUPTED = 130
# as ssh it answers what the command itself asks; then, or as a script for a password, it waits
WAITS = '#!/bin/sh\n[ "$1" != -G ] || exec ssh "$@"\necho here >{0}\nexec sleep 600\n'
# the settings of the terminal before and after a command, its process and its exit code; nothing
# that the command left running is ended by the end of this session, as it waits for the test
SESSION = """
trap : HUP INT TERM
stty -g >"$0/before"
sh -c 'echo $$ >"$0/pid.new"; mv "$0/pid.new" "$0/pid"; exec "$@"' "$0" "$@"
echo $? >"$0/code.new"
stty -g >"$0/after" 2>/dev/null
mv "$0/code.new" "$0/code"
read _ <"$0/gate"
"""
# waits for the test before the command renames each of its files
RENAMES = """
import os, sys, time
def wait(event, arguments):
    if event == "os.rename" and "/host_vars/" in os.fspath(arguments[1]):
        open({0!r}, "w").close()
        while not os.path.exists({1!r}):
            time.sleep(0.01)
sys.addaudithook(wait)
"""
# a host that could be installed, for the command alone and not for Ansible
PLANNED = """
import os, sys
if os.path.basename(sys.orig_argv[1]) == "kai-ansible":
    from kai_ansible.ansible.changes import Change
    from kai_ansible.ansible.runner import Outcome
    from kai_ansible.commands import applying
    reports = {"localhost": {"plan": {}, "notes": [], "changes": True}}
    changes = {"localhost": [Change("/etc/kai/env", "WEBHOOK_PORT", "1", "2")]}
    applying.run_role = lambda *_: Outcome(True, False, reports, [], changes, None)
"""
# what gives the terminal its settings back is cut off itself
CUT_OFF = """
import os, sys
if os.path.basename(sys.orig_argv[1]) == "kai-ansible":
    from prompt_toolkit.input.vt100 import raw_mode
    raw_mode.__exit__ = lambda *_: None
"""
# a signal arrives right before a prompt's event loop calls something
IN_THE_LOOP = """
import asyncio, os, signal, sys
if os.path.basename(sys.orig_argv[1]) == "kai-ansible":
    call, calls = asyncio.Handle._run, []
    def called(handle):
        calls.append(handle)
        if len(calls) == {0}:
            os.kill(os.getpid(), signal.SIGTERM)
        call(handle)
    asyncio.Handle._run = called
"""
# the end of a sentence that a command prints, by what it was doing
NOTHING = "Interrupted; nothing was written."
FINISH = "Interrupted. Run the same command again to finish or fix what it began."


@dataclass(frozen=True)
class Phase:
    """What a command is doing.

    arguments: of kai-ansible. prompt: what it asks then, empty if it waits for a program or host.
    said: its last sentence after a signal. term: the terminal.
    """

    arguments: Sequence[str]
    prompt: str = ""
    said: str = NOTHING
    term: str = "dumb"


A_LIST = "a list with arrow keys"
LEFT_RAW = "a prompt that leaves the terminal raw"
PHASES = {
    "reading the inventory": Phase(["status"]),
    "a prompt of the wizard": Phase(["config", "--no-probe"], "Kai source"),
    "a prompt with arrow keys": Phase(["config", "--no-probe"], "Kai source", term="xterm"),
    LEFT_RAW: Phase(["config", "--no-probe"], "Kai source", term="xterm"),
    A_LIST: Phase(["config", "--no-probe"], "What next", term="xterm"),
    "a prompt for the vault password": Phase(["status"], "Vault password"),
    "a prompt for the sudo password": Phase(["status", "--ask-become-pass"], "sudo.*password"),
    "the question before a change": Phase(["users", "remove", "Ada"], r"\[no\]: "),
    "the question of an install": Phase(["install"], r"Apply\? .*\[no\]: "),
    "reading the variables": Phase(["status"]),
    "a run": Phase(["status"]),
    "a run that reads the inventory": Phase(["status"]),
    "a backup": Phase(["backup"], said=FINISH),
    "writing host_vars": Phase(
        ["config", "--no-probe", "--no-input", "--answers", "new.yml"],
        said="Interrupted, but the files are written: ",
    ),
}
WAYS = ("SIGHUP", "SIGTERM", "SIGINT", "Ctrl-C", "a lost terminal")


class Command:
    """A command in a session of its own, and everything that the session notes."""

    def __init__(self, desk: Desk, phase: str) -> None:
        self.desk, self.name, self.phase = desk, phase, PHASES[phase]
        self.notes = desk.directory / "notes"
        self.scratch = desk.directory / "scratch"
        for place in (self.notes, self.scratch):
            place.mkdir()
        os.mkfifo(self.notes / "gate")
        self.mark = f"KAI_TEST={desk.directory}"
        self.variables = {"KAI_TEST": str(desk.directory), "TMPDIR": str(self.scratch)}
        self.arguments = list(self.phase.arguments)
        self.here = self.notes / "here"
        self._prepare()
        desk.variables.update(self.variables)
        self.before = self.files()

    def _prepare(self) -> None:
        desk, phase = self.desk, self.name
        if self.arguments[0] == "config" and self.phase.prompt and phase != A_LIST:
            if phase == LEFT_RAW:
                self._hook(CUT_OFF)
            return
        bob = {"telegram_id": 2, "name": "Bob", "os_user": "bob"}
        content = desk.answers(WEBHOOK_SECRET=SECRET)
        desk.given({**content, "users": [*content["users"], bob]})
        script = self.notes / "wait"
        script.write_text(WAITS.format(self.here), encoding="utf-8")
        script.chmod(0o755)
        if phase == "reading the inventory":
            self.variables["ANSIBLE_VAULT_PASSWORD_FILE"] = str(script)
        elif phase == "reading the variables":
            found = {"kai_install_default_model": f"{{{{ lookup('pipe', '{script}') }}}}"}
            desk.write("inventory/host_vars/localhost/model.yml", found)
        elif phase == "a run that reads the inventory":
            # the command itself has its hosts from Ansible before that
            waits = f'[ -n "$KAI_ANSIBLE_READING" ] || {script}'
            says = """echo '{"_meta": {"hostvars": {}}}'"""
            desk.write("inventory/script", f"#!/bin/sh\n{waits}\n{says}\n").chmod(0o755)
        elif phase == "a prompt for the vault password":
            desk.password_file.unlink()
        elif phase in ("a run", "a backup"):
            entry = {"all": {"hosts": {"localhost": {"ansible_host": "far"}}}}
            desk.write("inventory/hosts.yml", entry)
            self.variables["ANSIBLE_SSH_EXECUTABLE"] = str(script)
        elif phase == "the question of an install":
            self._hook(PLANNED)
        elif phase == "writing host_vars":
            self._hook(RENAMES.format(str(self.here), str(self.notes / "go")))
            settings = {"DEFAULT_MODEL": "opus", "WEBHOOK_SECRET": NEW_SECRET}
            desk.write("new.yml", {"settings": settings})

    def _hook(self, text: str) -> None:
        """Let Python run a text when it starts."""
        (self.notes / "sitecustomize.py").write_text(text, encoding="utf-8")
        self.variables["PYTHONPATH"] = str(self.notes)

    def files(self) -> dict[str, tuple[int, bytes]]:
        ours = (self.notes.name, self.scratch.name)
        return {name: file for name, file in self.desk.tree().items() if not name.startswith(ours)}

    def start(self) -> None:
        """Start it, and wait until it is in its phase."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            self.terminal = pexpect.spawn(
                "/bin/sh",
                ["-c", SESSION, str(self.notes), KAI_ANSIBLE, *self.arguments],
                cwd=str(self.desk.work),
                env=self.desk.environment(self.phase.term),
                encoding="utf-8",
                timeout=SECONDS,
                dimensions=(60, 200),
                preexec_fn=heeding_signals,
            )
        if self.phase.prompt:
            self.terminal.expect(self.phase.prompt)
        else:
            until(lambda: self.here.exists() or self.has_ended, "the phase")
            assert not self.has_ended, self.terminal.read_nonblocking(9999, timeout=1)
        self.pid = int((self.notes / "pid").read_text())
        self.descriptor = os.pidfd_open(self.pid)

    def send(self, way: str) -> None:
        """Let it end in one way; it has no second chance to clean up."""
        if way == "Ctrl-C":
            self.terminal.send("\x03")
        elif way == "a lost terminal":
            # the kernel closes it, and a shell passes SIGHUP on to the job; the shell stays
            job = os.getpgid(self.pid)
            self.terminal.ptyproc.fileobj.close()
            os.killpg(job, signal.SIGHUP)
        else:
            # it may end by an earlier one
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.descriptor, signal.Signals[way])

    def end(self, way: str) -> str:
        """End it in one way, and return what it prints."""
        self.send(way)
        (self.notes / "go").touch()
        ended = select.poll()
        ended.register(self.descriptor, select.POLLIN)
        deadline = time.monotonic() + SECONDS
        while not ended.poll(2000):
            assert time.monotonic() < deadline, "it goes on"
            # Python notices a signal between a prompt and its read only with the next one
            if self.phase.prompt and way != "a lost terminal":
                self.send(way)
        until(lambda: self.has_ended, "the exit code")
        if way == "a lost terminal":
            return ""
        self.terminal.expect([KEEP, pexpect.TIMEOUT, pexpect.EOF], timeout=0.2)
        return str(self.terminal.before)

    @property
    def has_ended(self) -> bool:
        return (self.notes / "code").exists()

    @property
    def code(self) -> int:
        return int((self.notes / "code").read_text())

    def processes(self) -> dict[int, str]:
        """Return the command lines of every process that the command left, whatever its session."""
        found = {}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                variables = (entry / "environ").read_bytes().split(b"\0")
                words = os.fsdecode((entry / "cmdline").read_bytes()).split("\0")
            except OSError:
                continue
            if self.mark.encode() in variables and SESSION not in words:
                found[int(entry.name)] = " ".join(words)
        return found

    def close(self) -> None:
        for number in self.processes():
            os.kill(number, signal.SIGKILL)
        os.kill(self.terminal.pid, signal.SIGKILL)
        os.waitpid(self.terminal.pid, 0)
        os.close(self.descriptor)


@pytest.fixture
def command(desk: Desk, request: pytest.FixtureRequest) -> Iterator[Command]:
    """A command in the phase that the parameter names."""
    started = Command(desk, request.param)
    started.start()
    yield started
    started.close()


@pytest.mark.sample(7, "the same way with another phase or another way out")
@pytest.mark.parametrize("command", PHASES, indirect=True)
@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_left(command: Command, way: str) -> None:
    said = command.end(way)
    assert command.code == INTERRUPTED, said
    assert "Traceback" not in said
    assert not command.processes()
    assert not [*command.scratch.iterdir()]
    if command.name == "writing host_vars":
        # both files are the new ones, and there is no third
        assert command.files().keys() == command.before.keys()
        assert command.desk.settings()["kai_install_default_model"] == "opus"
        assert command.desk.secrets()["kai_install_webhook_secret"] == NEW_SECRET
    else:
        assert command.files() == command.before
    if way == "a lost terminal":
        return
    assert command.phase.said in said
    assert (command.notes / "before").read_text() == (command.notes / "after").read_text()
    assert TOKEN not in said
    assert SECRET not in said


@pytest.mark.parametrize("command", [LEFT_RAW], indirect=True)
def test_the_terminal_gets_its_settings_back(command: Command) -> None:
    command.end("SIGTERM")
    assert (command.notes / "before").read_text() == (command.notes / "after").read_text()


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_signal_takes_the_place_of_no_call_of_the_event_loop(desk: Desk, number: int) -> None:
    hook = desk.write("hook/sitecustomize.py", IN_THE_LOOP.format(number))
    desk.variables["PYTHONPATH"] = str(hook.parent)
    terminal = pexpect.spawn(
        KAI_ANSIBLE,
        ["config", "--no-probe"],
        cwd=str(desk.work),
        env=desk.environment("xterm"),
        encoding="utf-8",
        timeout=SECONDS,
        dimensions=(60, 200),
        preexec_fn=heeding_signals,
    )
    terminal.expect(NOTHING)
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == INTERRUPTED


# mounts a small file system on a place for this command alone, fills it but for some pages, and
# keeps what is there at the end, as nobody else sees it
FULL = """
set -e
cp -a "$1/." "$0/former"
mount -t tmpfs -o size=256k tmpfs "$1"
cp -a "$0/former/." "$1"
cat /dev/zero >"$1/filler.md" 2>/dev/null || truncate -s "-$2" "$1/filler.md"
place=$1
shift 2
code=0
"$@" || code=$?
rm "$place/filler.md"
cp -a "$place/." "$0/left"
exit $code
"""
NEW = ("config", "--no-probe", "--no-input", "--answers", "new.yml")
PAGE = 4096
FULL_DISKS = {
    # without a page, Python takes another directory
    "the reading of the inventory": (("status",), "scratch", PAGE),
    "what Ansible has read": (("status",), "scratch", 2 * PAGE),
    "the files of a run": (("status",), "scratch", 4 * PAGE),
    # the disk is full at another moment
    **{f"a run with {n} pages": (("status",), "scratch", n * PAGE) for n in (11, 26, 40, 58)},
    "the first of host_vars": (NEW, "work/inventory", 0),
    "the second of host_vars": (NEW, "work/inventory", PAGE),
    "the vault password": (NEW, "home/.config", 0),
    "a backup": (("backup",), "work/backups", 0),
}


def may_mount() -> bool:
    """Return whether a namespace of our own can have mounts, as in no unprivileged container."""
    command = ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    may = shutil.which("unshare") and subprocess.run(command, capture_output=True, check=False)
    return bool(may) and may.returncode == 0


@pytest.mark.skipif(not may_mount(), reason="no mount in a namespace of our own here")
@pytest.mark.sample(2, "the same way with another disk")
@pytest.mark.parametrize("case", FULL_DISKS)
def test_a_full_disk_is_reported_and_leaves_nothing(desk: Desk, case: str) -> None:
    arguments, name, free = FULL_DISKS[case]
    place = desk.directory / name
    if case == "the vault password":
        desk.write("new.yml", desk.answers())
    else:
        desk.given(desk.answers(WEBHOOK_SECRET=SECRET))
        desk.write("new.yml", {"settings": {"DEFAULT_MODEL": "opus", "WEBHOOK_SECRET": NEW_SECRET}})
    notes = desk.directory / "notes"
    for directory in (place, notes / "former", notes / "left", desk.directory / "scratch"):
        directory.mkdir(parents=True, exist_ok=True)
    desk.variables["TMPDIR"] = str(desk.directory / "scratch")
    before = desk.tree()
    done = subprocess.run(
        [
            *("unshare", "-rm", "sh", "-c", FULL, str(notes), str(place), str(free)),
            *(KAI_ANSIBLE, *arguments),
        ],
        cwd=desk.work,
        env=desk.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS * 4,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert "No space left on device" in said
    assert "free some space on that file system: df -h " in said
    assert "a bug" not in said
    assert place.name in said
    for secret in (TOKEN, SECRET, NEW_SECRET):
        assert secret not in said
    former, left = (files_below(notes / which) for which in ("former", "left"))
    assert left == former
    after = {path: file for path, file in desk.tree().items() if not path.startswith("notes")}
    assert after == {path: file for path, file in before.items() if not path.startswith("notes")}


def files_below(directory: Path) -> dict[str, bytes]:
    """Return every path below a directory, with the content of a file."""
    return {
        str(path.relative_to(directory)): path.read_bytes() if path.is_file() else b""
        for path in directory.rglob("*")
    }
