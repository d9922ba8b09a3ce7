"""Values of unit files; that systemd agrees is tested on a machine."""

import pytest

from kai_ansible.rules.systemd_unit import unit_argument, unit_path, unit_word


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
