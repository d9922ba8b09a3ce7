"""Names of accounts that sudoers cannot take for something else."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kai_ansible.rules.accounts import fault_of_account, has_expired


@pytest.mark.parametrize(
    ("names", "fault"),
    [
        (["root"], "is the superuser"),
        (["ALL", "T", "ADMINS", "OP_2", "NOPASSWD", "SETENV"], "is all capitals"),
        (["Defaults", "User_Alias", "Runas_Alias", "Host_Alias", "Cmnd_Alias"], "is a keyword"),
        (["0", "1000", "007"], "is a number"),
        ([None, True, 0, 1000, 1.5, ["alice"], b"alice"], "is not text"),
        (
            [
                *("", " ", "-x", ".x", "%wheel", "%#0", "+netgroup", "#0", "#-1", "!alice", "@x"),
                *(
                    "alice bob",
                    "alice,root",
                    "alice:root",
                    "alice=x",
                    "alice)",
                    "alice\\",
                    "alice$",
                ),
                *("alice\n", "alice\nroot ALL=(ALL) ALL", "\talice", "alice\x00", "alice\u2028"),
                *("\u0430lice", "\uff41lice", "\u0661\u0662", "jürgen", "a\u200dlice", "a\ud800"),
                *("/bin/sh", "../x", "x" * 33, "x" * 300, '"alice"'),
            ],
            "is not 1 to 32 letters",
        ),
    ],
)
def test_refused(names: list[object], fault: str) -> None:
    for name in names:
        found = fault_of_account(name)
        assert found, repr(name)
        assert found.startswith(fault), repr(name)


@pytest.mark.parametrize(
    "name",
    [
        *("alice", "Alice", "ALICe", "a", "_", "_apt", "kai-bot", "a.b", "user_2", "0day", "1-2"),
        *("Root", "ROOT1x", "A-B", "x" * 32, "systemd-network", "all", "defaults"),
    ],
)
def test_accepted(name: str) -> None:
    assert fault_of_account(name) is None


@given(st.text() | st.text(string.ascii_letters + string.digits + "._-# %\n", max_size=40))
def test_what_is_accepted_is_one_plain_word(name: str) -> None:
    if fault_of_account(name) is None:
        assert set(name) <= set(string.ascii_letters + string.digits + "._-")
        assert 1 <= len(name) <= 32
        assert name[0] not in ".-"
        # neither a UID nor an alias
        assert set(name) & set(string.ascii_lowercase + "._-") or name[0] in string.digits


@pytest.mark.parametrize(
    ("entry", "expired"),
    [
        ("kai:!:20779:0:99999:7:::", False),
        ("kai:!:20779::::::", False),
        ("kai:!:0:0:99999:7::100:", True),
        ("kai:!:0:0:99999:7::101:", False),
        ("kai:!:0:0:99999:7::0:", True),
        ("kai:!:0:0:99999:7::-1:", False),
        ("", False),
    ],
)
def test_an_account_expires_on_its_day(entry: str, expired: bool) -> None:
    assert has_expired(entry, 100) is expired
