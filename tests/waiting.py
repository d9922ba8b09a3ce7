"""Waiting for what another process does."""

import socket
import subprocess
import time
from collections.abc import Callable
from typing import Any

# so long that only what never happens takes it, on a busy machine too
WAIT_SECONDS = 180


def until(happens: Callable[[], object], what: str = "what is waited for") -> None:
    """Wait until a function returns a true value. Raises AssertionError when it never does."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not happens():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.05)


def until_it_listens(process: subprocess.Popen[Any], port: int) -> None:
    """Wait until a process of this host takes connections.

    Raises AssertionError when it has ended or never does, OSError for any fault of a connection but
    that it is refused.
    """

    def listens() -> bool:
        assert process.poll() is None, f"it ended with exit code {process.returncode}"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=WAIT_SECONDS).close()
        except ConnectionRefusedError:
            return False
        return True

    until(listens, f"process {process.pid} listens on port {port}")
