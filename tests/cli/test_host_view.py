"""The wizard probes again what an edit made stale, and nothing else."""

from collections.abc import Mapping
from typing import Any, cast

import pytest

from kai_ansible.ansible.collection import contract
from kai_ansible.rules.configuration import read_configuration
from kai_ansible.terminal.screen import Screen
from kai_ansible.wizard.host_view import HostView
from tests.unit.samples import user, variables


def test_another_account_is_probed_and_the_same_one_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    probed: list[Mapping[str, Any]] = []
    nothing = cast("Any", None)
    view = HostView(contract(), nothing, "bot1", nothing, Screen(plain=True))
    monkeypatch.setattr(
        view, "_probe", lambda request: probed.append(request) or {"n": len(probed)}
    )
    for account, seen in (("alcie", 1), ("alice", 2), ("alice", 2), ("alcie", 1)):
        users = [user(os_user=account)]
        configuration = read_configuration(contract(), {**variables(), "kai_install_users": users})
        assert view.probe(configuration) == {"n": seen}
    assert len(probed) == 2
