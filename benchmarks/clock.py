"""Runs commands in turns, and tells what each run took.

usage: python3 clock.py <request.json >result.json

A request has ``rounds``, ``environment``, ``directory`` and ``cases``. A case has ``name`` and
``argv``, and perhaps ``before``, a command that is not measured; ``until``, the text at which it
counts as done, at a terminal; ``phases``, a file of JSON lines that the run writes and
that is reported as ``tasks``; ``memory``, whether its memory is added up, which slows it down; and
``codes``, the exit codes that are no failure. Each round runs every case once, so what slows a
machine down for a while slows all of them. The first round warms caches and does not count.

A result has for each case a list of {wall, cpu, memory}: seconds, seconds of CPU of the command and
its children, and with ``memory`` the peak of what they held together, in MB.

It runs on a machine under test as well, so the standard library is all it needs.
"""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import tempfile
import threading
import time
from typing import Any

SAMPLE_SECONDS = 0.05
MOST_SECONDS = 900
KB_OF_MB = 1024


def processes() -> dict[int, list[int]]:
    """Return the children of each process."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as handle:
                    parent = int(handle.read().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(name))
    return children


def family(root: int) -> list[int]:
    """Return a process and everything that descends from it."""
    children = processes()
    found = [root]
    for process in found:
        found += children.get(process, [])
    return found


def held_by(process: int) -> int:
    """Return the KB that a process holds; what it shares with others is shared out."""
    with contextlib.suppress(OSError), open(f"/proc/{process}/smaps_rollup", "rb") as handle:
        for line in handle:
            if line.startswith(b"Pss:"):
                return int(line.split()[1])
    return 0


class Memory(threading.Thread):
    """Adds up again and again what a process and its descendants hold."""

    def __init__(self, root: int) -> None:
        super().__init__(daemon=True)
        self.root, self.peak, self.ended = root, 0, threading.Event()

    def run(self) -> None:
        """Poll until stopped."""
        while not self.ended.wait(SAMPLE_SECONDS):
            self.peak = max(self.peak, sum(map(held_by, family(self.root))))


def cpu_of(usage: Any) -> float:
    """Return the seconds of CPU in a struct rusage."""
    return float(usage.ru_utime + usage.ru_stime)


def measure(case: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
    """Run a case once. Raises SystemExit with its output when it fails."""
    environment = {**os.environ, **request.get("environment", {}), **case.get("environment", {})}
    where = request.get("directory", "/")
    if case.get("before"):
        subprocess.run(case["before"], check=True, cwd=where, env=environment, stdout=sys.stderr)
    if case.get("phases"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(where, case["phases"]))
    if case.get("until"):
        return until_text(case, where, environment)
    with tempfile.TemporaryFile() as output:
        started = time.monotonic()
        process = subprocess.Popen(
            case["argv"],
            cwd=where,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        memory = Memory(process.pid) if case.get("memory") else None
        if memory:
            memory.start()
        timer = threading.Timer(MOST_SECONDS, process.kill)
        timer.start()
        status, usage = os.wait4(process.pid, 0)[1:]
        wall = time.monotonic() - started
        timer.cancel()
        code = process.returncode = os.waitstatus_to_exitcode(status)
        if memory:
            memory.ended.set()
            memory.join()
        if code not in case.get("codes", [0]):
            output.seek(0)
            said = output.read().decode(errors="replace")
            raise SystemExit(f"{case['name']} ended with {code}: {case['argv']}\n{said[-4000:]}")
    measured: dict[str, Any] = {"wall": wall, "cpu": cpu_of(usage)}
    if case.get("phases"):
        with open(os.path.join(where, case["phases"]), encoding="utf-8") as handle:
            measured["tasks"] = [json.loads(line) for line in handle]
    if memory:
        measured["memory"] = memory.peak / KB_OF_MB
    return measured


def until_text(case: dict[str, Any], where: str, environment: dict[str, str]) -> dict[str, Any]:
    """Run a case at a terminal until it shows a text, then end it."""
    started = time.monotonic()
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(where)
        os.execvpe(case["argv"][0], case["argv"], environment)
    said = b""
    while case["until"].encode() not in said:
        try:
            said += os.read(terminal, 65536)
        except OSError as error:
            words = said.decode(errors="replace")
            raise SystemExit(f"{case['name']} never said {case['until']!r}:\n{words}") from error
    wall = time.monotonic() - started
    os.kill(child, signal.SIGKILL)
    usage = os.wait4(child, 0)[2]
    os.close(terminal)
    return {"wall": wall, "cpu": cpu_of(usage)}


def main() -> None:
    """Measure what standard input asks for."""
    request = json.load(sys.stdin)
    found: dict[str, list[dict[str, Any]]] = {case["name"]: [] for case in request["cases"]}
    for number in range(request["rounds"] + 1):
        for case in request["cases"]:
            measured = measure(case, request)
            print(f"{number} {case['name']}: {measured['wall']:.2f} s", file=sys.stderr, flush=True)
            if number:
                found[case["name"]].append(measured)
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
