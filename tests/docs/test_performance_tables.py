"""The tables of docs/performance.md are made of what was measured, and of nothing else."""

from typing import Any

import pytest

from tools.performance import (
    PAGE,
    ROWS,
    STEP_RELEASE,
    fitted,
    phases,
    scale,
    table,
)
from tools.stale import replaced

CASES: dict[str, list[dict[str, Any]]] = {
    name: [
        {
            "wall": 2.0,
            "cpu": 0.5,
            "memory": 100.0,
            "tasks": [{"task": STEP_RELEASE, "action": "kai.bot.kai_release", "seconds": 1.0}],
        }
    ]
    for row in ROWS
    for name in (row.case, row.floor)
    if name
}


def test_a_row_has_the_median_the_ratio_and_whether_the_bar_holds() -> None:
    slow = [{"wall": seconds, "cpu": 1.0} for seconds in (9.0, 10.0, 30.0)]
    floor = [{"wall": seconds, "cpu": 1.0} for seconds in (3.0, 2.0, 3.0)]
    row = next(row for row in ROWS if row.case == "local play")
    cells = row.cells({"local play": slow, "local ping": floor})
    assert cells[1:] == ["10.00 s", "local ping, 3.00 s", "5.00", "4 times", "**no**"]


def test_every_case_is_asked_for() -> None:
    assert len(table(CASES).splitlines()) == len(ROWS)
    for name in CASES:
        with pytest.raises(KeyError, match=name):
            table({other: runs for other, runs in CASES.items() if other != name})


def test_the_profile_adds_up_to_the_run() -> None:
    lines = phases(CASES).splitlines()
    assert [line.split(" | ")[1] for line in lines] == ["1.00 s", "1.00 s"]


def test_growth_is_fitted_for_each_number_of_forks() -> None:
    asked = [{"name": f"{n}", "hosts": n, "forks": 5} for n in (1, 10, 100)]
    cases = {
        case["name"]: [{"wall": 1 + 2 * case["hosts"], "cpu": case["hosts"], "memory": 50}]
        for case in asked
    }
    fit = fitted(cases, asked, 5)
    assert fit["wall"] == pytest.approx([1, 2])
    assert fit["memory"] == pytest.approx([50, 0])
    assert len(scale(cases, asked).splitlines()) == 3


def test_the_page_has_a_place_for_each_table() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name in ("table", "profile", "scale"):
        assert "| a table |" in replaced(page, name, "| a table |")
    with pytest.raises(ValueError, match="no place"):
        replaced(page, "another", "")
