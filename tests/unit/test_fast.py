"""Mitogen is used by who asks for it, and told of where it is missing."""

import importlib.util
from pathlib import Path

import pytest

from kai_ansible.ansible.fast import FAST, strategy_settings
from kai_ansible.errors import CommandError, ExitCode


@pytest.mark.parametrize("environment", [{}, {FAST: ""}, {FAST: "0"}, {FAST: "no"}])
def test_nobody_gets_it_unasked(environment: dict[str, str]) -> None:
    assert strategy_settings(environment) == {}


def test_who_asks_gets_the_strategy_that_is_installed() -> None:
    settings = strategy_settings({FAST: "1"})
    place = Path(settings["ANSIBLE_STRATEGY_PLUGINS"])
    assert (place / f"{settings['ANSIBLE_STRATEGY']}.py").is_file()


def test_where_it_is_not_installed_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(CommandError, match=r"kai-ansible\[fast\]") as refused:
        strategy_settings({FAST: "yes"})
    assert refused.value.code == ExitCode.INVALID
