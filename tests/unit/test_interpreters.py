"""Which Python of a host a release is built with."""

import pytest

from kai_ansible.rules.interpreters import choose_interpreter

INTERPRETERS = [
    {"path": "/root/python3.15", "version": "3.15.0", "fault": "kai cannot execute"},
    {"path": "/usr/local/bin/python3.14", "version": "3.14.0rc1", "fault": None},
    {"path": "/usr/bin/python3.13", "version": "3.13.5", "fault": None},
    {"path": "/usr/bin/python3.11", "version": "3.11.2", "fault": None},
]


@pytest.mark.parametrize(
    ("requires", "wanted", "path"),
    [
        (">=3.13", "", "/usr/local/bin/python3.14"),
        (">=3.13,<3.14", "", "/usr/bin/python3.13"),
        ("~=3.11.0", "", "/usr/bin/python3.11"),
        ("", "", "/usr/local/bin/python3.14"),
        (">=3.11", "/usr/bin/python3.11", "/usr/bin/python3.11"),
    ],
)
def test_the_newest_interpreter_in_the_range(requires: str, wanted: str, path: str) -> None:
    assert choose_interpreter(INTERPRETERS, requires, wanted) == (path, [])


@pytest.mark.parametrize(
    ("seen", "wanted", "found"),
    [
        (
            [INTERPRETERS[0], INTERPRETERS[2]],
            "",
            "/root/python3.15, which kai cannot execute; /usr/bin/python3.13, which is 3.13.5",
        ),
        (INTERPRETERS, "/root/python3.15", "/root/python3.15, which kai cannot execute"),
        (INTERPRETERS, "/usr/bin/python3.11", "/usr/bin/python3.11, which is 3.11.2"),
        ([], "", "no Python on the host"),
    ],
)
def test_no_interpreter_in_the_range(
    seen: list[dict[str, str | None]], wanted: str, found: str
) -> None:
    path, [problem] = choose_interpreter(seen, ">=3.14", wanted)
    assert path == ""
    assert (problem.where, problem.found) == ("kai_install_python", found)
    assert problem.expected.startswith("Python >=3.14 with")


def test_a_range_of_the_source_that_is_none_is_a_problem() -> None:
    path, [problem] = choose_interpreter(INTERPRETERS, "new")
    assert path == ""
    assert problem.where == "requires-python of the source"
    assert problem.found == "'new'"
