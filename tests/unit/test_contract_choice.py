"""The contract of a host is that of the release line that its variables or its source name."""

import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

from kai_ansible.ansible import collection
from plugins.module_utils.controller.contracts import Refused, contract_of_line, lines_of
from plugins.module_utils.controller.source_line import contract_for, found_line
from tests.conftest import ROOT, VARS

FIXTURES = ROOT / "tests" / "fixtures"
OF_LINE = {"1": FIXTURES / "kai", "2": FIXTURES / "kai_2"}
DIRECTORY = str(VARS)


def chosen(given: dict[str, Any], cache: Path | None = None) -> Any:
    """Return the line of the contract, or the problem, of variables by short name."""
    variables = {f"kai_install_{name}": value for name, value in given.items()}
    contract, problems = contract_for(DIRECTORY, variables, str(cache) if cache else None)
    return problems[0] if problems or not contract else contract.release


@pytest.mark.parametrize("line", ["1", "2"])
@pytest.mark.parametrize("release", [{}, {"release": "auto"}, {"release": None}])
def test_the_source_names_the_line(line: str, release: dict[str, Any], tmp_path: Path) -> None:
    source = str(OF_LINE[line])
    assert chosen({"source": source, **release}, tmp_path) == line
    # from the second look on the cache of the run tells
    assert chosen({"source": source, **release}, tmp_path) == line
    assert len([*tmp_path.iterdir()]) == 1


@pytest.mark.parametrize("line", ["1", "2"])
def test_a_wheel_names_its_line(line: str, tmp_path: Path) -> None:
    wheel, tree = tmp_path / "kai-1-py3-none-any.whl", OF_LINE[line]
    with zipfile.ZipFile(wheel, "w") as packed:
        packed.writestr("kai-1.dist-info/METADATA", "Name: kai\n")
        for path in (tree / "src").rglob("*.py"):
            packed.write(path, path.relative_to(tree / "src"))
        for path in (tree / "templates").rglob("*.md"):
            packed.write(path, Path("kai-1.data/data") / path.relative_to(tree))
    assert chosen({"source": str(wheel)}) == line


@pytest.mark.parametrize("line", ["1", "2.0", "2"])
def test_a_line_that_is_given_is_taken(line: str) -> None:
    assert chosen({"source": str(OF_LINE["1"]), "release": line}) == line


def test_a_line_that_the_source_contradicts_is_refused_where_it_is_judged(tmp_path: Path) -> None:
    for line, source in (("2", str(OF_LINE["1"])), ("1", str(OF_LINE["2"]))):
        given = {"kai_install_source": source, "kai_install_release": line}
        contract, [problem] = contract_for(DIRECTORY, given, is_judged=True)
        assert contract is None
        assert problem.where == "kai_install_release"
        assert source in problem.found
    for source in (str(OF_LINE["2"]), "/nowhere", "https://git.example/kai"):
        given = {"kai_install_source": source, "kai_install_release": "2"}
        contract, problems = contract_for(DIRECTORY, given, is_judged=True)
        assert contract is not None
        assert (contract.release, problems) == ("2", [])


def test_an_unknown_line_is_refused() -> None:
    for line in ("3", "../2", "lines/2"):
        problem = chosen({"source": str(OF_LINE["1"]), "release": line})
        assert (problem.where, problem.expected) == (
            "kai_install_release",
            "one of auto, 2, 2.0, 1",
        )
    with pytest.raises(Refused):
        contract_of_line(DIRECTORY, "3")


def test_a_tree_of_no_line_is_refused_by_name(tmp_path: Path) -> None:
    tree = tmp_path / "kai"
    shutil.copytree(OF_LINE["1"], tree)
    (tree / "src/kai/opencode.py").touch()
    problem = chosen({"source": str(tree)})
    assert problem.where == "kai_install_source"
    assert problem.found == f"Kai 1.x of 28 May 2026 or later at {tree}"


def test_the_line_of_a_source_that_cannot_be_read_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "kai.tar").write_text("no archive")
    for source in (tmp_path / "gone", tmp_path / "kai.tar"):
        problem = chosen({"source": str(source)})
        assert problem.where == "kai_install_source"
        assert "whose release line is unknown" in problem.found
        assert "kai_install_release" in problem.fix


def test_every_line_has_its_contract() -> None:
    for line in lines_of(DIRECTORY).lines:
        contract = contract_of_line(DIRECTORY, line.line)
        assert (contract.release, contract.title) == (line.line, line.title)


def test_a_damaged_contract_is_refused_with_its_file(tmp_path: Path) -> None:
    shutil.copytree(VARS, tmp_path / "vars")
    path = tmp_path / "vars" / "lines" / "2.yml"
    whole = path.read_text(encoding="utf-8")
    for text, said in (
        (whole.replace("  profiles: runtime_profiles\n", "  profiles: nothing\n"), "nothing"),
        (whole.replace("stop_seconds: 120", "stop_secs: 120"), "stop_secs"),
        (whole.replace("  - settings.BUDGET_CEILING\n", "  - settings.NO\n"), "settings.NO"),
        ("a: [", "is not YAML"),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(Refused, match=said) as refused:
            contract_of_line(str(tmp_path / "vars"), "2")
        assert str(path) in str(refused.value)


def test_a_command_takes_the_contract_of_the_source() -> None:
    for line, source in OF_LINE.items():
        assert collection.contract_of({"kai_install_source": str(source)}).release == line
    # an install refuses it; what only reads host_vars goes on
    assert collection.contract_of({"kai_install_source": "/nowhere"}).release == "1"
    assert collection.contract_of({"kai_install_release": "2.0"}).release == "2.0"


def test_a_command_refuses_a_line_that_the_source_contradicts() -> None:
    source = {"kai_install_source": str(OF_LINE["2"])}
    contract, [problem] = collection.checked_contract({**source, "kai_install_release": "1"})
    assert contract is None
    assert problem.where == "kai_install_release"
    for release in ("2", "auto", None):
        contract, problems = collection.checked_contract({**source, "kai_install_release": release})
        assert contract is not None
        assert (contract.release, problems) == ("2", [])


def test_beside_an_unreadable_source_variables_are_judged_by_the_line_they_fit() -> None:
    source = {"kai_install_source": "/nowhere"}
    for line, names in (
        ("1", ["webhook_secret"]),
        ("1", []),
        ("2.0", ["pi_bin"]),
        ("2", ["turn_deadline_seconds", "pi_bin"]),
    ):
        given = {**source, **{f"kai_install_{name}": "x" for name in names}}
        contract, [problem] = contract_for(DIRECTORY, given)
        assert contract is not None
        assert (contract.release, problem.where) == (line, "kai_install_source")


def test_the_mode_and_what_not_every_source_has_is_found(tmp_path: Path) -> None:
    tree = tmp_path / "kai"
    shutil.copytree(OF_LINE["2"], tree)
    lines = lines_of(DIRECTORY)
    assert found_line(lines, str(tree)).mode_variable is None
    config = tree / "src/kai/config.py"
    text = config.read_text(encoding="utf-8")
    config.write_text(f'DEPLOYMENT_MODE_ENV = "KAI_MODE"\n{text}', encoding="utf-8")
    found = found_line(lines, str(tree))
    assert (found.line, found.mode_variable) == ("2", "KAI_MODE")
    assert "deployment_mode" in found.features
