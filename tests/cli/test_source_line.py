"""A source that is not of the line of Kai that is installed is refused before anything is built."""

import shutil
from pathlib import Path

import pytest

from kai_ansible.ansible.collection import contract
from tests.cli.desk import Desk
from tests.conftest import STAND_IN

REF = contract().source.ref


@pytest.fixture
def later(tmp_path: Path) -> Path:
    """A tree of Kai 2.0, as far as it is known by."""
    tree = tmp_path / "kai-2"
    shutil.copytree(STAND_IN, tree, ignore=shutil.ignore_patterns("__pycache__"))
    (tree / "src/kai/backend_registry.py").touch()
    return tree


def test_config_refuses_a_tree_of_another_line(desk: Desk, later: Path) -> None:
    answers = desk.answers()
    answers["host"]["source"] = str(later)
    path = desk.write("answers.yml", answers)
    done = desk.run("config", "--no-input", "--answers", str(path), "--no-probe")
    assert done.returncode == 2
    for words in (
        "kai_install_source",
        f"Kai 2.0 of before its release of 11 August 2026 at {later}",
        "Kai 1.x (1.4.0 of May 2026)",
        REF,
    ):
        assert words in done.stderr
    assert not desk.host_vars().exists()


def test_config_refuses_what_is_no_code_of_kai(desk: Desk, tmp_path: Path) -> None:
    answers = desk.answers()
    answers["host"]["source"] = str(tmp_path)
    path = desk.write("answers.yml", answers)
    done = desk.run("config", "--no-input", "--answers", str(path), "--no-probe")
    assert (done.returncode, "no src/kai/__main__.py at" in done.stderr) == (2, True)
