"""Paths that may stand in sudoers, the unit and the environment file."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kai_ansible.rules.paths import fault_of_path, fault_of_search_directory

SAFE = "abzAZ09._-+@%,:=#^~ \xe9\u00df\u4e2d\U0001f989"
UNSAFE = "\\*?[]!\"'`$;|&<>(){}\x01\t\n\r\x1b\x7f\x80\x85\x9f\u2028\u2029\x00"


@pytest.mark.parametrize("character", SAFE)
def test_characters_that_can_be_written(character: str) -> None:
    assert fault_of_path(f"/opt/a{character}b/x") is None


@pytest.mark.parametrize("character", UNSAFE)
@pytest.mark.parametrize("template", ["/{}", "/a{}/b", "/a/b{}"])
def test_characters_that_cannot_be_written(character: str, template: str) -> None:
    fault = "has a control character, quote, backslash, glob or shell character"
    assert fault_of_path(template.format(character)) == fault


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        (None, "is not text; put it in quotes"),
        (True, "is not text; put it in quotes"),
        (["/a"], "is not text; put it in quotes"),
        (b"/a", "is not text; put it in quotes"),
        ("", "is not absolute"),
        ("codex", "is not absolute"),
        ("./codex", "is not absolute"),
        (" /codex", "is not absolute"),
        ("\uff0fcodex", "is not absolute"),
        ("~/bin", "begins with ~, which means another directory for every account"),
        ("~kai", "begins with ~, which means another directory for every account"),
        ("/", "is the root directory"),
        ("/opt/", "ends in /"),
        ("//opt", "has an empty, . or .. part"),
        ("/opt//kai", "has an empty, . or .. part"),
        ("/opt/./kai", "has an empty, . or .. part"),
        ("/opt/..", "has an empty, . or .. part"),
        ("/..", "has an empty, . or .. part"),
        ("/opt/\ud800", "is not valid UTF-8"),
        ("/" + "x" * 256, "is longer than a path can be"),
        ("/" + "\u4e2d" * 86, "is longer than a path can be"),
        ("/x" * 2048, "is longer than a path can be"),
    ],
)
def test_refused(path: object, fault: str) -> None:
    assert fault_of_path(path) == fault


@pytest.mark.parametrize(
    "path",
    ["/opt", "/...", "/opt/.hidden", "/a..b/c.", "/" + "x" * 255, "/xy" + "/x" * 2046, "/opt/~kai"],
)
def test_accepted(path: str) -> None:
    assert fault_of_path(path) is None


@given(st.lists(st.text(st.sampled_from(SAFE), min_size=1), min_size=1, max_size=6))
def test_whatever_is_accepted_is_one_line_and_its_own_normal_form(parts: list[str]) -> None:
    path = "/" + "/".join(parts)
    if fault_of_path(path) is None:
        assert path.splitlines() == [path]
        assert not {"", ".", ".."} & set(parts)
    else:
        assert {".", ".."} & set(parts)


def test_a_search_directory_has_no_colon() -> None:
    assert fault_of_search_directory("/opt/a:b") == (
        "has a colon, which separates directories in PATH"
    )
    assert fault_of_search_directory("/opt/a b,c=d") is None
    assert fault_of_search_directory("opt") == "is not absolute"
