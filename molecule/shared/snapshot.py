"""Print as JSON what an installation of Kai can change on a host; run as root on the target."""

import hashlib
import json
import os
import pwd
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

WHOLE = ("/etc/kai", "/etc/sudoers.d", "/etc/systemd/system")
# Not below these: the bot itself writes there, and a release holds thousands of files.
LISTED = ("/opt/kai", "/opt/kai/releases", "/var/lib/kai")
PROPERTIES = "ActiveState,ActiveEnterTimestampMonotonic,MainPID,NRestarts,UnitFileState"


def paths() -> Iterator[Path]:
    """Yield every path to compare, whether or not it exists."""
    for root in map(Path, WHOLE):
        yield from (root, *root.rglob("*"))
    for root in map(Path, LISTED):
        yield root
        yield from root.iterdir() if root.is_dir() else ()


def description(path: Path) -> dict[str, object]:
    """Return everything that differs after `path` was written, moved or replaced."""
    status = path.lstat()
    found: dict[str, object] = {
        "mode": stat.filemode(status.st_mode),
        "owner": [status.st_uid, status.st_gid],
    }
    if path.is_symlink():
        found["target"] = str(path.readlink())
    elif path.is_file() and path.is_relative_to("/etc"):
        # A new inode is a new file, even with the same content.
        found["inode"] = [status.st_ino, status.st_mtime_ns]
        found["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def main() -> None:
    """Print one JSON object."""
    shown = subprocess.run(
        ["/usr/bin/systemctl", "show", "kai.service", f"--property={PROPERTIES}"],
        capture_output=True,
        text=True,
        check=True,
    )
    report = {
        "paths": {str(path): description(path) for path in paths() if os.path.lexists(path)},
        "unit": dict(line.split("=", 1) for line in shown.stdout.splitlines()),
        "accounts": sorted(entry.pw_name for entry in pwd.getpwall()),
    }
    print(json.dumps(report, sort_keys=True))  # noqa: T201


main()
