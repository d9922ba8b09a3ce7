"""An access list survives a backup, and without it a mode gives nobody more."""

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kai_ansible.host.access_lists import blob_of, narrowed, text_of
from tests.unit.hostile_trees import NUMBERS, access_list

USER, NAMED_USER, GROUP, NAMED_GROUP, MASK, OTHER = 1, 2, 4, 8, 16, 32
OWNER, OWNING = 0, 3


@st.composite
def access_lists(draw: Any) -> bytes:
    return access_list(draw)


def entries(blob: bytes) -> list[tuple[int, int, int]]:
    return list(struct.iter_unpack("<HHI", blob[4:]))


def rights(blob: bytes, uid: int, gids: set[int]) -> set[int]:
    """Return which of the rights 4, 2 and 1 the kernel gives to a process (acl(5))."""
    found = entries(blob)
    mask = next((bits for tag, bits, _id in found if tag == MASK), 7)
    [user] = [bits for tag, bits, _id in found if tag == USER]
    [other] = [bits for tag, bits, _id in found if tag == OTHER]
    if uid == OWNER:
        return split(user)
    named = [bits for tag, bits, number in found if tag == NAMED_USER and number == uid]
    if named:
        return split(named[0] & mask)
    groups = [
        bits
        for tag, bits, number in found
        if (tag == GROUP and OWNING in gids) or (tag == NAMED_GROUP and number in gids)
    ]
    if groups:
        return set().union(*(split(bits & mask) for bits in groups))
    return split(other)


def split(bits: int) -> set[int]:
    return {bit for bit in (4, 2, 1) if bits & bit}


def rights_by_mode(mode: int, uid: int, gids: set[int]) -> set[int]:
    return split(mode >> 6 if uid == OWNER else mode >> 3 if OWNING in gids else mode)


def mode_of(blob: bytes) -> int:
    """Return the mode that stat(2) shows for an access list."""
    found = {tag: bits for tag, bits, _id in entries(blob)}
    return found[USER] << 6 | found.get(MASK, found[GROUP]) << 3 | found[OTHER]


@given(access_lists(), st.sampled_from([OWNER, *NUMBERS]), st.sets(st.sampled_from([3, *NUMBERS])))
def test_a_mode_without_its_list_gives_nobody_more(blob: bytes, uid: int, gids: set[int]) -> None:
    mode = narrowed(mode_of(blob), blob)
    assert rights_by_mode(mode, uid, gids) <= rights(blob, uid, gids)


@given(access_lists())
def test_a_list_comes_back(blob: bytes) -> None:
    names = {1: "daemon", 2: "a b"}

    def name(_kind: str, number: int) -> str:
        return names.get(number, "")

    def number(_kind: str, account: str) -> int:
        return {name: number for number, name in names.items()}.get(account) or int(account)

    assert blob_of(text_of(blob, name), number) == blob


@given(access_lists())
def test_entries_of_accounts_that_are_not_here_are_left_out(blob: bytes) -> None:
    text = text_of(blob, lambda _kind, _n: "")
    found = entries(blob_of(text, lambda _kind, _account: None))
    assert found == [entry for entry in entries(blob) if entry[0] not in (NAMED_USER, NAMED_GROUP)]


def test_a_name_that_would_be_two_entries_is_a_number() -> None:
    blob = struct.pack("<I", 2) + struct.pack("<HHI", NAMED_USER, 4, 9)
    assert text_of(blob, lambda _kind, _n: "a:rwx,user:b") == "user:9:r--"


@pytest.mark.parametrize(
    "text", ["", "user:a", "user::rwz", "owner::rwx", "user::rwxx", "mask:a:r--"]
)
def test_what_is_no_list_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no entry of an access list"):
        blob_of(text, lambda _kind, _account: 1)


@pytest.mark.parametrize("blob", [b"", b"\1\0\0\0", b"\2\0\0\0\1", b"\2\0\0\0" + b"\7" * 8])
def test_what_the_kernel_would_not_write_is_refused(blob: bytes) -> None:
    with pytest.raises(ValueError, match="access list"):
        text_of(blob, lambda _kind, _n: "")
