"""Says which of the locked packages have known vulnerabilities.

usage: python -m tools.audit [FILE]

Without FILE it is requirements-dev.txt. OSV is asked, or what is at OSV_URL. Exit code 0: none is
known. 1: some are, or the audit itself failed. 75: nobody answered, as where there is no network,
so nothing is known.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

LOCK = Path(__file__).resolve().parent.parent / "requirements-dev.txt"
OSV = "https://api.osv.dev/v1/query"
# EX_TEMPFAIL of sysexits.h: it may go through later
NO_ANSWER = 75
# what the last line of pip-audit begins with when OSV could not be reached
_UNREACHABLE = "requests.exceptions."


def ask(lock: Path, url: str) -> subprocess.CompletedProcess[str]:
    """Return what pip-audit says of a file of hashed requirements, as JSON."""
    options = ["--requirement", str(lock), "--disable-pip", "--require-hashes", "--desc", "off"]
    options += ["--vulnerability-service", "osv", "--osv-url", url]
    return subprocess.run(
        [sys.executable, "-m", "pip_audit", *options, "--progress-spinner=off", "--format=json"],
        capture_output=True,
        text=True,
        check=False,
    )


def vulnerable(dependencies: list[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a line for each vulnerability: the package, its name, and the fix."""
    for found in dependencies:
        for known in found.get("vulns", []):
            fixed = ", ".join(known["fix_versions"]) or "no release yet"
            yield f"{found['name']} {found['version']}: {known['id']}, fixed in {fixed}"


def main() -> int:
    """Audit the lock, or the file that is named; return the exit code."""
    lock = Path(sys.argv[1]) if len(sys.argv) > 1 else LOCK
    done = ask(lock, os.environ.get("OSV_URL", OSV))
    try:
        dependencies = json.loads(done.stdout)["dependencies"]
    except ValueError:
        last = done.stderr.strip().rpartition("\n")[2]
        unreachable = last.startswith(_UNREACHABLE)
        print(f"nobody answered: {last}" if unreachable else done.stderr)
        return NO_ANSWER if unreachable else 1
    unknown = [found["name"] for found in dependencies if "skip_reason" in found]
    if unknown:
        print(f"not audited: {', '.join(unknown)}")
    lines = list(vulnerable(dependencies))
    for line in lines:
        print(line)
    if lines:
        return 1
    return NO_ANSWER if unknown else 0


if __name__ == "__main__":
    sys.exit(main())
