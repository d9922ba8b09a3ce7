"""Names by which Kai 2.1 mentions its users; tests/real asks its module for that."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kai_ansible.rules.human_handles import handle_of, handle_problems


@pytest.mark.parametrize(
    ("name", "handle"),
    [
        ("Alice", "alice"),
        (" Alice B. Toklas ", "alice_b_toklas"),
        ("Zoë", "zoe"),
        ("1st", "human_1st"),
        ("__", None),
        ("", None),
        ("Ольга", None),
        ("x" * 40, "x" * 32),
    ],
)
def test_a_handle(name: str, handle: str | None) -> None:
    assert handle_of(name) == handle


@given(st.text())
def test_a_handle_has_one_form(name: str) -> None:
    handle = handle_of(name)
    assert handle is None or re.fullmatch(r"[a-z][a-z0-9_]{0,31}", handle)


def test_users_who_cannot_be_told_apart_are_a_problem() -> None:
    names = ["Alice", "ALICE", "Kai", "Bob", "Ольга"]
    found = handle_problems([(f"users[{place}]", name) for place, name in enumerate(names)])
    assert [problem.where for problem in found] == [
        "users[1].name",
        "users[2].name",
        "users[4].name",
    ]
    assert "like Alice" in found[0].found
    assert "like Kai itself" in found[1].found
    assert handle_problems([("a", "Alice"), ("b", "Bob")]) == []
