"""Values of every type: what is read as what, what is refused, what the bot is given."""

import math
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kai_ansible.rules.contract import Limits
from kai_ansible.rules.typed_data import read
from kai_ansible.rules.values import UnacceptableValue, describe, env_text, read_value

CONTRACT: Any = SimpleNamespace(backends={"claude": {}, "codex": {}}, providers={"openai": {}})
PORT = {"type": "integer", "minimum": 1, "maximum": 65535}
WINDOW = {"type": "integer", "minimum": 50000, "maximum": 1000000, "or_zero": True}
CHAT = {"type": "integer", "nonzero": True}
BUDGET = {"type": "number", "exclusive_minimum": 0}
FLOOR = {"type": "number", "minimum": 0.0, "maximum": 1.0}
EFFORT = {"type": "choice", "choices": ["low", "high"]}
BACKEND = {"type": "choice", "choices_from": "backends"}
REPOSITORIES = {
    "type": "list",
    "item_pattern": "[a-z]+/[a-z]+",
    "pattern_help": "owner/repository",
}


def limits(spec: dict[str, Any]) -> Limits:
    """Return what the contract would have for a value."""
    return cast("Limits", read(Limits, spec))


NAN, INF = float("nan"), float("inf")

ACCEPTED: list[tuple[dict[str, Any], Any, Any, str]] = [
    ({"type": "boolean"}, True, True, "true"),
    ({"type": "boolean"}, False, False, "false"),
    ({"type": "boolean"}, "Yes", True, "true"),
    ({"type": "boolean"}, " TRUE ", True, "true"),
    ({"type": "boolean"}, "on", True, "true"),
    ({"type": "boolean"}, "no", False, "false"),
    ({"type": "boolean"}, "off", False, "false"),
    ({"type": "boolean"}, 1, True, "true"),
    ({"type": "boolean"}, "0", False, "false"),
    (PORT, 8080, 8080, "8080"),
    (PORT, " 8080 ", 8080, "8080"),
    (PORT, 1, 1, "1"),
    (PORT, 65535, 65535, "65535"),
    (WINDOW, 0, 0, "0"),
    (WINDOW, "50000", 50000, "50000"),
    (CHAT, "-1001234567890", -1001234567890, "-1001234567890"),
    (BUDGET, "7.50", 7.5, "7.5"),
    (BUDGET, 10, 10, "10"),
    (BUDGET, 10.0, 10.0, "10.0"),
    (BUDGET, 0.01, 0.01, "0.01"),
    (BUDGET, "0.1", 0.1, "0.1"),
    (FLOOR, 0, 0, "0"),
    (FLOOR, "1", 1, "1"),
    (EFFORT, " High ", "high", "high"),
    (BACKEND, "CODEX", "codex", "codex"),
    ({"type": "string"}, " as it is \\ ", " as it is \\ ", " as it is \\ "),
    ({"type": "string"}, "0123", "0123", "0123"),
    ({"type": "string", "pattern": "[a-z]+"}, "abc", "abc", "abc"),
    ({"type": "url"}, "https://kai.example:8443/x?y=1", *["https://kai.example:8443/x?y=1"] * 2),
    ({"type": "path"}, "/opt/a b", "/opt/a b", "/opt/a b"),
    ({"type": "directory"}, "/srv", "/srv", "/srv"),
    ({"type": "account"}, "alice", "alice", "alice"),
    ({"type": "model"}, "gpt-5.5", "gpt-5.5", "gpt-5.5"),
    ({"type": "directory_list"}, "/a, /b ,", ["/a", "/b"], "/a,/b"),
    ({"type": "directory_list"}, ["/a b", "/c"], ["/a b", "/c"], "/a b,/c"),
    ({"type": "directory_list"}, [], [], ""),
    ({"type": "list"}, ["memory", "tts"], ["memory", "tts"], "memory,tts"),
    ({"type": "list", "items": "directory"}, ["/a"], ["/a"], "/a"),
    (REPOSITORIES, ["kai/kai"], ["kai/kai"], "kai/kai"),
]

