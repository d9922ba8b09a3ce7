"""Waiting for what another process does."""

import time
from collections.abc import Callable

# so long that only what never happens takes it, on a busy machine too
WAIT_SECONDS = 180


def until(happens: Callable[[], object], what: str = "what is waited for") -> None:
    """Wait until a function returns a true value. Raises AssertionError when it never does."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not happens():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.05)
