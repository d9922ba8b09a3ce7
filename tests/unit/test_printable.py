"""Text that others wrote steers no terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kai_ansible.rules.problems import Problem
from kai_ansible.rules.sanitize import printable
from kai_ansible.terminal.screen import Screen


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("two\nlines\tand é 🦉", "two\nlines\tand é 🦉"),
        ("\x1b[31mred\x1b]0;title\x07", "\\x1b[31mred\\x1b]0;title\\x07"),
        ("over\rwritten\b\x7f", "over\\rwritten\\x08\\x7f"),
        ("\x9b2J", "\\x9b2J"),
        ("codex\u202egpj", "codex\\u202egpj"),
        ("a\u2028b\x00", "a\\u2028b\\x00"),
        ("a family: 👨\u200d👩\u200d👧", "a family: 👨\u200d👩\u200d👧"),
        ("not UTF-8: \udce9", "not UTF-8: \\udce9"),
        ("[red]kept[/red]", "[red]kept[/red]"),
    ],
)
def test_what_steers_a_terminal_is_shown_as_its_escape(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_of_a_long_text_the_beginning_and_the_end_stay() -> None:
    shown = printable("a" * 3000 + "b" * 9_000_000 + "c" * 3000, most=100)
    assert shown == "a" * 50 + "\n[9005900 characters left out]\n" + "c" * 50


@given(st.text(st.characters()))
def test_nothing_is_left_that_steers(text: str) -> None:
    shown = printable(text)
    shown.encode()
    assert all(character in "\n\t" or character >= " " for character in shown)
    assert not set(shown) & set(map(chr, range(0x7F, 0xA0)))
    assert printable(shown) == shown


def test_a_screen_obeys_nothing_that_others_wrote(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = "\x1b[2J[red]gone[/red]\x07"
    for screen in (Screen(plain=True), Screen()):
        screen.say(hostile)
        screen.good(hostile)
        screen.bad(hostile)
        screen.notes([hostile])
        screen.lines("found", [hostile])
        screen.table("found", ("name",), [(hostile,)])
    said = capsys.readouterr().out
    assert said.count("\\x1b[2J[red]gone[/red]\\x07") == 12
    assert "\x07" not in said
    assert "\x1b[2J" not in said


def test_a_problem_reports_hostile_names_as_they_are_written() -> None:
    problem = Problem("/srv/\x1b[2J", "a link", "a directory", "rm it")
    assert str(problem) == "/srv/\\x1b[2J: found a link, expected a directory. Fix: rm it"
