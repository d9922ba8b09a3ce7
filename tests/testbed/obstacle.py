"""Why this host cannot run machines, in one sentence.

usage: python3 -m tests.testbed.obstacle [host]

Prints the reason and exits with 1, or exits with 0. With `host` it asks only what no package cures,
so it needs nothing but Python.
"""

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

from . import podman

PREPARE = "run tests/testbed/prepare"
REQUIRED = "KAI_TESTBED_REQUIRED"

_CGROUPS = Path("/sys/fs/cgroup")
_SECONDS = 60


def of_host() -> str | None:
    """Return why no package can help this host, None when nothing is in the way.

    Anybody but root depends on what podman's own packages allow them, so they are not asked here.
    """
    if os.geteuid() != 0:
        return None
    reason = _failure(["unshare", "--mount", "true"])
    if reason is not None:
        return (
            f"root may not create namespaces here, as in a container without privileges: {reason}"
        )
    if not _CGROUPS.is_dir() or not any(_CGROUPS.iterdir()):
        return f"there are no cgroups in {_CGROUPS}, so systemd cannot run in a container"
    return None


@functools.cache
def obstacle() -> str | None:
    """Return why no machine can run here, None when one can."""
    reason = of_host()
    if reason is not None:
        return reason
    if shutil.which("podman") is None:
        return f"podman is not installed; {PREPARE}"
    if os.geteuid() != 0:
        reason = _failure(["podman", "unshare", "true"])
        return f"podman cannot run without root here: {reason}" if reason else None
    # the real question, with the files of this host in place of an image
    probe = ["podman", "run", "--rm", "--network=none", "--rootfs", "/:O", "/bin/true"]
    reason = _failure(probe)
    return f"podman cannot start a container here: {reason}" if reason else None


def is_required() -> bool:
    """Return whether tests that need a machine have to fail where there can be none."""
    return bool(os.environ.get(REQUIRED))


def _failure(command: list[str]) -> str | None:
    """Return the last words of a command that fails, None when it succeeds."""
    try:
        done = subprocess.run(
            command,
            env=podman.environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
            stdin=subprocess.DEVNULL,
        )
    except FileNotFoundError:
        return f"{command[0]} is not installed"
    except subprocess.TimeoutExpired:
        return f"{command[0]} did not end within {_SECONDS} s"
    lines = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()
    return lines[-1] if done.returncode else None


def main() -> int:
    """Print the obstacle, if there is one. Returns the exit code."""
    reason = of_host() if sys.argv[1:] == ["host"] else obstacle()
    if reason is not None:
        print(f"no machines for the tests: {reason}", file=sys.stderr)
    return int(reason is not None)


if __name__ == "__main__":
    sys.exit(main())
