"""An OS user for each user of Kai 2; tests/real asks a real one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kai_ansible.rules.user_isolation import Accounts, Assigned, isolation_problems

UIDS = {"alice": 1000, "bob": 1001, "also_bob": 1001, "kai": 995, "alias_of_kai": 995}
HOST = Accounts("kai", UIDS, 995)


def users(*accounts: str | None) -> list[Assigned]:
    return [
        Assigned(f"kai_install_users[{number}]", f"U{number}", account)
        for number, account in enumerate(accounts)
    ]


def test_users_apart_are_no_problem() -> None:
    assert isolation_problems(users("alice", " bob "), HOST) == []
    assert isolation_problems(users("alice", "nobody_yet"), Accounts("kai")) == []


@pytest.mark.parametrize(
    ("accounts", "found"),
    [
        ((None,), "none for U0"),
        (("",), "none for U0"),
        (("  ",), "none for U0"),
        (("a b",), "'a b'"),
        (("kai",), "the service user kai for U0"),
        (("alias_of_kai",), "alias_of_kai, which has the UID of the service user kai"),
        (("gone",), "gone, which the host does not have"),
        (("alice", "alice"), "alice for U0, U1"),
        (("bob", "also_bob"), "the UID 1001 for U0, U1"),
    ],
)
def test_a_fault(accounts: tuple[str | None, ...], found: str) -> None:
    [problem] = isolation_problems(users(*accounts), HOST)
    assert problem.found == found
    assert problem.where == f"kai_install_users[{len(accounts) - 1}].os_user"
    assert problem.fix


def test_every_fault_is_told_at_once() -> None:
    found = isolation_problems(users(None, "kai", "gone", "alice", "alice"), HOST)
    assert len(found) == 4


@given(st.lists(st.sampled_from([*UIDS, "gone", "", None])))
def test_what_passes_is_apart(accounts: list[str | None]) -> None:
    if not isolation_problems(users(*accounts), HOST):
        uids = [UIDS[str(account)] for account in accounts]
        assert len(set(uids)) == len(uids)
        assert 995 not in uids
