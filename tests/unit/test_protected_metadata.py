"""Owner and mode of the files that Kai 2 reads; tests/real asks a real one for every mode."""

import pytest

from kai_ansible.rules.protected_metadata import MOST_OF_REGISTRY, metadata_problem


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o200, 0])
def test_what_kai_reads(mode: int) -> None:
    assert metadata_problem("/etc/kai/users.yaml", mode, 0) is None


@pytest.mark.parametrize("mode", [0o640, 0o644, 0o700, 0o601, 0o1600, 0o4600])
def test_a_mode_with_which_kai_does_not_start(mode: int) -> None:
    problem = metadata_problem("/etc/kai/users.yaml", mode, 0)
    assert problem is not None
    assert problem.where == "/etc/kai/users.yaml"
    assert f"{mode:04o}" in problem.found
    assert "0600" in problem.expected


def test_the_registry_may_be_read_by_everybody() -> None:
    path = "/etc/kai/backends.yaml"
    assert metadata_problem(path, 0o644, 0, most=MOST_OF_REGISTRY) is None
    for mode in (0o664, 0o646, 0o744):
        assert metadata_problem(path, mode, 0, most=MOST_OF_REGISTRY) is not None


def test_another_owner_and_another_kind_are_refused() -> None:
    assert "1000" in str(metadata_problem("/etc/kai/env", 0o600, 1000))
    assert "regular" in str(metadata_problem("/etc/kai/env", 0o600, 0, is_regular=False))
