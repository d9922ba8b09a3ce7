"""A proof does not ask root about what lies behind a mount that lets nobody in."""

import importlib
from typing import Any

import pytest

HOME = "/var/lib/kai/home/1"
PARAMETERS: dict[str, Any] = {
    "known": "/run/kai-ansible.proofs",
    "agents": [{"account": "root", "program": "/usr/bin/true", "directory": HOME}],
    "private_directories": [{"path": "/var/lib/kai/memory/1", "account": "root"}],
}


def test_nothing_is_remembered_of_what_cannot_be_entered(
    collection_plugins: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    proof = importlib.import_module("ansible_collections.kai.bot.plugins.module_utils.host.proof")
    closed: dict[str, Any] = {}
    asked: list[set[str]] = []

    def mounts(paths: set[str]) -> dict[str, Any]:
        asked.append(paths)
        return closed

    monkeypatch.setattr(proof, "closed_mounts", mounts)
    monkeypatch.setattr(proof, "Remembered", lambda known, parameters, bot: "what is known")
    assert proof.remembered(PARAMETERS, None) == "what is known"
    assert asked[0] >= {HOME, "/var/lib/kai/memory/1"}
    closed[HOME] = "a mount"
    assert proof.remembered(PARAMETERS, None) is None
