"""The inventory of a command that names none: Ansible's own, else the directory ``inventory``."""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from functools import cache
from pathlib import Path

from kai_ansible.errors import usage_error
from kai_ansible.files import from_here, is_there
from kai_ansible.operator import through_sudo

_OURS = Path("inventory")
_SETS_OURS = re.compile(r"^inventory = inventory$(?!\n\s)", re.MULTILINE)


@cache
def default_inventory() -> Path:
    """Return the inventory of ANSIBLE_INVENTORY or ansible.cfg, else ``inventory``.

    Raises CommandError for several, and for one of another account where every account can write,
    and AnsibleError for settings that Ansible cannot read.
    """
    # Ansible takes a while to load, and few operators set one
    if not _may_be_set():
        return _of_this_directory()
    from kai_ansible.ansible.api import inventories_of_settings

    found, place = inventories_of_settings()
    if len(found) > 1:
        raise usage_error(
            place,
            f"several inventories: {', '.join(map(str, found))}",
            "one",
            "name the one that has the host: add --inventory",
        )
    return from_here(found[0]) if found else _of_this_directory()


def _of_this_directory() -> Path:
    # its templates run here, and nobody has named it
    account = through_sudo()
    trusted = {0, os.geteuid(), *([account.pw_uid] if account else [])}
    if _is_open() and is_there(_OURS) and (owner := _OURS.lstat().st_uid) not in trusted:
        raise usage_error(
            str(_OURS.absolute()),
            f"an inventory of UID {owner}, in a directory where every account can write",
            "one of yours",
            "change to the directory of your inventory, or name this one if you trust it: add "
            f"--inventory {_OURS}",
        )
    return _OURS


def _is_open() -> bool:
    return bool(Path.cwd().stat().st_mode & stat.S_IWOTH)


def is_ignored_by_ansible() -> bool:
    """Return whether ansible.cfg is here, but not for Ansible (its documentation of settings)."""
    is_set = os.environ.get("ANSIBLE_CONFIG")
    return _is_open() and Path("ansible.cfg").exists() and not is_set


def _may_be_set() -> bool:
    """Return whether Ansible may have another inventory than ours from the operator's settings."""
    if os.environ.get("ANSIBLE_INVENTORY") or os.environ.get("ANSIBLE_CONFIG"):
        return True
    here = Path("ansible.cfg")
    for path in (
        here,
        Path(os.path.expanduser("~/.ansible.cfg")),  # noqa: PTH111 - pathlib needs a home
        Path("/etc/ansible/ansible.cfg"),
    ):
        with suppress(OSError):
            text = path.read_text(encoding="utf-8", errors="replace")
            if "inventory" in (_SETS_OURS.sub("", text) if path == here else text).lower():
                return True
    return False
