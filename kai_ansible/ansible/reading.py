"""Let Ansible itself read an inventory: one small play, which connects to no host.

Ansible asks for passwords as the operator has configured; they return with everything else.
"""

from __future__ import annotations

import json
import os
import pickle
import re
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from kai_ansible.ansible.children import PROGRAM, UNASKED, end, end_with, environment, lay_out
from kai_ansible.errors import FULL
from kai_ansible.files import private_directory
from kai_ansible.operator import terminal_kept

DIRECTORY = "KAI_ANSIBLE_READING"
# of the file of a reading until it is whole
UNFINISHED = ".unfinished"
_PLAY = """\
- name: Read the variables
  hosts: all
  gather_facts: false
  become: true
  tasks:
    - name: Read the variables
      kai_read:
"""
_CALLBACK = "ansible.builtin.minimal"
_NO_TASKS = "- hosts: all\n  gather_facts: false\n"
_FAILED = re.compile(r"^(\S.*?) \| (?:FAILED|UNREACHABLE)! => ", re.MULTILINE)
_MARK = re.compile(r"^\[?(?:ERROR|WARNING)\]?!?:? *", re.MULTILINE)
# of argparse, before the error itself
_USAGE = re.compile(r"^usage: .*?^ansible-playbook: error: ", re.MULTILINE | re.DOTALL)
_ASIDE = ("[DEPRECATION WARNING]", "Deprecation warnings can be disabled")
_POLL_SECONDS = 0.05
_PIECE_BYTES = 65536
# what stays in the pipes when Ansible has ended is less
_MOST_LATE_PIECES = 64
_OF_ANSIBLE = re.compile(rb"^\[(?:DEPRECATION |)(?:ERROR|WARNING)\]", re.MULTILINE)
# of Python, with the file if it knows that
_FULL = re.compile(
    rf"\[Errno (?P<number>{'|'.join(map(str, FULL))})\] [^:\n]*(?:: b?'(?P<path>/[^'\n]*)')?"
)
_NO_HOSTS = "leaves us with no hosts"
_LOCKED = "no vault secrets found"
_CLOSED = "Decryption failed"


class NotRead(Exception):
    """Ansible cannot read the inventory; ``str`` of it is Ansible's message."""

    @property
    def is_locked(self) -> bool:
        """Whether a vault is encrypted and there is no password."""
        return _LOCKED in str(self)

    @property
    def is_closed(self) -> bool:
        """Whether a vault is encrypted with another password."""
        return _CLOSED in str(self)


@dataclass(frozen=True)
class HostReading:
    """Ansible's facts about a host.

    variables: those of kai_install, with their values. faults: the problems of the others of
    them, by name. files: the names that each file of variables sets, the file that decides last.
    local: whether Ansible works on this machine. ssh: the command that logs in there, None for
    another connection. become_method: how Ansible becomes root, such as sudo, empty if it does
    not. become_password, connection_password: from the inventory, or typed by the operator.
    failure: why Ansible knows nothing of the host, empty when it does.
    """

    variables: Mapping[str, Any] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Sequence[str]] = field(default_factory=dict)
    local: bool = False
    ssh: Sequence[str] | None = None
    become_method: str = ""
    become_password: str | None = field(default=None, repr=False)
    connection_password: str | None = field(default=None, repr=False)
    failure: str = ""

    @property
    def has_become_password(self) -> bool:
        """Whether Ansible has the password without asking."""
        return self.become_password is not None


@dataclass(frozen=True)
class Session:
    """Passwords and settings that Ansible has from the operator.

    vault: the passwords of vaults, label and bytes, in the order in which Ansible tries them.
    encrypt_with: the label of the one that encrypts, None without such a setting.
    typed_connection_password, typed_become_password: None without a prompt. Each host may have
    others in the inventory.
    sets_pipelining: whether the operator sets pipelining.
    inventory_plugins: the enabled ones, empty if unknown. vault_sources: label and source of each
    vault id in the settings.
    """

    vault: Sequence[tuple[str, bytes]] = field(default=(), repr=False)
    encrypt_with: str | None = None
    typed_connection_password: str | None = field(default=None, repr=False)
    typed_become_password: str | None = field(default=None, repr=False)
    sets_pipelining: bool = False
    inventory_plugins: Sequence[str] = ()
    vault_sources: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Reading:
    """The result: the hosts in their order, and the operator's passwords and settings."""

    hosts: Mapping[str, HostReading] = field(default_factory=dict)
    session: Session = field(default_factory=Session)


