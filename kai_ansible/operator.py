"""The operator: account, directories, terminal and sudo password."""

from __future__ import annotations

import getpass
import os
import pwd
import shlex
import subprocess
import sys
import termios
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import platformdirs

from kai_ansible.errors import usage_error

# the place of the local modes in what tcgetattr(3) returns
_LOCAL = 3
_TRIES = 3
SUDO = "sudo"
_SECONDS = 30
# the exit codes of ssh, and of a shell without sudo
_NO_ANSWER = (255, 127)


def through_sudo() -> pwd.struct_passwd | None:
    """Return the account that called sudo, None without sudo."""
    name = os.environ.get("SUDO_USER")
    if os.geteuid() != 0 or not name or name == "root":
        return None
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def config_dir() -> Path:
    """Return the operator's own configuration directory, not root's."""
    account = through_sudo()
    if account:
        return Path(account.pw_dir) / ".config" / "kai-ansible"
    return Path(platformdirs.user_config_dir("kai-ansible", appauthor=False))


def state_dir() -> Path:
    """Return the operator's own state directory, not root's."""
    account = through_sudo()
    if account:
        return Path(account.pw_dir) / ".local" / "state" / "kai-ansible"
    return Path(platformdirs.user_state_dir("kai-ansible", appauthor=False))


def give_to_owner_of(directory: Path, path: Path) -> None:
    """As root, give a new path to the owner of its directory; never follow a symlink."""
    if os.geteuid() == 0:
        owner = directory.stat()
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def may_become_root() -> bool:
    """Return whether this account is root, or sudo requires no password."""
    if os.geteuid() == 0:
        return True
    try:
        # with -k a ticket of this terminal does not count, as Ansible works at none
        asked = subprocess.run(["sudo", "-k", "-n", "true"], capture_output=True, check=False)
    except FileNotFoundError:
        return False
    return asked.returncode == 0


def at_terminal() -> bool:
    """Return whether standard input and output are a terminal."""
    return sys.stdin.isatty() and sys.stdout.isatty()


@contextmanager
def terminal_kept() -> Iterator[None]:
    """Give the terminal its settings back when a prompt is cut off, which may leave it silent.

    What another program has set, such as a pager, does not come back.
    """
    before = None
    with suppress(OSError, ValueError, termios.error):
        before = termios.tcgetattr(sys.stdin)
    try:
        yield
    except BaseException:
        is_usual = before and before[_LOCAL] & termios.ECHO and before[_LOCAL] & termios.ICANON
        if before and is_usual and not _is_in_background():
            # it may be lost
            with suppress(OSError, termios.error):
                termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
        raise


def _is_in_background() -> bool:
    """Return whether a change of the terminal would stop this process, see termios(3)."""
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) != os.getpgrp()
    except OSError:
        # it has no jobs
        return False


def ask_sudo_password(login: str, ssh: Sequence[str] | None, method: str) -> str:
    """Ask for the sudo password without echo, again if sudo rejects it.

    login: user@host, for the prompt. ssh: the command that logs in there, None for this machine.
    method: how Ansible becomes root there, empty if it does not. sudo does not know the password of
    another one, such as su, so that is tried by the run alone.
    Raises CommandError without a terminal, and after the third wrong password.
    """
    # the prompt itself needs no standard output
    if not sys.stdin.isatty():
        raise usage_error(
            "sudo",
            "a password is required, but there is no terminal to ask for it",
            "a terminal, or sudo without a password",
            "run the command as root or at a terminal",
        )
    for _ in range(_TRIES):
        password = getpass.getpass(f"[{method or SUDO}] password for {login}: ")
        if method not in ("", SUDO) or sudo_accepts(password, ssh) is not False:
            return password
        sys.stderr.write("Sorry, try again.\n")
    raise usage_error(
        f"the sudo password of {login}",
        f"{_TRIES} wrong ones",
        "the password of that account, which may use sudo",
        "run the same command again with the right password",
    )


def sudo_accepts(password: str, ssh: Sequence[str] | None) -> bool | None:
    """Return whether sudo takes a password, None if that is unknown.

    ssh: the command that logs in on the host, None for this machine.
    """
    # -k: the ticket of this terminal does not count
    command = ["sudo", "-S", "-k", "-p", "", "true"]
    if ssh:
        command = [ssh[0], "-o", "BatchMode=yes", *ssh[1:], shlex.join(command)]
    try:
        asked = subprocess.run(
            command,
            input=f"{password}\n",
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if asked.returncode in _NO_ANSWER:
        return None
    return asked.returncode == 0
