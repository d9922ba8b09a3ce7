"""The operator's own files: a path that no file can have is a problem of its variable."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kai_ansible.inventory.host_vars import configuration_of, services_of
from kai_ansible.rules.contract import Contract
from kai_ansible.rules.operator_files import FILES
from kai_ansible.rules.variable_names import variable

IMPOSSIBLE = ["/" + "a" * 300, "a" * 300, "/a" * 3000, "/tmp/a\0b", "a\0b", "/tmp/\ud800"]


def problems(contract: Contract, name: str, path: Any) -> list[str]:
    read = configuration_of(contract, {variable(name): path})
    return [problem.expected for problem in read.problems if problem.where == variable(name)]


def settings_of(contract: Contract) -> set[str]:
    return {variable(key) for key in (*contract.host, *contract.settings)}


@pytest.mark.parametrize("path", IMPOSSIBLE)
@pytest.mark.parametrize("name", FILES)
def test_a_path_that_no_file_can_have_is_a_problem(
    contract: Contract, name: str, path: str
) -> None:
    # a line without the setting does not know the variable
    [expected] = problems(contract, name, path)
    assert "this one" in expected or variable(name) not in settings_of(contract)
    assert services_of({variable("services_file"): path}) is None


@given(name=st.sampled_from(FILES), path=st.text(max_size=20).map(lambda text: f"/none/{text}"))
def test_any_text_is_read_or_a_problem(contract: Contract, name: str, path: str) -> None:
    configuration_of(contract, {variable(name): path})


def test_a_file_that_is_not_there_yet_is_no_fault_of_its_name(
    contract: Contract, tmp_path: Path
) -> None:
    found = problems(contract, "services_file", str(tmp_path / "none.yaml"))
    assert not any("this one" in expected for expected in found)
