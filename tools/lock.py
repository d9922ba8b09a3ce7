"""Chooses the newest packages that development may use, and writes them down with their hashes.

usage: python -m tools.lock

One file serves every supported Python and system.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tools.audit import LOCK

OLDEST_PYTHON = "3.11"


def main() -> int:
    """Write the lock; return uv's exit code."""
    options = ["--universal", "--python-version", OLDEST_PYTHON, "--generate-hashes", "--upgrade"]
    options += [
        "--custom-compile-command",
        "make lock",
        "--extra",
        "dev",
        "--no-annotate",
        "--quiet",
    ]
    command = [str(Path(sys.executable).parent / "uv"), "pip", "compile", *options]
    return subprocess.run(
        [*command, "pyproject.toml", "--output-file", LOCK.name], cwd=LOCK.parent, check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
