"""An OS user for each user of Kai 2; tests/real asks a real one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kai_ansible.rules.user_isolation import Assigned, isolation_problems

SERVICE = "kai"


def users(*accounts: str | None) -> list[Assigned]:
    return [
        Assigned(f"kai_install_users[{number}]", f"U{number}", account)
        for number, account in enumerate(accounts)
    ]


def test_users_apart_are_no_problem() -> None:
    assert isolation_problems(users("alice", " bob "), SERVICE) == []


@pytest.mark.parametrize(
    ("accounts", "found"),
    [
        ((None,), "no OS user for U0"),
        (("",), "no OS user for U0"),
        (("  ",), "no OS user for U0"),
        (("a b",), "'a b'"),
        (("kai",), "the service user kai for U0"),
        (("alice", "alice"), "alice for U0, U1"),
    ],
)
def test_a_fault(accounts: tuple[str | None, ...], found: str) -> None:
    [problem] = isolation_problems(users(*accounts), SERVICE)
    assert problem.found == found
    assert problem.where == f"kai_install_users[{len(accounts) - 1}].os_user"
    assert problem.fix


def test_every_fault_is_told_at_once() -> None:
    found = isolation_problems(users(None, "kai", "a b", "alice", "alice"), SERVICE)
    assert len(found) == 4


@given(st.lists(st.sampled_from(["alice", "bob", "kai", "", None])))
def test_what_passes_is_apart(accounts: list[str | None]) -> None:
    if not isolation_problems(users(*accounts), SERVICE):
        assert len(set(accounts)) == len(accounts)
        assert not {SERVICE, "", None} & set(accounts)