REFUSED: list[tuple[dict[str, Any], list[Any], str]] = [
    (
        {"type": "boolean"},
        ["", "perhaps", "y", 2, -1, 1.0, None, [], "true false", "\u0661"],
        "true or false",
    ),
    (
        PORT,
        [
            *(0, 65536, -1, "0", "65536", "0123", "00", "+5", "1e3", "1_000", "8080.0", 8080.0),
            *(
                True,
                False,
                None,
                "",
                "yes",
                "null",
                "0x50",
                "80 80",
                "\u0668\u0660",
                [80],
                "9" * 400,
            ),
        ],
        "a whole number, at least 1 and at most 65535, written without leading zeros",
    ),
    (
        WINDOW,
        [1, 49999, 1000001, -1, "00"],
        "a whole number, at least 50000 and at most 1000000, or 0, written without leading zeros",
    ),
    (CHAT, [0, "0", "-0", "-01"], "a whole number, not 0, written without leading zeros"),
    (
        BUDGET,
        [
            *(0, 0.0, -1, "0", "-0.0", NAN, INF, -INF, "nan", "inf", "Infinity", "1e3", "1.", ".5"),
            *("1,5", "1_0", "007", True, None, "", [1.0], "1.0 USD", "9" * 400, "\u0661.\u0662"),
        ],
        "a number, more than 0",
    ),
    (FLOOR, [-0.1, 1.1, "1.01", NAN], "a number, at least 0.0 and at most 1.0"),
    (EFFORT, ["medium", "", True, None, 1, ["low"]], "one of low, high"),
    (BACKEND, ["pi", "claude codex", "openai"], "one of claude, codex"),
    ({"type": "string"}, [1, 1.5, True, None, ["a"], {"a": 1}], "text; put it in quotes"),
    (
        {"type": "string"},
        ["a\nb", "a\r", "\x00", "a\u2028b"],
        "text; this one has a line break or NUL, which a line of /etc/kai/env cannot carry",
    ),
    ({"type": "string"}, ["\ud800"], "text; this one is not valid UTF-8"),
    (
        {"type": "string", "pattern": "[a-z]+", "pattern_help": "a word"},
        ["a b", "a1", ""],
        "a word",
    ),
    (
        {"type": "url"},
        [
            "http://kai.example",
            "https://",
            "https:///x",
            "kai.example",
            "https://a b",
            "https://a\t",
        ],
        "an https URL; this one does not begin with https:// and a host",
    ),
    (
        {"type": "path"},
        ["codex", "bin/codex", "C:\\codex"],
        "an absolute path; this one is not absolute",
    ),
    ({"type": "directory"}, ["/srv/"], "an absolute path of a directory; this one ends in /"),
    ({"type": "account"}, ["root"], "the name of an account; this one is the superuser"),
    ({"type": "account"}, [1000], "text; put it in quotes"),
    ({"type": "model"}, ["", "  "], "the name of a model; this one is blank"),
    ({"type": "model"}, [5.4], "text; put it in quotes"),
    ({"type": "directory_list"}, [3, [3], None, {"/a": 1}], "paths, separated by commas"),
    (
        {"type": "directory_list"},
        ["/a,b", ["/a", "b"]],
        "absolute paths, separated by commas; 'b' is not absolute",
    ),
    (
        {"type": "directory_list"},
        [["/a,b"]],
        "absolute paths, separated by commas; '/a,b' has a comma",
    ),
    ({"type": "list"}, ["memory", None, {"a": 1}], "a list"),
    ({"type": "list"}, [["a", 1]], "text; put it in quotes"),
    (
        {"type": "list", "items": "directory"},
        [["/a", "b"]],
        "an absolute path of a directory; this one is not absolute",
    ),
    (REPOSITORIES, [["kai"], ["kai/kai", "kai/kai/x"]], "owner/repository"),
]


