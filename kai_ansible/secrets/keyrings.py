"""The operator's keyring. A process of its own asks it, so a keyring that waits ends with it.

``python -m kai_ansible.secrets.keyrings get|set|delete ENTRY`` is that process. It takes several
entries at once; passwords pass through its pipes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import platformdirs

SERVICE = "kai-ansible"
_SECONDS = 5
_SECONDS_AT_A_DESKTOP = 60


class NoKeyring(Exception):
    """There is no usable keyring; ``str`` of it is the reason."""


def passwords_in_keyring(entries: Sequence[str]) -> dict[str, str]:
    """Return the passwords of the entries that have one."""
    try:
        return _found(entries) if entries and _may_be_there() else {}
    except NoKeyring:
        return {}


def put_into_keyring(entry: str, password: str) -> None:
    """Store a password under an entry. Raises NoKeyring, also if it cannot be read back."""
    _ask("set", [entry], password)
    if _found([entry]) != {entry: password}:
        raise NoKeyring("it returns another password than it stored")


def take_out_of_keyring(entry: str) -> None:
    """Delete the password of an entry. Raises NoKeyring."""
    _ask("delete", [entry])


def _may_be_there() -> bool:
    # without a session bus only a configured backend can work, and asking takes a moment
    chosen = Path(platformdirs.user_config_dir("python_keyring"), "keyringrc.cfg")
    named = {"DBUS_SESSION_BUS_ADDRESS", "PYTHON_KEYRING_BACKEND"} & set(os.environ)
    return sys.platform == "darwin" or bool(named) or chosen.exists()


def _found(entries: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = json.loads(_ask("get", entries))
    return found


def _ask(verb: str, entries: Sequence[str], given: str = "") -> str:
    # a desktop may ask its user to unlock the keyring; elsewhere no user could answer
    at_desktop = sys.platform == "darwin" or {"DISPLAY", "WAYLAND_DISPLAY"} & set(os.environ)
    try:
        asked = subprocess.run(
            [sys.executable, "-P", "-m", "kai_ansible.secrets.keyrings", verb, *entries],
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
    if asked.returncode:
        raise NoKeyring(asked.stderr.strip().rpartition("\n")[2])
    return asked.stdout


def _answer(verb: str, *entries: str) -> None:
    import keyring

    if verb == "set":
        keyring.set_password(SERVICE, entries[0], sys.stdin.read())
    elif verb == "delete":
        keyring.delete_password(SERVICE, entries[0])
    else:
        passwords = {entry: keyring.get_password(SERVICE, entry) for entry in entries}
        there = {entry: found for entry, found in passwords.items() if found is not None}
        sys.stdout.write(json.dumps(there))


if __name__ == "__main__":
    _answer(*sys.argv[1:])
