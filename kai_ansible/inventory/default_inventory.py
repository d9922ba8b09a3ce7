"""The inventory of a command that names none: Ansible's own, else the directory ``inventory``."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from functools import cache
from pathlib import Path

from kai_ansible.errors import usage_error

_OURS = Path("inventory")
_SETTING = re.compile(r"^inventory\s*[=:]\s*(.*?)\s*$", re.MULTILINE)


def default_inventory() -> Path:
    """Return the inventory of ANSIBLE_INVENTORY or ansible.cfg, else ``inventory``.

    Raises CommandError for several.
    """
    found, origin = _found()
    if len(found) > 1:
        raise usage_error(
            f"the inventory of {origin}",
            f"several: {', '.join(map(str, found))}",
            "one, to which the configuration is written",
            "name the one that has the host: add --inventory",
        )
    return found[0]


def is_default(path: Path) -> bool:
    """Return whether a command has this inventory without naming it."""
    return _found()[0] == [path]


@cache
def _found() -> tuple[list[Path], str]:
    # Ansible takes a while to load, and few operators set one
    if not os.environ.get("ANSIBLE_INVENTORY") and not _may_be_set():
        return [_OURS], ""
    from kai_ansible.ansible.api import inventories_of_settings

    found, origin = inventories_of_settings()
    here = Path.cwd()
    paths = [path.relative_to(here) if path.is_relative_to(here) else path for path in found]
    return paths or [_OURS], origin


def _may_be_set() -> bool:
    """Return whether a file that Ansible may read sets another inventory than ours."""
    named = os.environ.get("ANSIBLE_CONFIG")
    places = [Path(named), Path(named, "ansible.cfg")] if named else []
    here = Path("ansible.cfg")
    for path in (*places, here, Path.home() / ".ansible.cfg", Path("/etc/ansible/ansible.cfg")):
        with suppress(OSError):
            text = path.read_text(encoding="utf-8", errors="replace")
            if any(path != here or value != str(_OURS) for value in _SETTING.findall(text)):
                return True
    return False
