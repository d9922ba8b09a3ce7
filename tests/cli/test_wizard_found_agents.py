"""Which agent is offered first, by what the host has."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from kai_ansible.ansible.collection import contract
from kai_ansible.errors import CommandError
from kai_ansible.inventory.inventory import Inventory
from kai_ansible.rules.variable_names import variable
from kai_ansible.terminal.prompts import Validator
from kai_ansible.terminal.screen import Screen
from kai_ansible.wizard.draft import Draft
from kai_ansible.wizard.host_view import HostView
from kai_ansible.wizard.interview import LEAVE, NEXT, Interview
from tests.cli.desk import LABELS, TOKEN
from tests.conftest import STAND_IN

CONTRACT = contract()
NOT_FOUND = "not found on the host"


class HostWith(HostView):
    """A host that has some agents, and the accounts that everybody has."""

    def __init__(self, inventory: Path, agents: Sequence[str]) -> None:
        super().__init__(
            CONTRACT, Inventory(inventory, make_localhost=True), "localhost", None, Screen()
        )
        self.agents = agents
        self.changers: list[dict[str, Any]] = []

    def _probe(self, request: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "accounts": {},
            "logins": [],
            "interpreters": [],
            "sudo": {"version": ""},
            "service": {"active": False},
            "binaries": {
                agent["backend"]: [
                    {
                        "path": f"/usr/bin/{agent['name']}",
                        "source": "path",
                        "fault": None,
                        "version": "9.9",
                        "changers": self.changers,
                    }
                ]
                for agent in request["binaries"]
                if agent["backend"] in self.agents
            },
        }


class Operator:
    """Takes the first run as far as the review, and keeps how the agent was asked for."""

    offered: tuple[list[str], str | None, dict[str, str]] | None = None

    def text(self, label: str, default: str, validate: Validator, help_text: str) -> str:
        typed = {LABELS["source"]: str(STAND_IN), LABELS["telegram_id"]: "1"}.get(label, default)
        assert validate(typed) is None
        return typed

    def secret(self, label: str, validate: Validator, help_text: str) -> str:
        assert validate(TOKEN) is None
        return TOKEN

    def choice(
        self,
        label: str,
        choices: Sequence[str],
        default: str | None,
        help_text: str,
        remarks: Mapping[str, str] | None = None,
    ) -> str:
        if label == NEXT:
            return LEAVE
        if label == LABELS["AGENT_BACKEND"]:
            self.offered = (list(choices), default, dict(remarks or {}))
        return default or choices[0]

    def confirm(self, label: str, *, default: bool = True) -> bool:
        raise AssertionError(f"nothing is to be confirmed: {label}")


@pytest.mark.parametrize("agent", ["codex", "goose"])
def test_the_only_agent_is_taken_without_a_question(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], agent: str
) -> None:
    operator, draft = Operator(), Draft(CONTRACT, {})
    view = HostWith(tmp_path / "inventory", [agent])
    with pytest.raises(CommandError, match="Nothing was written"):
        Interview(draft, operator, view, Screen()).run()
    assert operator.offered is None
    assert draft.get(variable("AGENT_BACKEND")) == agent
    said = " ".join(capsys.readouterr().out.split())
    assert f"{agent}, the only one on localhost (/usr/bin/{agent} 9.9)" in said
    assert "found on the host" in said


@pytest.mark.parametrize("agents", [["claude", "codex"], ["claude", "codex", "goose"], []], ids=len)
def test_no_agent_is_offered_first_where_it_is_not_the_only_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], agents: list[str]
) -> None:
    operator, draft = Operator(), Draft(CONTRACT, {})
    view = HostWith(tmp_path / "inventory", agents)
    with pytest.raises(CommandError, match="Nothing was written"):
        Interview(draft, operator, view, Screen()).run()
    assert operator.offered
    choices, default, remarks = operator.offered
    assert choices == list(CONTRACT.backends)
    assert default is None
    assert remarks == {
        name: f"/usr/bin/{name} 9.9" if name in agents else NOT_FOUND for name in CONTRACT.backends
    }
    said = capsys.readouterr().out
    none = "No agent was found on the host; install one before kai-ansible install."
    command = CONTRACT.backends["claude"].binary.install_command
    assert command == "sudo npm install --global @anthropic-ai/claude-code"
    # claude is what this operator chooses
    assert (none in said, command in said) == ((True, True) if agents == [] else (False, False))


@pytest.mark.parametrize("agents", [["codex"], ["codex", "goose"]])
def test_who_may_change_an_agent_is_shown_where_it_is_chosen_and_in_the_review(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], agents: list[str]
) -> None:
    operator, draft = Operator(), Draft(CONTRACT, {})
    view = HostWith(tmp_path / "inventory", agents)
    view.changers = [{"path": "/usr/bin", "accounts": ["kai"], "everybody": False}]
    with pytest.raises(CommandError, match="Nothing was written"):
        Interview(draft, operator, view, Screen()).run()
    remark = "9.9; can be changed by kai (through /usr/bin)"
    said = " ".join(capsys.readouterr().out.split())
    if operator.offered:
        assert operator.offered[2]["codex"] == f"/usr/bin/codex {remark}"
    else:
        assert f"the only one on localhost (/usr/bin/codex {remark})" in said
        assert f"/usr/bin/codex ({remark})" in said
    assert (operator.offered is None) == (agents == ["codex"])


class Newcomer(Operator):
    """Mistypes an account that the host lacks, is asked about it, and corrects it."""

    def __init__(self, create: bool) -> None:
        self.create = create
        self.accounts = ["allice", "alice"]
        self.questions: list[str] = []

    def text(self, label: str, default: str, validate: Validator, help_text: str) -> str:
        if label == LABELS["os_user"]:
            return self.accounts.pop(0)
        return super().text(label, default, validate, help_text)

    def confirm(self, label: str, *, default: bool = True) -> bool:
        self.questions.append(label)
        return self.create


class HostWithAlice(HostWith):
    """A host that has the account alice, and no other of those that it is asked for."""

    def _probe(self, request: Mapping[str, Any]) -> dict[str, Any]:
        accounts = {name: ({} if name == "alice" else None) for name in request["os_users"]}
        return {**super()._probe(request), "accounts": accounts}


@pytest.mark.parametrize("create", [True, False])
def test_a_missing_account_is_offered_to_be_created_where_it_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], create: bool
) -> None:
    operator, draft = Newcomer(create), Draft(CONTRACT, {})
    view = HostWithAlice(tmp_path / "inventory", [])
    with pytest.raises(CommandError, match="Nothing was written"):
        Interview(draft, operator, view, Screen()).run()
    assert operator.questions == [
        "localhost has no account allice. Create it with the install?",
    ]
    [user] = draft.users
    assert user["os_user"] == ("allice" if create else "alice")
    assert bool(draft.get("kai_install_create_os_users")) is create
    said = capsys.readouterr().out
    assert ("no such account" in said) is False
    # and an agent that is missing gets the command that installs it
    assert "  sudo npm install --global @anthropic-ai/claude-code" in said
