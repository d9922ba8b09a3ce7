"""Write the table of faults in docs/reliability.md from what the tests have met last.

usage: python -m tools.faults

Each test of a fault leaves its outcome below .cache/faults; tests/machine/test_faults.py and
tests/machine/test_kill_matrix.py, all of them, have to have passed before.
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.machine.fault_list import OUTCOMES, TITLES

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reliability.md"
HEAD = """| Fault | Cases | Outcome | Seconds without the bot |
| --- | --- | --- | --- |
"""


def table(cases: Sequence[Mapping[str, Any]]) -> str:
    """Return the table of these outcomes: title, outcome and seconds of each case.

    Raises KeyError with the title of a fault that no test has met.
    """
    rows = []
    for title in TITLES:
        found = [case for case in cases if case["title"] == title]
        if not found:
            raise KeyError(title)
        outcomes = ", or ".join(sorted({case["outcome"] for case in found}))
        seconds = max(case["seconds"] for case in found)
        least = "" if len(found) == 1 or not seconds else "up to "
        rows.append(f"| {title[0].upper()}{title[1:]} | {len(found)} | {outcomes} |")
        rows[-1] += f" {least}{seconds:.1f} |\n"
    return HEAD + "".join(rows)


def titles(page: str) -> list[str]:
    """Return the faults that the table of a page names."""
    _before, rows, _after = parts(page)
    return [row.split(" | ")[0].removeprefix("| ") for row in rows.splitlines()]


def parts(page: str) -> tuple[str, str, str]:
    """Return what a page has before the rows of the table, the rows, and what it has after."""
    before, head, rest = page.partition(HEAD)
    rows = "".join(itertools.takewhile(lambda line: line[0] == "|", rest.splitlines(True)))
    return before + head, rows, rest[len(rows) :]


def main() -> int:
    """Write the table; return the exit code."""
    cases = [json.loads(path.read_text(encoding="utf-8")) for path in OUTCOMES.glob("*.json")]
    before, _rows, after = parts(PAGE.read_text(encoding="utf-8"))
    try:
        rows = table(cases).removeprefix(HEAD)
    except KeyError as error:
        print(f"no outcome of {error}; run: make test-all", file=sys.stderr)
        return 1
    PAGE.write_text(before + rows + after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
