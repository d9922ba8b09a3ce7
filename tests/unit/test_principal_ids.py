"""Identifiers of Kai 2, against those that a real Kai of 14 August 2026 gave two users."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kai_ansible.rules import principal_ids as ids

# read from the database of a real Kai
WORKSHOP = "wsp_b8356dbf2ca14dd8b533521819e098de"
ALICE, BOB = 123456789, 987654321

workshops = st.uuids().map(lambda found: f"wsp_{found.hex}")
telegram_ids = st.integers(1, 2**52)
keys = st.from_regex(r"[a-z][a-z-]{0,20}", fullmatch=True)


def test_the_ids_are_those_of_a_real_kai() -> None:
    assert ids.principal_of_telegram(WORKSHOP, ALICE) == "prn_bf6fbd1c08f8514784bea1655bb41253"
    assert ids.principal_of_telegram(WORKSHOP, BOB) == "prn_fede8f2c7f1f599090f273b91a56ce58"
    assert ids.channel_of_telegram(WORKSHOP, ALICE) == "chn_f4cf90d56d76526c8ab6ade0b91f18ea"
    assert ids.channel_of_telegram(WORKSHOP, BOB) == "chn_2c477d875e99597db9c60897d1eb374a"
    assert ids.profile_of_telegram(ALICE) == "rtp_d2d76ab94be15a75c83c485f63d147b5"
    assert ids.profile_of_telegram(BOB) == "rtp_e619a0f2daa6e93ca5f6c3d06d61332c"


@given(workshops, telegram_ids, telegram_ids)
def test_no_two_users_share_an_id(workshop: str, one: int, other: int) -> None:
    for derive in (ids.principal_of_telegram, ids.channel_of_telegram):
        assert (derive(workshop, one) == derive(workshop, other)) == (one == other)
    assert (ids.profile_of_telegram(one) == ids.profile_of_telegram(other)) == (one == other)


@given(workshops, telegram_ids, keys)
def test_an_id_says_what_it_is_of(workshop: str, telegram_id: int, key: str) -> None:
    found = {
        ids.principal_of_telegram(workshop, telegram_id): "prn",
        ids.channel_of_telegram(workshop, telegram_id): "chn",
        ids.principal_of_key(workshop, key): "prn",
        ids.profile_of_key(workshop, key): "rtp",
        ids.profile_of_telegram(telegram_id): "rtp",
    }
    assert len(found) == 5
    for value, prefix in found.items():
        assert ids.is_id(prefix, value)
        assert not ids.is_id("wsp", value)


@given(telegram_ids)
def test_the_key_of_a_profile_fits_the_database(telegram_id: int) -> None:
    assert 0 < ids.key_of_profile(ids.profile_of_telegram(telegram_id)) < 2**63


@pytest.mark.parametrize(
    "workshop",
    ["", "wsp_", WORKSHOP.upper(), WORKSHOP[:-1], f"{WORKSHOP}0", f" {WORKSHOP}", f"{WORKSHOP}\n"],
)
def test_what_is_no_workshop_has_no_users(workshop: str) -> None:
    with pytest.raises(ValueError, match="is not the id of a workshop"):
        ids.principal_of_telegram(workshop, ALICE)


@pytest.mark.parametrize("telegram_id", [0, -1, True, "1", 1.0, None])
def test_what_is_no_telegram_id_is_no_user(telegram_id: int) -> None:
    with pytest.raises(ValueError, match="is not a Telegram ID"):
        ids.profile_of_telegram(telegram_id)


def test_what_is_no_profile_has_no_key() -> None:
    with pytest.raises(ValueError, match="is not a runtime profile"):
        ids.key_of_profile(str(uuid.UUID(int=1)))
