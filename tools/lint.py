"""Runs every linter of the project and says which one objected.

usage: python -m tools.lint
"""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tools.audit import NO_ANSWER

BIN = Path(sys.executable).parent
DOCUMENTS = (
    ("antsibull-changelog", "lint"),
    ("python", "-m", "tools.generate", "--check"),
    ("python", "-m", "tools.manual", "--check"),
    ("python", "-m", "tools.later", "--check"),
    ("python", "-m", "tools.schemas", "--check"),
    ("python", "-m", "tools.errors_page", "--check"),
)
LINTERS = (
    ("ruff", "format", "--check", "--quiet", "."),
    ("ruff", "check", "--quiet", "."),
    ("mypy", "--no-error-summary"),
    ("yamllint", "--strict", "."),
    ("ansible-lint", "--offline"),
    *DOCUMENTS,
    ("python", "-m", "tools.audit"),
)


def run(linter: tuple[str, ...]) -> tuple[tuple[str, ...], int, str]:
    """Run one linter and return it with its exit code and what it said."""
    command = [str(BIN / linter[0]), *linter[1:]]
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    return linter, done.returncode, (done.stdout + done.stderr).strip()


def main() -> int:
    """Run all linters side by side; return 1 when one objected."""
    failed = False
    with ThreadPoolExecutor() as pool:
        for linter, code, said in pool.map(run, LINTERS):
            verdict = {0: "ok", NO_ANSWER: "not known"}.get(code, "FAILED")
            failed = failed or verdict == "FAILED"
            print(f"{verdict}: {' '.join(linter)}")
            if code:
                print(said)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
