"""Prompts show values that came from a host, which must not steer the terminal."""

import io

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.data_structures import Size
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output.vt100 import Vt100_Output

from kai_ansible.terminal.prompts import ArrowPrompter, PlainPrompter

# a title, a copy to the clipboard, a CSI of C1, a turn of the direction, and a line of its own
STEERING = "/bin/x\x1b]0;title\x07\x1b]52;c;eA==\x07\x9b2J\u202e\r\n  9. Done"
SHOWN = r"/bin/x\x1b]0;title\x07\x1b]52;c;eA==\x07\x9b2J\u202e\r\n  9. Done"


def test_a_plain_prompt_escapes_what_steers_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = []

    def entered(question: str) -> str:
        asked.append(question)
        return "" if len(asked) > 1 else "?"

    monkeypatch.setattr("builtins.input", entered)
    prompter = PlainPrompter(goes_back=False)
    assert prompter.text("Path", STEERING, lambda typed: None, STEERING) == STEERING
    assert asked[-1] == f"Path (? for help) [{SHOWN}]: "
    assert prompter.choice("Agent", ["a", STEERING], STEERING, "", {"a": STEERING}) == STEERING
    said = capsys.readouterr().out
    assert not {"\x1b", "\x07", "\x9b", "\u202e", "\r"} & {*said}
    assert said.splitlines()[-2:] == [f"  1. a  {SHOWN}", f"  2. {SHOWN} (Enter)"]


def test_a_prompt_with_arrow_keys_escapes_what_steers_a_terminal() -> None:
    screen = io.StringIO()
    output = Vt100_Output(screen, lambda: Size(rows=24, columns=200), term="xterm")
    with create_pipe_input() as keys, create_app_session(input=keys, output=output):
        keys.send_text("\r\r")
        prompter = ArrowPrompter(goes_back=False)
        assert prompter.choice("Agent", ["a", STEERING], "a", "", {"a": STEERING}) == "a"
        assert prompter.text("Path", STEERING, lambda typed: None, "") == STEERING
    said = screen.getvalue()
    assert "\u202e" not in said
    assert said.count(r"\u202e") >= 3
