"""What the end of a run says of a host, and what a check says."""

from typing import Any

import pytest

from kai_ansible.ansible.changes import Change
from kai_ansible.ansible.runner import Outcome
from kai_ansible.commands.options import HostOptions
from kai_ansible.terminal.outcome_view import report_outcome
from kai_ansible.terminal.screen import Screen

CHANGED = [Change("kai.service", "", "runs", "restarted")]


def outcome(changes: list[Change]) -> Outcome:
    report: dict[str, Any] = {"verified": [], "notes": ["a note"], "login_notice": []}
    report |= {"seconds_without": None, "install": None, "enrol": []}
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
    words = HostOptions().words
    report_outcome(
        Screen(plain=True), outcome(changes), words, check=check, agreed=agreed, full=False
    )
    assert capsys.readouterr().out.splitlines() == said
