"""Every known pain of operators is answered in docs/operator-pain.md, by tests that exist."""

import ast
import re
from pathlib import Path

import pytest

from tests.machine.test_doctor import CASES

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"\| ([A-Z]\d+) \| [^|]+ \| [^|]+ \| (.+) \|")
NODE = re.compile(r"`((?:tests|molecule)/[^`]+\.py)::([^`]+)`")
# how many problems the catalogue has in each group, and what the real Kai showed
GROUPS = {
    "W": 15,
    "M": 8,
    "B": 11,
    "E": 8,
    "S": 10,
    "U": 15,
    "L": 9,
    "F": 11,
    "G": 13,
    "X": 9,
    "P": 8,
    "O": 8,
    "R": 21,
}
PROVEN = "WME"
# of the table of Kai 2: what its public issues say, and what runs by hand showed
OF_KAI_2 = {
    *(529, 741, 747, 755, 786, 789, 791, 797, 805, 826, 840, 841, 844, 884, 892),
    *(905, 906, 921, 922, 926, 931, 932, 939, 940, 1012, 1059, 1066, 1112, 1120, 1122),
    *(1138, 1140, 1392, 1439, 1461, 1536, 1545, 1546, 1557),
}
OWN_OF_KAI_2 = 6


@pytest.fixture(scope="module")
def answers() -> list[tuple[str, str]]:
    """Each row of the page: its ID, and what proves it or why nothing has to."""
    lines = (ROOT / "docs" / "operator-pain.md").read_text(encoding="utf-8").splitlines()
    return [found.groups() for line in lines if (found := ROW.fullmatch(line))]  # type: ignore[misc]


def names_in(path: Path) -> set[str]:
    """Return the tests of a file as pytest names them, without parameters."""
    if not path.exists():
        return set()
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        members = node.body if isinstance(node, ast.ClassDef) else [node]
        prefix = f"{node.name}::" if isinstance(node, ast.ClassDef) else ""
        found |= {
            prefix + member.name
            for member in members
            if isinstance(member, ast.FunctionDef) and member.name.startswith("test_")
        }
    return found


def test_every_problem_has_one_row(answers: list[tuple[str, str]]) -> None:
    assert sum(GROUPS.values()) == 125 + GROUPS["R"]
    assert [name for name, _ in answers] == [
        f"{group}{number}" for group, most in GROUPS.items() for number in range(1, most + 1)
    ]


def test_every_row_has_an_answer(answers: list[tuple[str, str]]) -> None:
    for name, answer in answers:
        reasoned = re.search(r"\b(open|not in Kai 1\.x|not in this design|not on Linux)\b", answer)
        assert NODE.search(answer) or reasoned, name
        if name[0] in PROVEN:
            assert NODE.search(answer), name
            assert "open" not in answer, name


@pytest.mark.slow
def test_every_test_that_a_row_names_exists(answers: list[tuple[str, str]]) -> None:
    named = {node for _, answer in answers for node in NODE.findall(answer)}
    assert len(named) > 100
    known = {path: names_in(ROOT / path) for path, _ in named}
    assert {f"{path}::{test}" for path, test in named if test not in known[path]} == set()


def test_part_two_names_the_situation_its_source_and_a_test_that_exists() -> None:
    page = (ROOT / "docs" / "operator-pain.md").read_text(encoding="utf-8")
    part = page.partition("# Part two")[2].partition("# Part three")[0]
    rows = [line for line in part.splitlines() if "::test_" in line]
    assert f"Of the {len(rows)} rows" in page
    for row in rows:
        _, _situation, source, now, tests, _ = (cell.strip() for cell in row.split("|"))
        assert source == "-" or all("#" in one for one in source.split(", ")), row
        assert now
        named = NODE.findall(tests)
        assert named, row
        for path, test in named:
            assert test in names_in(ROOT / path), row


def test_part_three_has_every_trouble_of_kai_2_with_a_test_or_the_reason_why_none() -> None:
    page = (ROOT / "docs" / "operator-pain.md").read_text(encoding="utf-8")
    lines = page.partition("# Part three")[2].splitlines()
    rows = [line for line in lines if re.match(r"\| (#\d|run )", line)]
    numbers: list[int] = []
    for row in rows:
        _, upstream, happened, now, shown, _ = (cell.strip() for cell in row.split("|"))
        numbers += map(int, re.findall(r"#(\d+)", upstream))
        assert happened, row
        assert now, row
        if not shown.startswith("none: "):
            [(path, test)] = NODE.findall(shown)
            assert test in names_in(ROOT / path), row
    assert sorted(numbers) == sorted(OF_KAI_2)
    assert sum(row.startswith("| run ") for row in rows) == OWN_OF_KAI_2


def test_nothing_else_looks_like_a_test(answers: list[tuple[str, str]]) -> None:
    for name, answer in answers:
        assert answer.count("::test_") == len(NODE.findall(answer)), name


def test_doctor_plants_the_rows_that_name_it_and_no_others(answers: list[tuple[str, str]]) -> None:
    doctor = "tests/machine/test_doctor.py::test_doctor_reports"
    named = [name for name, answer in answers if doctor in answer]
    planted = {row for case in CASES for row in case.rows}
    assert planted == set(named)
