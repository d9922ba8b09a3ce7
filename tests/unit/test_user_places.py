"""Paths with identifiers that follow from the workshop."""

import pytest

from kai_ansible.rules.principal_ids import channel_of_telegram, principal_of_telegram
from kai_ansible.rules.user_places import is_marked, known_places, marks, placed

W = "wsp_" + "0123456789abcdef" * 2


def test_a_mark_is_replaced_once_the_workshop_is_known() -> None:
    path = "/data/home/{principal}/{channel}".format(**marks(7))
    assert is_marked(path)
    expected = f"/data/home/{principal_of_telegram(W, 7)}/{channel_of_telegram(W, 7)}"
    assert placed(path, W) == expected
    assert not is_marked(expected)


@pytest.mark.parametrize("workshop", [None, "", "wsp_1", "/etc", W.upper()])
def test_without_a_workshop_a_path_is_not_known(workshop: str | None) -> None:
    entries = [{"path": "/a", "mode": "0700"}, {"path": "/b/{principal:1}", "mode": "0700"}]
    assert known_places(entries, workshop) == entries[:1]


def test_other_braces_stay() -> None:
    for path in ("{service_home}/x", "/a/{principal}", "/a/{principal:x}"):
        assert placed(path, None) == path
