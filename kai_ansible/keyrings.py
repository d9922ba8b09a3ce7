"""The operator's keyring, asked by a process of its own: what it asks or waits for ends with it.

``python -m kai_ansible.keyrings get|set|delete ENTRY`` is that process; a password passes through
its pipes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import platformdirs

SERVICE = "kai-ansible"
_NOT_THERE = 3
_SECONDS = 5
_SECONDS_AT_A_DESKTOP = 60


class NoKeyring(Exception):
    """There is no keyring that can be used; ``str`` of it says why."""


def password_in_keyring(entry: str) -> str | None:
    """Return the password under an entry, None when there is none or no keyring either."""
    try:
        return _ask("get", entry) if _may_be_there() else None
    except NoKeyring:
        return None


def put_into_keyring(entry: str, password: str) -> None:
    """Keep a password under an entry. Raises NoKeyring, also when it cannot be read back."""
    _ask("set", entry, password)
    if _ask("get", entry) != password:
        raise NoKeyring("it gives back something else than it was given")


def take_out_of_keyring(entry: str) -> None:
    """Forget the password under an entry. Raises NoKeyring."""
    _ask("delete", entry)


def _may_be_there() -> bool:
    # without a session bus only a backend that somebody chose can work, and to ask takes a moment
    chosen = Path(platformdirs.user_config_dir("python_keyring"), "keyringrc.cfg")
    named = {"DBUS_SESSION_BUS_ADDRESS", "PYTHON_KEYRING_BACKEND"} & set(os.environ)
    return sys.platform == "darwin" or bool(named) or chosen.exists()


def _ask(verb: str, entry: str, given: str = "") -> str | None:
    # a desktop may ask its user to unlock the keyring; elsewhere nobody could answer
    at_desktop = sys.platform == "darwin" or {"DISPLAY", "WAYLAND_DISPLAY"} & set(os.environ)
    try:
        asked = subprocess.run(
            [sys.executable, "-P", "-m", "kai_ansible.keyrings", verb, entry],
            input=given,
            capture_output=True,
            text=True,
            timeout=_SECONDS_AT_A_DESKTOP if at_desktop else _SECONDS,
            check=False,
            # without a terminal it cannot ask there
            start_new_session=True,
        )
    except subprocess.TimeoutExpired as error:
        raise NoKeyring("it does not answer") from error
    if asked.returncode == _NOT_THERE:
        return None
    if asked.returncode:
        raise NoKeyring(asked.stderr.strip().rpartition("\n")[2])
    return asked.stdout


def _answer(verb: str, entry: str) -> int:
    import keyring

    if verb == "set":
        keyring.set_password(SERVICE, entry, sys.stdin.read())
    elif verb == "delete":
        keyring.delete_password(SERVICE, entry)
    else:
        found = keyring.get_password(SERVICE, entry)
        if found is None:
            return _NOT_THERE
        sys.stdout.write(found)
    return 0


if __name__ == "__main__":
    sys.exit(_answer(*sys.argv[1:]))
