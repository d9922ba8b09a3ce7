"""Write the tables of docs/performance.md from what tools.bench measured last.

usage: python -m tools.performance
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.stale import replaced

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "performance.md"
MEASURED = ROOT / ".cache" / "bench" / "measured.json"
SCALED = ROOT / ".cache" / "bench" / "scaled.json"
FIGURES = ("wall", "cpu", "memory")
STEP_RELEASE = "Build the release"

Runs = Sequence[Mapping[str, Any]]
Cases = Mapping[str, Runs]


@dataclass(frozen=True)
class Row:
    """A line of the table.

    case: what was measured. floor: beside what, None for a bar that is a figure. bar: how many
    times the floor, or the figure; None where something is only shown. of: which figure of a run.
    task: of a playbook, the only task that is meant.
    """

    title: str
    case: str
    floor: str | None
    bar: float | None
    of: str = "wall"
    unit: str = "s"
    task: str | None = None

    def figures(self, cases: Cases) -> list[float]:
        """Return the figure of each run. Raises KeyError when it was not measured."""
        if self.task is None:
            return [float(run[self.of]) for run in cases[self.case]]
        return [
            sum(task["seconds"] for task in run["tasks"] if task["task"] == self.task)
            for run in cases[self.case]
        ]

    def ratio(self, cases: Cases) -> float | None:
        """Return the median of the ratios to the floor, each inside one round."""
        if self.floor is None:
            return None
        floors = [float(run[self.of]) for run in cases[self.floor]]
        return statistics.median(
            mine / floor for mine, floor in zip(self.figures(cases), floors, strict=True)
        )

    def cells(self, cases: Cases) -> list[str]:
        """Return the cells of the line. Raises KeyError when something was not measured."""
        figure, ratio = statistics.median(self.figures(cases)), self.ratio(cases)
        floor = "" if self.floor is None else f"{self.floor}, {self.shown(cases[self.floor])}"
        verdict = ""
        if self.bar is not None:
            verdict = "yes" if (figure if ratio is None else ratio) <= self.bar else "**no**"
        limit = (
            "" if self.bar is None else f"{self.bar:g}" + (" times" if ratio else f" {self.unit}")
        )
        return [
            self.title,
            f"{figure:.{self.digits}f} {self.unit}",
            floor,
            "" if ratio is None else f"{ratio:.2f}",
            limit,
            verdict,
        ]

    @property
    def digits(self) -> int:
        """How many decimals a figure has."""
        return 0 if self.unit == "MB" else 2

    def shown(self, runs: Runs) -> str:
        """Return the median of a floor."""
        return (
            f"{statistics.median(float(run[self.of]) for run in runs):.{self.digits}f} {self.unit}"
        )


ROWS = (
    Row("unchanged, 3 users, local: the play", "local play", "local ping", 4),
    Row("unchanged, 3 users, local: the command", "local command", "local ping", 4),
    Row("unchanged, 3 users, local: a role of the usual kind", "local usual", "local ping", None),
    Row("unchanged, 3 users, ssh: the play", "ssh play", "ssh ping", 5),
    Row("unchanged, 3 users, ssh: the command", "ssh command", "ssh ping", 5),
    Row("unchanged, 3 users, ssh: a role of the usual kind", "ssh usual", "ssh ping", None),
    Row("unchanged, 200 users, ssh: the play", "ssh many", "ssh play", 1.3),
    Row("unchanged, 8 hosts at once, ssh, 5 forks: the play", "ssh eight", "ssh play", 4),
    Row("unchanged, 8 hosts in batches, ssh: the play", "ssh eight batches", "ssh play", None),
    Row("a ping of 8 hosts, ssh, 5 forks", "ssh eight ping", "ssh ping", None),
    Row("a new release: the building", "release", "manual release", 1.3, task=STEP_RELEASE),
    Row("a new release: the whole run", "release", "manual release", None),
    Row("`status`: the command", "local status", "local ping", 2),
    Row("`status`: the play", "local status play", "local ping", 2),
    Row("`--help`, CPU", "help", None, 0.25, of="cpu"),
    Row("the first prompt of the wizard, without a probe of the host", "wizard", None, 0.5),
    Row("memory of `install` on 8 hosts", "memory", None, 400, of="memory", unit="MB"),
)
HEAD = """| What | Median | Beside | Ratio | At most | Holds |
| --- | --- | --- | --- | --- | --- |
"""
PHASES_HEAD = """| Task of an unchanged run over ssh | 3 users | 200 users |
| --- | --- | --- |
"""
SCALE_HEAD = """| Hosts | Forks | Seconds | CPU of the controller | Memory |
| --- | --- | --- | --- | --- |
"""


def line(cells: Sequence[str]) -> str:
    """Return a line of a table."""
    return f"| {' | '.join(cells)} |\n".replace("|  |", "| |").replace("|  |", "| |")


def table(cases: Cases) -> str:
    """Return the lines of the main table. Raises KeyError with a case that was not measured."""
    return "".join(line(row.cells(cases)) for row in ROWS)


def phases(cases: Cases) -> str:
    """Return the lines of the profile: the median of each task, the longest first."""
    columns = [seconds_of_tasks(cases[case]) for case in ("ssh play", "ssh many")]
    names = sorted(columns[0], key=lambda name: -columns[0][name])
    return "".join(
        line([name, *(f"{column.get(name, 0):.2f} s" for column in columns)])
        for name in names
        if columns[0][name] >= 0.01
    )


def seconds_of_tasks(runs: Runs) -> dict[str, float]:
    """Return the median of the seconds of each task, and of what is before the first."""
    found: dict[str, list[float]] = {}
    for run in runs:
        tasks = run["tasks"]
        spent = {task["task"]: task["seconds"] for task in tasks if task["action"]}
        spent["start and end of Ansible"] = run["wall"] - sum(spent.values())
        for name, seconds in spent.items():
            found.setdefault(name, []).append(seconds)
    return {name: statistics.median(seconds) for name, seconds in found.items()}


def median_of(cases: Cases, case: Mapping[str, Any], name: str) -> float:
    """Return the median of a figure over the runs of a case."""
    return float(statistics.median(run[name] for run in cases[case["name"]]))


def scale(cases: Cases, asked: Sequence[Mapping[str, Any]]) -> str:
    """Return the lines of the growing number of hosts."""
    lines = []
    for case in asked:
        wall, cpu, memory = (median_of(cases, case, name) for name in FIGURES)
        figures = [f"{wall:.1f}", f"{cpu:.1f} s", f"{memory:.0f} MB"]
        lines.append(line([str(case["hosts"]), str(case["forks"]), *figures]))
    return "".join(lines)


def fitted(cases: Cases, asked: Sequence[Mapping[str, Any]], forks: int) -> dict[str, list[float]]:
    """Return, for each figure, what it is without hosts and what a host adds, by least squares."""
    chosen = [case for case in asked if case["forks"] == forks]
    counts = [case["hosts"] for case in chosen]
    found = {}
    for name in FIGURES:
        values = [median_of(cases, case, name) for case in chosen]
        fit = statistics.linear_regression(counts, values)
        found[name] = [fit.intercept, fit.slope]
    return found


def fit_sentences(cases: Cases, asked: Sequence[Mapping[str, Any]]) -> str:
    """Return the fits, a line for each number of forks."""
    lines = []
    for forks in sorted({case["forks"] for case in asked}):
        fit = fitted(cases, asked, forks)
        lines.append(
            f"- {forks} forks, n hosts: {fit['wall'][0]:.1f} + {fit['wall'][1]:.2f} n seconds, "
            f"{fit['cpu'][0]:.1f} + {fit['cpu'][1]:.2f} n seconds of CPU, "
            f"{fit['memory'][0]:.0f} + {fit['memory'][1]:.1f} n MB.\n"
        )
    return "".join(lines)


def measured_on(document: Mapping[str, Any], rounds: int | None) -> str:
    """Return where and when something was measured."""
    machine = document["machine"]
    runs = "" if rounds is None else f" Medians of {rounds} runs."
    return (
        f"Measured on {document['taken']}: {machine['cores']} cores ({machine['processor']}), "
        f"{machine['memory']}, {machine['system']}, Python {machine['python']}, "
        f"ansible-core {machine['ansible']}; load {machine['load']} when it ended.{runs}\n"
    )


def main() -> int:
    """Write the tables of what has been measured; return the exit code."""
    page = PAGE.read_text(encoding="utf-8")
    if not MEASURED.exists() and not SCALED.exists():
        print("nothing was measured; run: make bench", file=sys.stderr)
        return 1
    if MEASURED.exists():
        document = json.loads(MEASURED.read_text(encoding="utf-8"))
        cases = document["cases"]
        try:
            rows, profile = table(cases), phases(cases)
        except KeyError as error:
            print(f"{error} was not measured; run: make bench", file=sys.stderr)
            return 1
        page = replaced(
            page, "table", measured_on(document, document["rounds"]) + "\n" + HEAD + rows
        )
        page = replaced(page, "profile", PHASES_HEAD + profile)
    if SCALED.exists():
        document = json.loads(SCALED.read_text(encoding="utf-8"))
        cases, asked = document["cases"], document["asked"]
        lines = [measured_on(document, None), SCALE_HEAD + scale(cases, asked)]
        page = replaced(page, "scale", "\n".join([*lines, fit_sentences(cases, asked)]))
    PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
