"""What is left out of a run of the tests, and that the run says so."""

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import tiers
from tests.conftest import ROOT
from tests.testbed import obstacle

# few and quick; the second one needs a machine
WITHOUT_MACHINE = "tests/unit/test_private_files.py"
ON_A_MACHINE = "tests/machine/test_modules.py"
LATER = "tests/unit/test_removal.py"


def said(*arguments: str, **variables: str) -> tuple[int, str]:
    """Run pytest, and return its exit code and what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return done.returncode, done.stdout + done.stderr


@given(st.lists(st.text(min_size=1), unique=True), st.text())
def test_a_slice_begins_anywhere_and_takes_every_file_once(names: list[str], seed: str) -> None:
    paths = [Path(name) for name in names]
    turned = tiers.rotated(paths, seed)
    assert sorted(turned) == sorted(paths)
    assert turned == tiers.rotated(paths, seed)
    assert "\0".join(map(str, turned)) in "\0".join(map(str, paths + paths))


def test_commits_begin_at_different_files() -> None:
    paths = [Path(str(number)) for number in range(10)]
    assert {tiers.rotated(paths, str(seed))[0] for seed in range(200)} == set(paths)


SAMPLE = """
import pytest

@pytest.mark.machine
class TestStory:
    pytestmark = pytest.mark.later("a story")

    @pytest.mark.parametrize("number", range(4))
    def test_chapter(self, number):
        pass

@pytest.mark.machine
@pytest.mark.later("a collection", apart=True)
@pytest.mark.parametrize("number", range(4))
def test_case(number):
    pass
"""


def test_what_stands_apart_begins_anywhere_and_a_story_at_its_beginning(
    pytester: pytest.Pytester,
) -> None:
    items = pytester.getitems(SAMPLE)
    story = [item.nodeid for item in items[:4]]
    cases = [item.nodeid for item in items[4:]]
    first = set()
    config = pytester.parseconfigure("-p", "tests.tiers", "--slice=0")
    for seed in map(str, range(40)):
        config.option.slice = seed
        ordered = list(items)
        tiers.take_the_slice(config, ordered)
        names = [item.nodeid for item in ordered]
        assert names[:4] == story
        assert sorted(names[4:]) == sorted(cases)
        first.add(names[4])
    assert first == set(cases)


OF_EVERY_CHANGE = """
import pytest

{machine}
def test_of_every_change():
    pass

{machine}
{later}
def test_later():
    pass
"""
MACHINE = "@pytest.mark.machine"
APART = "@pytest.mark.later('a case', apart=True)"


@pytest.mark.parametrize(
    ("machine", "later", "taken"),
    [
        (MACHINE, "@pytest.mark.later('a chapter')", ["test_of_every_change", "test_later"]),
        (MACHINE, APART, ["test_later"]),
        ("", "@pytest.mark.later('a case')", ["test_later"]),
        (MACHINE, "", []),
    ],
)
def test_a_later_test_of_a_machine_has_what_it_builds_on(
    pytester: pytest.Pytester, machine: str, later: str, taken: list[str]
) -> None:
    items = pytester.getitems(OF_EVERY_CHANGE.format(machine=machine, later=later))
    tiers.take_the_slice(pytester.parseconfigure("-p", "tests.tiers", "--slice=0"), items)
    assert [item.name for item in items] == taken


@pytest.mark.parametrize("count", [1, 3, 9])
def test_a_sample_is_spread_over_the_cases(pytester: pytest.Pytester, count: int) -> None:
    items = pytester.getitems(
        f"import pytest\n@pytest.mark.sample({count}, 'another case')\n"
        "@pytest.mark.parametrize('number', range(10))\ndef test_case(number):\n    pass\n"
    )
    tiers.leave_all_but_samples(items)
    kept = [number for number, item in enumerate(items) if not tiers.reasons(item)]
    assert len(kept) == count
    assert kept[0] == 0
    assert max(after - before for before, after in pairwise([*kept, 10])) <= -(-10 // count)
    left = [item for item in items if tiers.reasons(item)]
    assert all(tiers.stands_apart(item) for item in left)


def test_a_sample_of_all_cases_is_refused(pytester: pytest.Pytester) -> None:
    items = pytester.getitems(
        "import pytest\n@pytest.mark.sample(2, 'another case')\n"
        "@pytest.mark.parametrize('number', range(2))\ndef test_case(number):\n    pass\n"
    )
    with pytest.raises(pytest.UsageError, match="a sample of 2 of 2 cases"):
        tiers.leave_all_but_samples(items)


def test_a_slice_without_time_says_which_files_it_left() -> None:
    code, text = said(LATER, "--slice=c0ffee", "--until=1")
    assert code == 0
    assert "This slice ran 0 files: none" in text
    assert f"Left to another slice, 1 files: {LATER}" in text
    assert " passed" not in text


def test_a_slice_with_time_says_which_files_it_ran() -> None:
    code, text = said(LATER, "--slice=c0ffee", "--until=9999999999")
    assert code == 0
    assert f"This slice ran 1 files: {LATER}" in text
    assert "Left to another slice, 0 files: none" in text


@pytest.fixture
def without_containers(tmp_path: Path) -> dict[str, str]:
    """An environment in which no program that containers need can be found."""
    return {"PATH": str(tmp_path), obstacle.REQUIRED: ""}


def test_a_host_without_containers_runs_the_rest_and_counts_what_it_left_out(
    without_containers: dict[str, str],
) -> None:
    code, text = said(WITHOUT_MACHINE, ON_A_MACHINE, **without_containers)
    assert code == 0, text
    assert " passed" in text
    assert "cases left out, as this host runs no machines: " in text
    assert "To run them: make test" in text


def test_where_machines_are_required_their_absence_fails(
    without_containers: dict[str, str],
) -> None:
    code, text = said(ON_A_MACHINE, **{**without_containers, obstacle.REQUIRED: "1"})
    assert code == 1
    assert "needs a machine: " in text
    assert " passed" not in text
