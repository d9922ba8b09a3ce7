"""The operator: account, directories, terminal and sudo password."""

from __future__ import annotations

import getpass
import os
import pwd
import subprocess
import sys
from pathlib import Path

import platformdirs

from kai_ansible.errors import usage_error


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


def ask_sudo_password() -> str:
    """Ask for the sudo password without echo. Raises CommandError without a terminal."""
    if not at_terminal():
        raise usage_error(
            "sudo",
            "a password is required, but there is no terminal to ask for it",
            "a terminal, or sudo without a password",
            "run the command as root or at a terminal",
        )
    return getpass.getpass("sudo password: ")
