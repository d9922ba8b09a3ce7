"""Write the table of faults in docs/reliability.md from what the tests have met last.

usage: python -m tools.faults

Each test of a fault leaves its outcome below .cache/faults; tests/machine/test_faults.py and
tests/machine/test_kill_matrix.py, all of them, have to have passed before.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.machine.fault_list import OUTCOMES, TITLES
from tools.generate import table
from tools.stale import replaced

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reliability.md"
MARK = "faults"
COLUMNS = ("Fault", "Cases", "Outcome", "Seconds without the bot")


def table_of(cases: Sequence[Mapping[str, Any]]) -> str:
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
        name = title[0].upper() + title[1:]
        rows.append((name, str(len(found)), outcomes, f"{least}{seconds:.1f}"))
    return table(COLUMNS, rows) + "\n"


def titles(page: str) -> list[str]:
    """Return the faults that the table of a page names."""
    found = page.partition(f"<!-- {MARK} -->")[2].partition("<!--")[0]
    rows = [line for line in found.splitlines() if line]
    return [row.split(" | ")[0].removeprefix("| ") for row in rows[2:]]


def main() -> int:
    """Write the table; return the exit code."""
    cases = [json.loads(path.read_text(encoding="utf-8")) for path in OUTCOMES.glob("*.json")]
    try:
        rows = table_of(cases)
    except KeyError as error:
        print(f"no outcome of {error}; run: make test-all", file=sys.stderr)
        return 1
    page = replaced(PAGE.read_text(encoding="utf-8"), MARK, rows)
    PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
