"""Every error has one form, and none is a traceback."""

import ast
import pwd
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from kai_ansible.__main__ import DEBUG, ENDS, main, unexpected
from kai_ansible.ansible.failures import FailedTask
from kai_ansible.errors import CommandError, ExitCode
from tests.conftest import ROOT


def errors_made() -> Iterator[tuple[str, ast.Call]]:
    """Every place at which a CommandError is made, with its call."""
    for path in sorted((ROOT / "kai_ansible").rglob("*.py")):
        # the rules are the collection's own
        if "rules" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "CommandError":
                yield f"{path.name}:{node.lineno}", node


def test_every_error_says_where_found_expected_and_fix() -> None:
    found = list(errors_made())
    assert len(found) > 10
    for place, call in found:
        # the others are no faults: a user said no, or a run has already reported why it failed
        assert {keyword.arg for keyword in call.keywords} & {"problems", "code"}, place


def test_a_failed_task_is_reported_in_the_form_of_every_error() -> None:
    failed = FailedTask("bot", "Start the bot", "refused\nthe end of its log", "")
    told = str(CommandError("Failed.", problems=[failed.problem], code=ExitCode.FAILED))
    assert told.splitlines() == [
        "1. bot",
        "   found:    refused",
        "             the end of its log",
        "   expected: the task 'Start the bot' to succeed",
        "   fix:      look for the cause with: kai-ansible doctor bot",
        "Failed.",
    ]


class Broken:
    """A command line with a fault of its own."""

    def main(self) -> None:
        raise RuntimeError("a fault\nof the program")


@pytest.fixture
def signals() -> Iterator[None]:
    """Give signals the actions again that they had before a command took them."""
    numbers = (*ENDS, signal.SIGINT)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, action in before.items():
        signal.signal(number, action)


@pytest.mark.usefixtures("signals")
def test_a_fault_of_the_program_is_reported_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(DEBUG, raising=False)
    monkeypatch.setattr("typer.main.get_command", lambda app: Broken())
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    told = capsys.readouterr().err
    assert "RuntimeError: a fault" in told
    assert f"{DEBUG}=1" in told
    assert "Traceback" not in told

    monkeypatch.setenv(DEBUG, "1")
    with pytest.raises(RuntimeError):
        main()


def test_an_account_without_a_home_is_told_to_name_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(_number: int) -> None:
        raise KeyError

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    for name in ("HOME", "SUDO_USER", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(RuntimeError) as homeless:
        Path.home()
    [problem] = unexpected(homeless.value).problems
    assert problem.where == "HOME"
    # another error is reported as itself
    assert "a bug: KeyError" in unexpected(KeyError("x")).problems[0].found
