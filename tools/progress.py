"""Runs a long command and shows that it is alive.

usage: python3 tools/progress.py TITLE COMMAND [ARGUMENT ...]

The set-up uses it before any package is installed, so it needs the standard library alone.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

_SECONDS_BETWEEN_LINES = 4
_WIDEST_LINE = 100
_TAIL_BYTES = 4096


def last_line(log: Path) -> str:
    """Return the last line with text of a log, shortened; empty when there is none."""
    with log.open("rb") as handle:
        handle.seek(max(log.stat().st_size - _TAIL_BYTES, 0))
        text = handle.read().decode("utf-8", "replace").replace("\r", "\n")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:_WIDEST_LINE] if lines else ""


@contextmanager
def shown(title: str, log: Path) -> Iterator[None]:
    """Print a title, then every few seconds how long it takes and the last line of a log."""
    started = time.monotonic()
    done = threading.Event()
    at_terminal = sys.stderr.isatty()

    def tell() -> None:
        while not done.wait(_SECONDS_BETWEEN_LINES):
            seconds = time.monotonic() - started
            text = f"  {seconds:3.0f} s  {last_line(log)}"
            if at_terminal:
                # one line that changes, shorter than the terminal is wide
                columns = shutil.get_terminal_size().columns
                print(f"\r\x1b[K{text[: columns - 1]}", end="", file=sys.stderr, flush=True)
            else:
                print(text, file=sys.stderr, flush=True)
        if at_terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    print(f"{title} ...", file=sys.stderr, flush=True)
    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        done.set()
        teller.join()


def run(title: str, command: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> int:
    """Run a command with its output in a log, and return its exit code.

    Raises OSError when it cannot be started.
    """
    with shown(title, log), log.open("ab") as output:
        return subprocess.run(
            command,
            check=False,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        ).returncode


def main() -> int:
    """Run the command of the command line; print its output when it fails."""
    title, *command = sys.argv[1:]
    with tempfile.NamedTemporaryFile(prefix="kai-ansible-") as log:
        path = Path(log.name)
        code = run(title, command, path)
        if code:
            sys.stderr.write(path.read_text(encoding="utf-8", errors="replace"))
        return code


if __name__ == "__main__":
    sys.exit(main())
