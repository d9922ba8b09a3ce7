"""Text that others wrote steers no terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kai_ansible.rules.printable import printable


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
