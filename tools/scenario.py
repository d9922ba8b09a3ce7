"""Runs a Molecule scenario of this checkout from its beginning to its end.

usage: python -m tools.scenario NAME
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent


def environment(name: str) -> dict[str, str]:
    """Return the environment in which Molecule runs a scenario of this checkout.

    Its own place for files is named by the checkout's last directory alone, which another checkout
    may have as well.
    """
    return {
        **os.environ,
        # Molecule starts its tools by name
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "MOLECULE_EPHEMERAL_DIRECTORY": str(CHECKOUT / ".cache" / "molecule" / name),
    }


def main() -> int:
    """Run the scenario of the command line. Returns Molecule's exit code."""
    [name] = sys.argv[1:]
    command = [str(BIN / "molecule"), "test", "--scenario-name", name]
    return subprocess.run(command, cwd=CHECKOUT, env=environment(name), check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