def read(
    inventory: Path,
    pattern: str | None,
    arguments: Sequence[str] = (),
    *,
    asks_vault_password: bool = False,
    at_terminal: bool = False,
) -> Reading:
    """Let Ansible read the hosts of a pattern, all of them without one.

    arguments: further ones of ansible-playbook. asks_vault_password: whether Ansible asks for a
    password of vaults. at_terminal: whether it may ask.
    Raises NotRead. A pattern that names nothing gives no hosts.
    """
    with private_directory() as directory:
        playbook = lay_out(directory, _PLAY)
        (directory / "action_plugins").symlink_to(Path(__file__).with_name("action_plugins"))
        readings = directory / "readings"
        readings.mkdir(mode=0o700)
        ours = {
            DIRECTORY: str(readings),
            "ANSIBLE_STDOUT_CALLBACK": _CALLBACK,
            # others report plays to people, and this is none to them; an empty list is refused
            "ANSIBLE_CALLBACKS_ENABLED": _CALLBACK,
            # another strategy may stop at the first host, or open a debugger
            "ANSIBLE_STRATEGY": "ansible.builtin.linear",
            "ANSIBLE_ANY_ERRORS_FATAL": "False",
            "ANSIBLE_ENABLE_TASK_DEBUGGER": "False",
        }
        command = [PROGRAM, "--inventory", str(inventory.absolute()), str(playbook), *arguments]
        if pattern is not None:
            command += [f"--limit={pattern}"]
        if asks_vault_password:
            command += ["--ask-vault-pass"]
        variables = {**environment(directory), **ours}
        done = _done(command, variables, at_terminal=at_terminal)
        raise_if_full(done.stdout + done.stderr, directory)
        whole = (path for path in readings.iterdir() if path.suffix != UNFINISHED)
        found = dict(pickle.loads(path.read_bytes()) for path in whole)  # noqa: S301 # our own child wrote it where nobody else can
    failures = _failures(done.stdout)
    if not found and not failures and done.returncode:
        refused = NotRead(_said(done))
        # the host may be in a part of the inventory that is a vault
        is_whole = not (refused.is_locked or refused.is_closed)
        if _NO_HOSTS in done.stderr and is_whole:
            return Reading()
        raise refused
    every = next((one["hosts"] for one in found.values()), list(failures))
    return Reading({host: _host(host, found, failures) for host in every}, _session(found))


def hosts_of(
    inventory: Path, pattern: str | None = None, arguments: Sequence[str] = ()
) -> list[str]:
    """Return the hosts of a pattern, all of them without one, even if their variables are invalid.

    arguments: further ones of ansible-playbook. Raises NotRead.
    """
    with private_directory() as directory:
        playbook = lay_out(directory, _NO_TASKS)
        command = [PROGRAM, "--inventory", str(inventory.absolute()), str(playbook), *arguments]
        command += ["--list-hosts", *([f"--limit={pattern}"] if pattern else [])]
        # the caller reports a pattern that names no host
        quiet = {**UNASKED, "ANSIBLE_HOST_PATTERN_MISMATCH": "ignore"}
        unasked = {**environment(directory), **quiet}
        done = _done(command, unasked, at_terminal=False)
    if done.returncode and _NO_HOSTS in done.stderr:
        return []
    if done.returncode:
        raise NotRead(_said(done))
    return [line.strip() for line in done.stdout.partition("hosts (")[2].splitlines()[1:] if line]


def _done(
    command: Sequence[str], variables: Mapping[str, str], *, at_terminal: bool
) -> subprocess.CompletedProcess[str]:
    # without a terminal of its own, a program that would ask ends at once
    with (
        terminal_kept(),
        subprocess.Popen(
            command,
            env=variables,
            stdin=None if at_terminal else subprocess.DEVNULL,
            start_new_session=not at_terminal,
            preexec_fn=partial(end_with, os.getpid()),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # a shell may have named a pipe in the environment, such as <(pass show vault)
            close_fds=False,
        ) as process,
    ):
        try:
            _load_runner()
            said = _until_end(process, shows=at_terminal)
        except BaseException:
            # Popen waits a moment after Ctrl-C, and the number of an ended process is free again
            if process.returncode is None:
                # a script may ignore the first signal, and nobody would see it go on
                for one in end(process.pid):
                    # it may have become another user's, such as by sudo
                    with suppress(OSError):
                        os.kill(one, signal.SIGKILL)
                if not at_terminal:
                    with suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
            raise
    output, errors = (text.decode("utf-8", "replace") for text in said)
    return subprocess.CompletedProcess(command, process.returncode, output, errors)


