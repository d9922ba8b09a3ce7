"""Values of unit files; that systemd agrees is tested on a machine."""

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kai_ansible.host import system
from kai_ansible.rules.unit import (
    service_of,
    shown_paths,
    unit_argument,
    unit_path,
    unit_word,
)


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


DIRECTORY = "/etc/systemd/system/kai.service.d"


def shown(path: str, *, bytewise: bool) -> str:
    """Return a path as ``systemctl show`` prints one of several (shell_maybe_quote of systemd)."""
    if not any(sign in " \t\n\r\"\\`$*?['()<>|&;!~" or not " " < sign < "\x7f" for sign in path):
        return path
    letters = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\a": "\\a", "\b": "\\b", "\f": "\\f"}
    letters |= {"\v": "\\v"} | {sign: f"\\{sign}" for sign in '"\\`$'}
    written = []
    for sign in path:
        is_odd = sign < " " or sign == "\x7f" or (bytewise and sign > "\x7f")
        octal = "".join(f"\\{byte:03o}" for byte in sign.encode())
        written.append(letters.get(sign) or (octal if is_odd else sign))
    return '"' + "".join(written) + '"'


NAMES = st.text(
    st.one_of(
        st.sampled_from(" \"'\\$`\n\t\x85\u2028%é"),
        st.characters(exclude_categories=["Cs"], exclude_characters="\0/"),
    ),
    min_size=1,
)


@given(st.lists(NAMES, max_size=4), st.booleans())
def test_the_paths_of_a_property_are_read_as_systemd_writes_them(
    names: list[str], bytewise: bool
) -> None:
    paths = [f"{DIRECTORY}/{name}.conf" for name in names]
    value = " ".join(shown(path, bytewise=bytewise) for path in paths)
    assert shown_paths(value) == paths
    state = f"ActiveState=active\nDropInPaths={value}\nLoadState=loaded\n"
    with pytest.MonkeyPatch.context() as patch:
        ended = subprocess.CompletedProcess([], 0, state, "")
        patch.setattr(system, "_run", lambda *_: ended)
        assert system.service_state("kai").drop_ins == tuple(paths)


@given(st.lists(st.from_regex(r"[a-z.]+( [a-z.]+){0,3}", fullmatch=True), max_size=4))
def test_the_paths_of_an_old_systemd_that_quotes_none(names: list[str]) -> None:
    paths = [f"{DIRECTORY}/{name}" for name in names]
    assert shown_paths(" ".join(paths)) == paths
