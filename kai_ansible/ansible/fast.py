"""Ansible's tasks by way of Mitogen, for who asks for that with KAI_ANSIBLE_FAST=1."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path

from kai_ansible.errors import refusal

FAST = "KAI_ANSIBLE_FAST"
_PACKAGE = "ansible_mitogen"
_MEANT = ("1", "true", "yes", "on")


def strategy_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the settings of Ansible that lead its tasks through Mitogen, none unless asked for.

    Raises CommandError when it was asked for and is not installed.
    """
    if environment.get(FAST, "").lower() not in _MEANT:
        return {}
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or found.origin is None:
        raise refusal(
            FAST,
            f"{environment[FAST]!r}, but Mitogen is not installed beside kai-ansible",
            "Mitogen, which the extra `fast` brings, or no such wish",
            "pip install 'kai-ansible[fast]' in the environment of kai-ansible, "
            f"or leave {FAST} out",
        )
    plugins = Path(found.origin).parent / "plugins" / "strategy"
    return {"ANSIBLE_STRATEGY": "mitogen_linear", "ANSIBLE_STRATEGY_PLUGINS": str(plugins)}
