"""Put this checkout on a machine, as an operator who cloned it there would have it."""

import os
import subprocess
import tempfile
from pathlib import Path

from .machines import Machine

_ROOT = Path(__file__).resolve().parents[2]


def push(machine: Machine, directory: str, user: str) -> None:
    """Copy what git knows or would take of this checkout to a new directory of an account.

    Raises TestbedError when it cannot be copied.
    """
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    # one that was removed and not committed yet is still listed
    files = [name for name in listed.split("\0") if name and os.path.lexists(_ROOT / name)]
    with tempfile.TemporaryDirectory(prefix="kai-ansible-") as scratch:
        archive = Path(scratch, "checkout.tar")
        subprocess.run(
            ["tar", "--create", "--file", str(archive), "--null", "--files-from", "-"],
            cwd=_ROOT,
            input="\0".join(files),
            text=True,
            check=True,
        )
        machine.push(archive, "/tmp/checkout.tar")
    extract = ["tar", "--extract", "--no-same-owner", "-f", "/tmp/checkout.tar", "-C", directory]
    machine.run(["install", "-d", directory], user=user)
    machine.run(extract, user=user)