@pytest.mark.parametrize(("spec", "raw", "value", "text"), ACCEPTED)
def test_accepted(spec: dict[str, Any], raw: Any, value: Any, text: str) -> None:
    read = read_value(CONTRACT, limits(spec), raw)
    assert (read, type(read)) == (value, type(value))
    assert env_text(read) == text


@pytest.mark.parametrize(("spec", "raws", "expected"), REFUSED)
def test_refused(spec: dict[str, Any], raws: list[Any], expected: str) -> None:
    for raw in raws:
        with pytest.raises(UnacceptableValue) as caught:
            read_value(CONTRACT, limits(spec), raw)
        assert caught.value.expected == expected, repr(raw)


@given(st.integers(min_value=1, max_value=65535))
def test_whole_numbers_are_the_same_as_text_and_as_numbers(number: int) -> None:
    assert (
        read_value(CONTRACT, limits(PORT), number)
        == read_value(CONTRACT, limits(PORT), str(number))
        == number
    )
    assert int(env_text(number)) == number


@given(st.floats(min_value=0, exclude_min=True, allow_infinity=False))
def test_the_bot_gets_the_same_number(number: float) -> None:
    assert float(env_text(read_value(CONTRACT, limits(BUDGET), number))) == number


anything = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.from_regex(r"[+-]?[0-9_]{0,6}[.,]?[0-9]{0,3}(e[0-9])?", fullmatch=True)
    | st.lists(st.text() | st.integers(), max_size=3)
    | st.dictionaries(st.text(), st.integers(), max_size=1)
)
specs = [PORT, WINDOW, CHAT, BUDGET, FLOOR, EFFORT, BACKEND, REPOSITORIES] + [
    {"type": kind}
    for kind in ("boolean", "string", "url", "path", "account", "model", "directory_list", "list")
]


@given(st.sampled_from(specs), anything)
def test_anything_is_read_or_refused_and_what_is_read_is_read_again(
    spec: dict[str, Any], raw: Any
) -> None:
    try:
        value = read_value(CONTRACT, limits(spec), raw)
    except UnacceptableValue as error:
        assert error.expected
        return
    if isinstance(value, (int, float)):
        assert math.isfinite(value)
    if spec["type"] != "list":
        # the text that the bot is given means the same value
        assert read_value(CONTRACT, limits(spec), env_text(value)) == value
    assert read_value(CONTRACT, limits(spec), value) == value


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"type": "boolean"}, "true or false"),
        (PORT, "a whole number, at least 1 and at most 65535"),
        (WINDOW, "a whole number, at least 50000 and at most 1000000, or 0"),
        (CHAT, "a whole number, not 0"),
        (BUDGET, "a number, more than 0"),
        ({"type": "number"}, "a number"),
        (BACKEND, "one of claude, codex"),
        ({"type": "list", "items": "directory"}, "a list of an absolute path of a directory"),
        ({"type": "string"}, "text"),
    ],
)
def test_descriptions(spec: dict[str, Any], words: str) -> None:
    assert describe(CONTRACT, limits(spec)) == words


@pytest.mark.parametrize(
    "text",
    [
        *(
            "replace-me",
            "123456789:replace-me-with-the-token-of-BotFather",
            "CHANGE ME",
            "changeme",
        ),
        *("your-token-from-botfather", "your-webhook-secret", "your-perplexity-api-key"),
    ],
)
def test_what_an_example_has_in_the_place_of_a_secret_is_refused(text: str) -> None:
    with pytest.raises(UnacceptableValue, match="placeholder"):
        read_value(CONTRACT, Limits("string", secret=True), text)


def test_a_name_may_begin_like_a_placeholder() -> None:
    assert read_value(CONTRACT, Limits("string"), "your-team/specs") == "your-team/specs"
