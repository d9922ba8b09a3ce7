"""The table of faults names exactly what is tested."""

import pytest

from tests.machine.fault_list import TITLES
from tools.faults import COLUMNS, MARK, PAGE, table_of, titles
from tools.stale import replaced


def test_the_page_names_every_fault_that_is_tested_and_no_other() -> None:
    named = titles(PAGE.read_text(encoding="utf-8"))
    assert named == [title[0].upper() + title[1:] for title in TITLES]


def test_the_page_has_a_place_for_the_table() -> None:
    cases = [{"title": title, "outcome": "healthy", "seconds": 0.25} for title in TITLES]
    page = PAGE.read_text(encoding="utf-8")
    assert titles(replaced(page, MARK, table_of(cases))) == titles(page)


def test_a_fault_without_an_outcome_gives_no_table() -> None:
    cases = [{"title": title, "outcome": "healthy", "seconds": 0.25} for title in TITLES]
    assert table_of(cases).startswith(f"| {' | '.join(COLUMNS)} |\n")
    with pytest.raises(KeyError):
        table_of(cases[1:])


def test_several_cases_of_a_fault_are_one_row_with_the_longest_time() -> None:
    cases = [{"title": title, "outcome": "healthy", "seconds": 1.0} for title in TITLES]
    cases.append({"title": TITLES[0], "outcome": "healthy", "seconds": 2.5})
    assert table_of(cases).splitlines()[2].endswith(" | 2 | healthy | up to 2.5 |")
