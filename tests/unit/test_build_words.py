"""What a build says when its program fails."""

import pytest

from kai_ansible.host.build import cause_of


@pytest.mark.parametrize(
    "unanswered",
    [
        "Failed to establish a new connection: [Errno -3] Temporary failure in name resolution",
        "Read timed out",
        "Connection to pypi.example.org timed out",
        "dns error",
        "certificate verify failed: self-signed certificate",
    ],
)
def test_an_index_that_does_not_answer_is_the_first_cause(unanswered: str) -> None:
    # pip says of each try that it failed, and in the end that there is no such package
    words = (
        f"WARNING: Retrying after connection broken by 'Error('{unanswered}')': /simple/kai/\n"
        "ERROR: No matching distribution found for setuptools>=68\n"
    )
    assert cause_of(words) == (
        f"the index does not answer ({unanswered}); "
        "ERROR: No matching distribution found for setuptools>=68"
    )


def test_what_is_said_last_is_the_cause_where_nothing_else_is() -> None:
    assert cause_of("building\nout of paper\n") == "out of paper"
    assert cause_of("") == ""
