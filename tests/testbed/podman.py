"""One way to call podman, with settings that work on this host."""

import functools
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

SETTINGS = Path(__file__).with_name("containers.conf")

_CAP_SYS_RESOURCE = 1 << 24


class TestbedError(Exception):
    """A failure whose message is printed unchanged, without a traceback."""

    __test__ = False


def needs_settings() -> bool:
    """Tell whether podman's own defaults cannot start a container here: SETTINGS is needed."""
    # Two files are read rather than a container tried: there may be no image
    # yet, and every command would pay for it. A rootless podman keeps to the
    # limits and the cgroups that the user has, so only root meets the trouble.
    if os.geteuid() != 0:
        return False
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    # Root without CAP_SYS_RESOURCE (in a container, in a restricted VM) cannot
    # raise its limits to podman's defaults.
    effective = next((line.split()[1] for line in lines if line.startswith("CapEff:")), "0")
    limited = not int(effective, 16) & _CAP_SYS_RESOURCE
    # The second cgroup hierarchy mounted beside the first is what crun fails on.
    return limited or Path("/sys/fs/cgroup/unified").is_dir()


@functools.cache
def settings() -> Mapping[str, str]:
    """Return the environment variables that podman needs here beyond the caller's.

    Empty on an ordinary host, and where the user already chose a CONTAINERS_CONF.
    """
    if "CONTAINERS_CONF" in os.environ or not needs_settings():
        return {}
    return {"CONTAINERS_CONF": str(SETTINGS)}


def environment() -> dict[str, str]:
    """Return the whole environment for a podman process."""
    return {**os.environ, **settings()}


def run(
    args: Sequence[str],
    *,
    input: str | None = None,
    check: bool = True,
    timeout: float = 120,
) -> subprocess.CompletedProcess[str]:
    """Run `podman ARGS` and return what it printed.

    In: the arguments after `podman`; text for its standard input; `timeout` in seconds.
    Raises TestbedError when podman is missing, when the time is up, and, with
    `check`, when the exit code is not 0.
    """
    command = ["podman", *args]
    try:
        result = subprocess.run(
            command,
            env=environment(),
            capture_output=True,
            check=False,
            encoding="utf-8",
            errors="replace",
            timeout=timeout,
            # Never the terminal: a command that asks must fail, not hang.
            **({"stdin": subprocess.DEVNULL} if input is None else {"input": input}),
        )
    except FileNotFoundError:
        raise TestbedError("podman is not installed; run tests/testbed/prepare") from None
    except subprocess.TimeoutExpired:
        raise TestbedError(f"no end after {timeout:g} s: {' '.join(command)}") from None
    if check and result.returncode != 0:
        said = (result.stderr.strip() or result.stdout.strip())[-2000:]
        raise TestbedError(f"exit code {result.returncode}: {' '.join(command)}\n{said}")
    return result
