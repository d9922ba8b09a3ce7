"""Lines of /etc/kai/env, read back by the stand-in's own parser."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kai.protected import parse_env

from kai_ansible.rules.env_file import (
    UnwritableValue,
    env_line,
    fault_of_key,
    fault_of_value,
    read_env,
)

# everything that str.splitlines documents as the end of a line, NUL, and the lone surrogates
LINE_ENDS = "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
UNWRITABLE = LINE_ENDS + "\x00\ud800\udbff\udc00\udfff"
PIECES = [
    "'",
    '"',
    "\\",
    "$",
    "${X}",
    "$(x)",
    "`",
    "#",
    " # x",
    "=",
    " ",
    "\t",
    "export ",
    "é",
    "🦉",
]

writable = st.text(st.characters(exclude_categories=["Cs"], exclude_characters=LINE_ENDS + "\0"))
awkward = st.lists(st.sampled_from(PIECES)).map("".join)
keys = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,20}", fullmatch=True)


@given(st.dictionaries(keys, writable | awkward))
def test_the_bot_reads_back_what_was_written(values: dict[str, str]) -> None:
    lines = [env_line(key, value) for key, value in values.items()]
    assert parse_env("# Kai\n\n" + "\n".join(lines) + "\n") == values


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "'",
        '"',
        "''",
        '""',
        "'\"",
        "\"'",
        '"it\'s"',
        "'\"x\"'",
        "\\",
        'a\\"b',
        "\\n",
        "$HOME ${HOME} $(id) `id`",
        "1 # note",
        "# 1",
        " both sides ",
        "\ttab\t",
        "\xa0no-break\xa0",
        "a=b",
        '{"pr_review":"sonnet"}',
        "🦉🇩🇪 \u200d \ufeff",
        "x" * 65536,
        "'" * 32768 + '"' * 32768,
    ],
)
def test_awkward_values(value: str) -> None:
    assert fault_of_value(value) is None
    assert parse_env(env_line("KEY", value)) == {"KEY": value}


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("plain", 'KEY="plain"'),
        ('{"a":1}', "KEY='{\"a\":1}'"),
        ("it's", 'KEY="it\'s"'),
        ("", 'KEY=""'),
    ],
)
def test_json_stands_in_single_quotes(value: str, line: str) -> None:
    assert env_line("KEY", value) == line


@pytest.mark.parametrize("character", UNWRITABLE)
@pytest.mark.parametrize("template", ["{}", "a{}", "{}a", "a{}b"])
def test_what_no_line_can_carry_is_refused(character: str, template: str) -> None:
    value = template.format(character)
    assert fault_of_value(value)
    with pytest.raises(UnwritableValue, match=r"^the value of KEY (has|is not)"):
        env_line("KEY", value)


@given(st.text())
def test_nothing_else_is_refused(value: str) -> None:
    has_cause = any(character in LINE_ENDS + "\0" for character in value) or any(
        0xD800 <= ord(character) <= 0xDFFF for character in value
    )
    assert (fault_of_value(value) is not None) == has_cause


def test_the_message_does_not_hold_the_value() -> None:
    with pytest.raises(UnwritableValue) as caught:
        env_line("TELEGRAM_BOT_TOKEN", "sesame\nopen")
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize(
    "key", ["", "1A", "A-B", "A B", " A", "A=", "export A", "A\n", "Ä", "#A", '"A"', "A.B"]
)
def test_what_is_no_key_is_refused(key: str) -> None:
    assert fault_of_key(key)
    with pytest.raises(UnwritableValue):
        env_line(key, "x")


@pytest.mark.parametrize("key", ["A", "_", "a1", "CODEX_BIN", "export"])
def test_what_is_a_key_is_written(key: str) -> None:
    assert parse_env(env_line(key, "x")) == {key: "x"}


lines = st.lists(
    st.sampled_from([*PIECES, *LINE_ENDS, "A", "B", "export", "=", "\0", "\x1f", "\xa0"])
    | st.text()
).map("".join)


@given(lines)
def test_any_file_is_read_as_the_bot_reads_it(text: str) -> None:
    assert read_env(text) == parse_env(text)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("A=1\nA=2\n", {"A": "1"}),
        ("export A = 'x' \n", {"A": "x"}),
        ("#A=1\n =2\nA\n", {"": "2"}),
        ("A='x\"\nB=\"\nC=''", {"A": "'x\"", "B": '"', "C": ""}),
        ("A=1\u2028B=2\x85C=3", {"A": "1", "B": "2", "C": "3"}),
    ],
)
def test_files_that_others_wrote(text: str, values: dict[str, str]) -> None:
    assert read_env(text) == values
