"""What tests with a real Kai 2 share; without one they are all skipped, with a sentence."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.real.source import NONE_GIVEN, found_in

STAND_IN_2 = Path(__file__).parents[2] / "fixtures" / "kai_2"
JUDGE = Path(__file__).with_name("judge.py")
SOURCES_OF_LINES = {"1": "KAI_SOURCE_1", "2.0": "KAI_SOURCE_2_0", "2": "KAI_SOURCE_2"}
Verdict = dict[str, Any]
Ask = Callable[[Sequence[dict[str, Any]]], list[Verdict]]


def asked(tree: Path, questions: Sequence[dict[str, Any]]) -> list[Verdict]:
    """Return what a source answers to every question, in their order."""
    done = subprocess.run(
        [sys.executable, str(JUDGE), str(tree)],
        input="".join(json.dumps(question) + "\n" for question in questions),
        capture_output=True,
        text=True,
        check=False,
        timeout=1800,
        env={"PATH": "/usr/bin:/bin", "HOME": "/root", "LANG": "C.UTF-8"},
        cwd="/",
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="session")
def tree() -> Path:
    """The tree that KAI_SOURCE names."""
    given = os.environ.get("KAI_SOURCE", "")
    if not given or not Path(given).is_dir():
        pytest.skip(NONE_GIVEN)
    return Path(given).resolve()


@pytest.fixture(scope="session")
def kai_2_0(tree: Path) -> Path:
    """A tree of line 2.0 or of line 2."""
    if found_in(tree).line not in ("2", "2.0"):
        pytest.skip(f"{tree} is not of Kai 2")
    return tree


@pytest.fixture(scope="session")
def kai_2(tree: Path) -> Path:
    """A tree of line 2."""
    if found_in(tree).line != "2":
        pytest.skip(f"{tree} is not of line 2")
    return tree


@pytest.fixture(scope="session")
def tree_of_2_0(tree: Path) -> Path:
    """A tree of line 2.0 itself."""
    if found_in(tree).line != "2.0":
        pytest.skip(f"{tree} is not of line 2.0")
    return tree


@pytest.fixture(scope="session")
def trees() -> dict[str, Path]:
    """A tree of each line, by its name, as KAI_SOURCE_1, KAI_SOURCE_2_0 and KAI_SOURCE_2 say."""
    found = {}
    for line, variable in SOURCES_OF_LINES.items():
        place = Path(os.environ.get(variable, ""))
        if not place.name or found_in(place).line != line:
            pytest.skip(f"{variable} has to name a tree of Kai's line {line}")
        found[line] = place.resolve()
    return found
