"""The first user of a Workshop without Telegram, as the wizard makes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kai_ansible.ansible.collection import contract
from kai_ansible.wizard import first_of_workshop
from kai_ansible.wizard.draft import Draft
from kai_ansible.wizard.first_of_workshop import Features, is_first_of_workshop, settle_first_user

if TYPE_CHECKING:
    from collections.abc import Mapping

GIT = "https://git.example/kai.git"
ALONE = {"kai_install_kai_enabled_adapters": "workshop", "kai_install_source": GIT}


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return the sources that are read from now on."""
    found: list[Any] = []

    def features_of(variables: Mapping[str, Any]) -> frozenset[str]:
        found.append(variables["kai_install_source"])
        return frozenset({"bootstrap"})

    monkeypatch.setattr(first_of_workshop, "features_of", features_of)
    return found


def draft_of(**variables: Any) -> Draft:
    users = [{"name": "Ada", "os_user": "ada"}]
    return Draft(contract("2"), {**ALONE, "kai_install_users": users, **variables})


def test_a_source_is_read_once_in_a_command(fetched: list[Any]) -> None:
    draft, read = draft_of(), Features()
    assert is_first_of_workshop(draft, read)
    settle_first_user(draft, read)
    assert draft.users[0]["runtime_profile_id"].startswith("rtp_")
    assert fetched == [GIT]
    draft.set("kai_install_version", "v3")
    assert is_first_of_workshop(draft, read)
    assert fetched == [GIT, GIT]


def test_a_source_is_not_read_for_users_with_telegram(fetched: list[Any]) -> None:
    both = draft_of(kai_install_kai_enabled_adapters="telegram,workshop")
    assert not is_first_of_workshop(both, Features())
    known = [{"name": "Ada", "os_user": "ada", "telegram_id": 1}]
    settle_first_user(draft_of(kai_install_users=known), Features())
    assert fetched == []
