"""Values of unit files; that systemd agrees is tested on a machine."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kai_ansible.rules.unit import service_of, unit_argument, unit_path, unit_word


@pytest.mark.parametrize(
    ("text", "word", "argument"),
    [
        ("plain", '"plain"', '"plain"'),
        ("", '""', '""'),
        ("a b", '"a b"', '"a b"'),
        ("100%", '"100%%"', '"100%%"'),
        ("%h %%", '"%%h %%%%"', '"%%h %%%%"'),
        ("a\\b", '"a\\\\b"', '"a\\\\b"'),
        ('say "x"', '"say \\"x\\""', '"say \\"x\\""'),
        ("it's", '"it\'s"', '"it\'s"'),
        ("$HOME ${HOME}", '"$HOME ${HOME}"', '"$$HOME $${HOME}"'),
        ("PATH=/a:/b", '"PATH=/a:/b"', '"PATH=/a:/b"'),
        (";", '";"', '";"'),
        ("é🦉", '"é🦉"', '"é🦉"'),
    ],
)
def test_words(text: str, word: str, argument: str) -> None:
    assert unit_word(text) == word
    assert unit_argument(text) == argument


@pytest.mark.parametrize(
    ("path", "written"),
    [
        ("/opt/kai/current", "/opt/kai/current"),
        ("/opt/100%/a b\\c", "/opt/100%%/a b\\c"),
        ("/opt/%n", "/opt/%%n"),
    ],
)
def test_paths(path: str, written: str) -> None:
    assert unit_path(path) == written


# a line of a unit ends where a line of text does
values = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]))


@given(st.dictionaries(st.from_regex(r"[A-Z_]+", fullmatch=True), values))
def test_an_environment_is_read_as_it_was_written(environment: dict[str, str]) -> None:
    lines = [f"Environment={unit_word(f'{key}={value}')}" for key, value in environment.items()]
    assert service_of("\n".join(["[Service]", "User=kai", *lines])) == ("kai", environment)


def test_an_environment_without_quotes_is_split_at_blanks() -> None:
    text = "Environment=A=/a%%b B=c\nEnvironment=C='d e'\nEnvironment=D=\"open\n"
    assert service_of(text) == (None, {"A": "/a%b", "B": "c", "C": "d e"})
