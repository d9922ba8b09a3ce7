"""Where a problem that a host finds is looked for: at --set if it was given there."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from kai_ansible.ansible.collection import contract
from kai_ansible.ansible.runner import Outcome
from kai_ansible.calling import BY_MAKE
from kai_ansible.commands.role_run import raise_for_preflight
from kai_ansible.commands.target import Target
from kai_ansible.errors import CommandError

NAME = "kai_install_codex_bin"
KEPT = Path("inventory/host_vars/bot1/kai.yml")
PROBLEM = {"where": NAME, "found": "/nope", "expected": "a program", "fix": "name one"}


def target(overrides: dict[str, Any]) -> Target:
    """Return a target whose host has the binary in its settings file."""
    inventory = SimpleNamespace(
        host_vars=lambda _host, **_: SimpleNamespace(vault=Path("vault.yml"), settings=KEPT),
        places=lambda host: {NAME: KEPT},
    )
    parts = {"inventory": inventory, "hosts": ["bot1"], "contract": contract()}
    return cast("Target", SimpleNamespace(**parts, overrides=overrides))


@pytest.mark.parametrize(("overrides", "place"), [({NAME: "/nope"}, "--set"), ({}, str(KEPT))])
def test_a_value_given_for_this_run_is_blamed_on_the_option(
    overrides: dict[str, Any], place: str
) -> None:
    outcome = Outcome(False, False, {}, [], {}, None, {"bot1": [PROBLEM]})
    with pytest.raises(CommandError) as refused:
        raise_for_preflight(target(overrides), outcome)
    assert f"{place}: {NAME}\n" in str(refused.value)


def test_a_value_given_to_make_is_blamed_on_make(monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = Outcome(False, False, {}, [], {}, None, {"bot1": [PROBLEM]})
    monkeypatch.setenv(BY_MAKE, "1")
    for given, place in (("/nope", "make CODEX_BIN="), ("", "--set")):
        monkeypatch.setenv("CODEX_BIN", given)
        with pytest.raises(CommandError) as refused:
            raise_for_preflight(target({NAME: "/nope"}), outcome)
        assert f"{place}: {NAME}\n" in str(refused.value)
