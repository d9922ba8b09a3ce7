"""A command that a signal ends leaves no private file, whatever it was doing."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pexpect
import pytest

from tests.cli.desk import KAI_ANSIBLE, Desk, exit_code
from tests.waiting import until

# each case starts Ansible; the run that is ended has no terminal, and its host no Python
pytestmark = [
    pytest.mark.slow,
    pytest.mark.later("test_every_way_out.py sends the same signals at every phase", apart=True),
]

SECONDS = 60
# as ssh it answers what the command itself asks, and waits for the host in a run
WAITS = '#!/bin/sh\n[ "$1" != -G ] || exec ssh "$@"\necho here >{0}\nexec sleep 600\n'


@pytest.fixture
def waiting(desk: Desk) -> Iterator[Path]:
    """A file that a program has written which then waits; its process ends with the test."""
    path = desk.work / "waiting"
    yield path
    for entry in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if str(entry.readlink()).startswith(str(desk.directory)):
                os.kill(int(entry.parent.name), signal.SIGKILL)
        except OSError:
            continue


def waiting_in(desk: Desk, phase: str, waiting: Path) -> None:
    """Let a command wait: for a vault password while Ansible reads, or for a host in a run."""
    desk.given(desk.answers())
    script = desk.write("wait", WAITS.format(waiting))
    script.chmod(0o755)
    if phase == "reading":
        desk.variables["ANSIBLE_VAULT_PASSWORD_FILE"] = str(script)
        return
    desk.write("inventory/hosts.yml", {"all": {"hosts": {"localhost": {"ansible_host": "far"}}}})
    desk.variables["ANSIBLE_SSH_EXECUTABLE"] = str(script)


LOST_TERMINAL = (signal.SIGHUP, signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


@pytest.mark.parametrize(
    "numbers",
    [(signal.SIGTERM,), (signal.SIGHUP,), (signal.SIGINT,), LOST_TERMINAL],
    ids=["TERM", "HUP", "INT", "a lost terminal"],
)
@pytest.mark.parametrize("phase", ["reading", "run"])
def test_nothing_private_is_left(
    desk: Desk, waiting: Path, phase: str, numbers: Sequence[signal.Signals]
) -> None:
    waiting_in(desk, phase, waiting)
    scratch = desk.directory / "scratch"
    scratch.mkdir()
    desk.variables["TMPDIR"] = str(scratch)
    with subprocess.Popen(
        [KAI_ANSIBLE, "status", "--json"],
        cwd=desk.work,
        env=desk.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # the tests themselves may run with a signal ignored
        preexec_fn=lambda: [signal.signal(one, signal.SIG_DFL) for one in numbers],
    ) as command:
        try:
            until(lambda: waiting.exists() or command.poll() is not None)
            assert command.poll() is None, command.communicate()
            assert [*scratch.glob("kai-ansible-*")]
            for number in numbers:
                command.send_signal(number)
                time.sleep(0.02)
            said = "".join(command.communicate(timeout=SECONDS))
        finally:
            command.kill()
    assert command.returncode == 130, said
    assert "Traceback" not in said
    assert not [*scratch.glob("kai-ansible-*")]


@pytest.fixture
def ignoring(desk: Desk, waiting: Path) -> Path:
    """The file of a script for the vault password that ignores the signals which end a command."""
    waiting_in(desk, "reading", waiting)
    script = Path(desk.variables["ANSIBLE_VAULT_PASSWORD_FILE"])
    script.write_text(script.read_text().replace("echo", "trap '' HUP TERM; echo"))
    return waiting


def test_a_script_that_ignores_the_signal_ends_as_well(desk: Desk, ignoring: Path) -> None:
    with status_that_waits(desk, ignoring) as command:
        command.terminate()
        assert command.wait(timeout=SECONDS) == 130
    until(lambda: not programs_at(desk.work))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists children")
def test_a_script_that_ignores_the_signal_ends_at_a_terminal(desk: Desk, ignoring: Path) -> None:
    command = desk.spawn("status")
    until(ignoring.exists)
    os.kill(command.pid, signal.SIGTERM)
    command.expect(pexpect.EOF)
    assert exit_code(command) == 130
    until(lambda: not programs_at(desk.work))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells it to Ansible")
@pytest.mark.parametrize("phase", ["reading", "run"])
def test_what_a_killed_command_started_ends_with_it(desk: Desk, waiting: Path, phase: str) -> None:
    waiting_in(desk, phase, waiting)
    with status_that_waits(desk, waiting) as command:
        command.kill()
        command.wait()
    until(lambda: not [one for one in programs_at(desk.work) if "ansible-playbook" in one])


@contextmanager
def status_that_waits(desk: Desk, waiting: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command, and go on when what it has started waits."""
    with subprocess.Popen(
        [KAI_ANSIBLE, "status", "--json"],
        cwd=desk.work,
        env=desk.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as command:
        until(waiting.exists)
        yield command


def programs_at(directory: Path) -> list[str]:
    """Return the command lines of the processes that work in a directory."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "cwd").readlink() == directory:
                found.append((entry / "cmdline").read_bytes().decode(errors="replace"))
        except OSError:
            continue
    return found
