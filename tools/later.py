"""Writes into docs/testing.md which tests `make test` leaves to `make test-all`, and why.

usage: python -m tools.later [--check]
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests import tiers
from tools.generate import table
from tools.stale import replaced, write_or_check

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "testing.md"
COLUMNS = ("Left to `make test-all`", "How much", "Why")


class Collected:
    """A plugin of pytest that keeps what was collected."""

    def __init__(self) -> None:
        self.items: list[pytest.Item] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Keep the tests of a session."""
        self.items = list(session.items)


def rows(items: Iterable[pytest.Item]) -> list[tuple[str, str, str]]:
    """Return the rows of the table: a file or a test, what of it is left, and the reason."""
    files: dict[str, dict[str, list[list[str]]]] = defaultdict(lambda: defaultdict(list))
    for item in items:
        name = item.name.partition("[")[0]
        files[str(item.path.relative_to(ROOT))][name].append(tiers.reasons(item))
    found = []
    for file, tests in sorted(files.items()):
        cases = [case for reasons in tests.values() for case in reasons]
        if all(cases) and len({tuple(case) for case in cases}) == 1:
            found.append((f"`{file}`", "all", cases[0][0]))
            continue
        for name, reasons in tests.items():
            left = [case for case in reasons if case]
            share = "all" if len(left) == len(reasons) else "some of its cases"
            for reason in dict.fromkeys(case[0] for case in left):
                found.append((f"`{file}::{name}`", share, reason))
    return found


def main() -> int:
    """Write the table, or say whether it is stale. Returns the exit code."""
    collected = Collected()
    # without a reporter nothing is printed, and its options are unknown
    quiet = ["-p", "no:terminal", "--override-ini", "addopts="]
    code = pytest.main([*quiet, "--collect-only", str(ROOT / "tests")], [collected])
    if code:
        print("the tests cannot be collected; run pytest --collect-only", file=sys.stderr)
        return int(code)
    text = DOCUMENT.read_text(encoding="utf-8")
    lines = table(COLUMNS, rows(collected.items)) + "\n"
    return write_or_check({DOCUMENT: replaced(text, "tests of make test-all", lines)})


if __name__ == "__main__":
    sys.exit(main())