def _load_runner() -> None:
    """Load what nearly every command needs next, which takes no time while Ansible reads."""
    import ansible_runner  # noqa: F401 - runner.py uses it later


def _until_end(process: subprocess.Popen[bytes], *, shows: bool) -> tuple[bytes, bytes]:
    """Return the output and the errors of Ansible until it ends.

    A program that a script leaves behind may keep both open, and nothing waits for it. shows:
    whether to show meanwhile what a script of the operator's asks on its standard error. Messages
    of Ansible itself are reported later.
    """
    said = {pipe.fileno(): b"" for pipe in (process.stdout, process.stderr) if pipe}
    output, errors = said
    waiting, shown = set(said), b""
    left = _MOST_LATE_PIECES
    while waiting and left:
        has_ended = process.poll() is not None
        left -= has_ended
        ready = select.select(waiting, [], [], 0 if has_ended else _POLL_SECONDS)[0]
        if has_ended and not ready:
            break
        for pipe in ready:
            piece = os.read(pipe, _PIECE_BYTES)
            said[pipe] += piece
            if not piece:
                waiting.discard(pipe)
        new = said[errors][len(shown) :]
        if shows and new and not _OF_ANSIBLE.search(said[errors]):
            shown += new
            sys.stderr.buffer.write(new)
            sys.stderr.flush()
    process.wait()
    if shown and not shown.endswith(b"\n"):
        sys.stderr.write("\n")
    return said[output], said[errors]


def raise_if_full(said: str, directory: Path) -> None:
    """Raise OSError if Ansible had no space for a file: what it wrote may then be half of it.

    said: everything that it printed. directory: the one that it writes to, where that names none.
    """
    found = _FULL.search(said)
    if found:
        number = int(found["number"])
        raise OSError(number, os.strerror(number), found["path"] or str(directory))


def _said(done: subprocess.CompletedProcess[str]) -> str:
    lines = [
        line
        for line in _MARK.sub("", _USAGE.sub("", done.stderr)).splitlines()
        if line.strip() and not line.startswith(_ASIDE)
    ]
    return "\n".join(lines or ["Ansible ended without any output"])


def _failures(output: str) -> dict[str, str]:
    """Return why Ansible knows nothing of a host, by host."""
    found = {}
    for match in _FAILED.finditer(output):
        result = json.JSONDecoder().raw_decode(output, match.end())[0]
        found[match[1]] = str(result.get("msg", ""))
    return found


def _host(host: str, found: Mapping[str, Any], failures: Mapping[str, str]) -> HostReading:
    if host not in found:
        return HostReading(failure=failures.get(host, "Ansible reports nothing about it"))
    names = HostReading.__dataclass_fields__.keys() - {"failure"}
    return HostReading(**{name: found[host][name] for name in names})


def _session(found: Mapping[str, Any]) -> Session:
    sessions = [
        Session(**{name: one[name] for name in Session.__dataclass_fields__})
        for one in found.values()
    ]
    if not sessions:
        return Session()
    # a host that has its own does not see the typed one
    connection = next(filter(None, (one.typed_connection_password for one in sessions)), None)
    become = next(filter(None, (one.typed_become_password for one in sessions)), None)
    return replace(sessions[0], typed_connection_password=connection, typed_become_password=become)


def vault_arguments(passwords: Sequence[tuple[str, bytes]], directory: Path) -> list[str]:
    """Write passwords of vaults into a private directory; return the arguments that name them."""
    arguments = []
    for number, (label, password) in enumerate(passwords):
        path = directory / f"vault-password-{number}"
        # a script of the operator's may print any bytes
        path.touch(mode=0o600)
        path.write_bytes(password)
        arguments += ["--vault-id", f"{label}@{path}"]
    return arguments
