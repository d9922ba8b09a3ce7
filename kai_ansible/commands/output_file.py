"""Refuse a file to write that an option names, before anything else is done."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from kai_ansible.errors import usage_error
from kai_ansible.host.symlink_guard import kind_of

if TYPE_CHECKING:
    from pathlib import Path


def check_output(path: Path, option: str) -> None:
    """Raise CommandError unless a path leads to a file, or to a directory for a new one.

    A device would be replaced by a file as well.
    """
    found = None
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            found = kind_of(status)
    except FileNotFoundError:
        if not path.parent.is_dir():
            found = f"no directory {path.parent}"
        elif not os.access(path.parent, os.W_OK | os.X_OK):
            found = f"a directory {path.parent} that you cannot write to"
    except OSError as error:
        found = str(error.strerror)
    if found:
        raise usage_error(
            f"{option} {path}",
            found,
            "a file, or a name in a directory that you can write to",
            "name another place",
        )
