"""The person at the keyboard, also when the command runs through sudo."""

from __future__ import annotations

import getpass
import os
import pwd
import subprocess
import sys
from pathlib import Path

import platformdirs

from kai_ansible.errors import refusal


def through_sudo() -> pwd.struct_passwd | None:
    """Return the account that called sudo, None when nobody did."""
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
    """Return where the operator's own state is kept, not root's."""
    account = through_sudo()
    if account:
        return Path(account.pw_dir) / ".local" / "state" / "kai-ansible"
    return Path(platformdirs.user_state_dir("kai-ansible", appauthor=False))


def give_to_owner_of(directory: Path, path: Path) -> None:
    """Make what root wrote into somebody's tree belong to them, never through a link."""
    if os.geteuid() == 0:
        owner = directory.stat()
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def may_become_root() -> bool:
    """Return whether this account is root already, or sudo asks it for no password."""
    if os.geteuid() == 0:
        return True
    try:
        asked = subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False)
    except FileNotFoundError:
        return False
    return asked.returncode == 0


def at_terminal() -> bool:
    """Return whether there is a person to ask."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def ask_sudo_password() -> str:
    """Return the password for sudo, asked unseen. Raises CommandError without a terminal."""
    if not at_terminal():
        raise refusal(
            "sudo",
            "that it wants a password here, and no terminal to ask for it",
            "a terminal, or sudo without a password",
            "run this as root, or at a terminal",
        )
    return getpass.getpass("sudo password: ")
