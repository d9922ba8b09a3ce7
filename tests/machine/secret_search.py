"""Where a planted secret has come to: processes while commands run, and files and logs afterwards.

Every secret that is planted holds one mark, so that a few forms of the mark find them all.
"""

import base64
import json
import secrets
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.testbed.machines import Machine

_WATCH = """
import json, os, sys, threading
asked = json.loads(sys.stdin.readline())
needles = [needle.encode() for needle in asked["needles"]]
done = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), done.set()), daemon=True).start()
print("watching", flush=True)
found, passes = set(), 0
while not done.is_set():
    passes += 1
    # the commands that are watched need the processor as well
    done.wait(0.02)
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        for name in ("cmdline", "environ"):
            try:
                with open(f"/proc/{pid}/{name}", "rb") as handle:
                    text = handle.read()
                if any(needle in text for needle in needles):
                    uid = os.stat(f"/proc/{pid}").st_uid
                    program = os.path.basename(os.readlink(f"/proc/{pid}/exe"))
                    found.add((name, uid, program))
            except OSError:
                continue
print(json.dumps([passes, sorted(found)]))
"""
_SEARCH = """
import json, os, stat, subprocess, sys
asked = json.loads(sys.stdin.read())
needles = [needle.encode() for needle in asked["needles"]]
found, looked = [], 0
def search(place, text):
    if any(needle in text or needle in place.encode("utf-8", "replace") for needle in needles):
        found.append(place)
for root in asked["roots"]:
    for parent, directories, files in os.walk(root):
        directories[:] = [
            name for name in directories if os.path.join(parent, name) not in asked["skip"]
        ]
        for name in files:
            path = os.path.join(parent, name)
            try:
                status = os.lstat(path)
                if stat.S_ISREG(status.st_mode) and status.st_ctime >= asked["since"]:
                    looked += 1
                    with open(path, "rb") as handle:
                        search(path, handle.read())
            except FileNotFoundError:
                continue
if asked["journal"]:
    looked += 1
    command = ["journalctl", "--all", "--output=export"]
    search("the journal", subprocess.run(command, capture_output=True, check=True).stdout)
print(json.dumps([looked, found]))
"""


def _forms(mark: str) -> list[str]:
    """Return a word as it is, in hexadecimal, and in base64 wherever it begins there.

    It has letters and digits only, so that no quoting changes it.
    """
    encoded = [
        base64.b64encode(b"\0" * before + mark.encode()).decode()[-(-before * 4 // 3) : -4]
        for before in range(3)
    ]
    return [mark, mark.encode().hex(), *encoded]


@dataclass
class Search:
    """The search for whatever holds the mark.

    processes: kind (cmdline, environ), UID and program of those that had it while watched.
    """

    machine: "Machine"
    mark: str = field(default_factory=lambda: "kAi" + secrets.token_hex(9))
    processes: set[tuple[str, int, str]] = field(default_factory=set)
    passes: int = 0

    def __post_init__(self) -> None:
        now = self.machine.run(["python3", "-c", "import time; print(time.time())"])
        self.since = float(now.stdout)

    def secret(self, name: str) -> str:
        """Return a secret whose name tells where it was planted."""
        return f"{self.mark}-{name.lower()}-{secrets.token_hex(8)}"

    def is_in(self, text: str) -> bool:
        """Return whether a secret stands in a text, in any form."""
        return any(form in text for form in _forms(self.mark))

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look at every process of the machine and of this host, over and over."""
        from tests.testbed import podman

        inside = ["podman", "exec", "--interactive", self.machine.container, "python3", "-c"]
        commands = [[*inside, _WATCH], [sys.executable, "-c", _WATCH]]
        watchers = [
            subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=podman.environment(),
            )
            for command in commands
        ]
        for watcher in watchers:
            assert watcher.stdin
            assert watcher.stdout
            watcher.stdin.write(json.dumps({"needles": _forms(self.mark)}) + "\n")
            watcher.stdin.flush()
            assert watcher.stdout.readline() == "watching\n"
        try:
            yield
        finally:
            told = [json.loads(watcher.communicate()[0]) for watcher in watchers]
        for passes, seen in told:
            self.passes += passes
            self.processes |= {tuple(entry) for entry in seen}

    def on_machine(self) -> tuple[int, list[str]]:
        """Return how many places of the machine were searched, and which have a secret."""
        asked = self._asked(["/"], ["/proc", "/sys"], journal=True)
        return self._told(self.machine.run(["python3", "-c", _SEARCH], input=asked).stdout)

    def here(self, roots: Sequence[Path], skip: Sequence[Path] = ()) -> tuple[int, list[str]]:
        """Return the same for directories of this host."""
        asked = self._asked([str(path) for path in roots], [str(path) for path in skip])
        done = subprocess.run(
            [sys.executable, "-c", _SEARCH], input=asked, capture_output=True, text=True, check=True
        )
        return self._told(done.stdout)

    def _asked(self, roots: Sequence[str], skip: Sequence[str], *, journal: bool = False) -> str:
        asked: dict[str, Any] = {"needles": _forms(self.mark), "since": self.since - 1}
        return json.dumps({**asked, "roots": roots, "skip": skip, "journal": journal})

    @staticmethod
    def _told(text: str) -> tuple[int, list[str]]:
        looked, found = json.loads(text)
        return int(looked), sorted(found)
