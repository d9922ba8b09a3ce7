"""Paths with identifiers that only the database of the bot tells."""

from typing import Any

import pytest

from kai_ansible.rules.principal_ids import channel_of_telegram, principal_of_telegram
from kai_ansible.rules.user_places import is_marked, known_places, marks, placed

W = "wsp_" + "0123456789abcdef" * 2
CYD = "rtp_" + "c" * 32


def seen(workshop: str | None, owners: dict[str, Any] | None = None) -> Any:
    return {"id": workshop, "assigned": [], "owners": owners or {}, "fault": None}


def test_a_mark_is_replaced_once_the_workshop_is_known() -> None:
    path = "/data/home/{principal}/{channel}".format(**marks(7))
    assert is_marked(path)
    expected = f"/data/home/{principal_of_telegram(W, 7)}/{channel_of_telegram(W, 7)}"
    assert placed(path, seen(W)) == expected
    assert not is_marked(expected)


@pytest.mark.parametrize("workshop", [None, "", "wsp_1", "/etc", W.upper()])
def test_without_a_workshop_a_path_is_not_known(workshop: str | None) -> None:
    entries = [{"path": "/a", "mode": "0700"}, {"path": "/b/{principal:1}", "mode": "0700"}]
    assert known_places(entries, seen(workshop)) == entries[:1]
    assert known_places(entries, None) == entries[:1]


def test_a_user_without_telegram_is_found_by_the_profile() -> None:
    path = "/data/home/{principal}/{channel}".format(**marks(CYD))
    ids = {"principal": "prn_1", "channel": "chn_1", "channels": ["chn_1"]}
    assert placed(path, seen(W, {CYD: ids})) == "/data/home/prn_1/chn_1"
    for nothing in (None, seen(None), seen(W), seen(W, {"rtp_" + "d" * 32: ids})):
        assert placed(path, nothing) is None


def test_other_braces_stay() -> None:
    for path in ("{service_home}/x", "/a/{principal}", "/a/{principal:x}"):
        assert placed(path, None) == path


def test_each_channel_of_a_user_has_a_place() -> None:
    of_cyd = {"principal": "prn_1", "channel": "chn_1", "channels": ["chn_1", "chn_2"]}
    of_ada = {"principal": principal_of_telegram(W, 7), "channel": "chn_3"}
    of_ada["channels"] = [channel_of_telegram(W, 7), "chn_3", "chn_1"]
    entries = [
        {"path": place.format(**marks(key)), "owner": str(key)}
        for key in (7, CYD)
        for place in ("/history/{channel}", "/home/{principal}")
    ]
    found = known_places(entries, seen(W, {CYD: of_cyd, "rtp_" + "a" * 32: of_ada}))
    assert {one["path"]: one["owner"] for one in found} == {
        f"/history/{channel_of_telegram(W, 7)}": "7",
        "/history/chn_3": "7",
        f"/home/{principal_of_telegram(W, 7)}": "7",
        # the database gives nobody what is the first channel of another user
        "/history/chn_1": CYD,
        "/history/chn_2": CYD,
        "/home/prn_1": CYD,
    }
    assert len(found) == len({one["path"] for one in found})


def test_a_channel_of_two_users_is_nobodys() -> None:
    keys = [f"rtp_{letter * 32}" for letter in "ab"]
    owners = {
        key: {
            "principal": f"prn_{key}",
            "channel": f"chn_{key}",
            "channels": [f"chn_{key}", "chn_x"],
        }
        for key in keys
    }
    entries = [{"path": "/history/{channel}".format(**marks(key)), "owner": key} for key in keys]
    found = known_places(entries, seen(W, owners))
    assert [one["path"] for one in found] == [f"/history/chn_{key}" for key in keys]
