"""What the end of a run says of a host, and what a check says."""

from types import SimpleNamespace
from typing import Any

import pytest

from kai_ansible.ansible.changes import Change
from kai_ansible.ansible.runner import Outcome
from kai_ansible.commands import applying
from kai_ansible.commands.options import ChangeOptions
from kai_ansible.terminal.outcome_view import report_outcome
from kai_ansible.terminal.screen import Screen

CHANGED = [Change("kai.service", "", "runs", "restarted")]


def outcome(changes: list[Change]) -> Outcome:
    report: dict[str, Any] = {"verified": [], "notes": ["a note"], "login_notice": []}
    report |= {"seconds_without": None, "changes": False}
    return Outcome(True, False, {"bot": report}, [], {"bot": changes}, None)


@pytest.mark.parametrize(
    ("changes", "check", "agreed", "said"),
    [
        ([], False, None, ["bot: unchanged", "Note: a note"]),
        ([], False, outcome([]), ["bot: unchanged"]),
        ([], False, outcome(CHANGED), ["bot: unchanged", "Note: a note"]),
        ([], True, None, ["bot: nothing to change", "Note: a note"]),
        (CHANGED, False, outcome(CHANGED), ["bot: changed as shown"]),
    ],
)
def test_one_line_says_what_became_of_a_host(
    changes: list[Change],
    check: bool,
    agreed: Outcome | None,
    said: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    report_outcome(Screen(plain=True), outcome(changes), check=check, agreed=agreed)
    assert capsys.readouterr().out.splitlines() == said


@pytest.mark.parametrize(("check", "said"), [(True, "bot: would change"), (False, "bot: changed")])
def test_a_change_whose_results_are_hidden_is_a_change(
    check: bool, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    hidden = outcome([])
    hidden.reports["bot"].update(changes=True)
    report_outcome(Screen(plain=True), hidden, check=check)
    assert capsys.readouterr().out.startswith(f"{said}, but the results of the tasks are hidden")


def test_an_install_asks_before_a_change_whose_results_are_hidden(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hidden = outcome([])
    hidden.reports["bot"].update(changes=True)
    asked: list[str] = []
    monkeypatch.setattr(applying, "run_role", lambda *_: hidden)
    monkeypatch.setattr(applying, "confirm", lambda question, **_: asked.append(question))
    target: Any = SimpleNamespace(hosts=["bot"])
    options, screen = ChangeOptions(), Screen(plain=True)
    assert applying._checked(target, options, screen, asks=True) is hidden
    assert asked == ["Apply?"]
    hidden.reports["bot"].update(changes=False)
    applying._checked(target, options, screen, asks=True)
    assert asked == ["Apply?"]
    assert "Nothing to change." in capsys.readouterr().out
