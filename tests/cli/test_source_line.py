"""A source that is not of the line of Kai that is installed is refused before anything is built."""

import shutil
from pathlib import Path

import pytest

from tests.cli.desk import Desk
from tests.conftest import STAND_IN, line_1

REF = line_1().ref


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
    done = desk.call("config", "--no-input", "--answers", str(path), "--no-probe")
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
    done = desk.call("config", "--no-input", "--answers", str(path), "--no-probe")
    assert (done.returncode, "no src/kai/__main__.py at" in done.stderr) == (2, True)


# a git source that cannot be reached
GONE = "file:///nowhere/kai.git"


@pytest.fixture
def unreached(desk: Desk) -> Desk:
    """A desk whose bot comes from a git source that was reached before, and is no longer."""
    desk.given(desk.answers())
    path = desk.host_vars() / "kai.yml"
    text = path.read_text(encoding="utf-8").replace(str(desk.source), GONE)
    path.write_text(text, encoding="utf-8")
    return desk


def test_no_questions_are_asked_of_a_line_that_is_a_guess(desk: Desk) -> None:
    answers = desk.answers()
    answers["host"]["source"] = GONE
    path = desk.write("answers.yml", answers)
    command = ("config", "--no-input", "--no-probe", "--answers", str(path))
    done = desk.call(*command)
    assert done.returncode == 2, done.stderr
    assert "whose release line is unknown" in done.stderr
    assert "config --set release=LINE" in done.stderr
    assert not desk.host_vars().exists()
    # who says the line is believed
    done = desk.call(*command, "--set", "release=1")
    assert done.returncode == 0, done.stderr
    assert desk.settings()["kai_install_release"] == "1"


def test_host_vars_that_fit_several_lines_are_not_changed(unreached: Desk) -> None:
    path = unreached.host_vars() / "kai.yml"
    ours = "".join(
        line
        for line in path.read_text(encoding="utf-8").splitlines(keepends=True)
        if not line.startswith("kai_install_agent_backend")
    )
    path.write_text(ours, encoding="utf-8")
    (path.parent / "vault.yml").unlink()
    for command in (
        ("config", "--no-input", "--no-probe"),
        ("users", "add", "--telegram-id", "2", "--name", "Ben"),
    ):
        done = unreached.call(*command)
        assert done.returncode == 2, done.stdout + done.stderr
        assert "whose release line is unknown" in done.stderr
    assert path.read_text(encoding="utf-8") == ours


@pytest.mark.parametrize(
    "command",
    [
        ("users", "list"),
        ("users", "add", "--telegram-id", "2", "--name", "Ben"),
        ("settings",),
        ("migrate", "localhost", "--check"),
    ],
)
def test_a_guess_that_host_vars_decide_is_reported(
    unreached: Desk, command: tuple[str, ...]
) -> None:
    done = unreached.call(*command)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{GONE}, whose release line is unknown" in done.stdout
    assert "Assuming Kai 1.x, because host_vars" in done.stdout


def test_show_marks_a_guess(unreached: Desk) -> None:
    entry = {"ansible_connection": "ssh", "ansible_port": 1, "ansible_host_key_checking": False}
    unreached.write("inventory/hosts.yml", {"all": {"hosts": {"localhost": entry}}})
    done = unreached.run("show")
    assert "contract: Kai 1.x, a guess: the source cannot be read here" in done.stdout
    text = (unreached.host_vars() / "kai.yml").read_text(encoding="utf-8")
    settings = f'{text}kai_install_release: "1"\n'
    (unreached.host_vars() / "kai.yml").write_text(settings, encoding="utf-8")
    assert "a guess" not in unreached.run("show").stdout
