"""Conditions of the contract."""

from typing import Any

import pytest

from kai_ansible.rules.conditions import Circumstances, holds, in_words
from kai_ansible.rules.contract import When
from kai_ansible.rules.typed_data import Unfit, read

HERE = Circumstances(
    settings={"MEMORY_ENABLED": False, "CODEX_AUTH_MODE": "api_key"},
    pairs=frozenset({("codex", "openai"), ("goose", "google")}),
    global_backend="codex",
)


@pytest.mark.parametrize(
    ("condition", "truth", "words"),
    [
        ("always", True, "always"),
        ({"backend": "codex"}, True, "a user with backend codex exists"),
        ({"backend": "claude"}, False, "a user with backend claude exists"),
        (
            {"backend": "goose", "provider": "google"},
            True,
            "a user with backend goose on google exists",
        ),
        (
            {"backend": "goose", "provider": "openai"},
            False,
            "a user with backend goose on openai exists",
        ),
        # the provider of one person and the backend of another make no pair
        (
            {"backend": "codex", "provider": "google"},
            False,
            "a user with backend codex on google exists",
        ),
        ({"global_backend": "codex"}, True, "the global backend is codex"),
        ({"global_backend": "goose"}, False, "the global backend is goose"),
        ({"setting": "CODEX_AUTH_MODE", "equals": "api_key"}, True, "CODEX_AUTH_MODE is api_key"),
        ({"setting": "MEMORY_ENABLED", "equals": True}, False, "MEMORY_ENABLED is true"),
        ({"setting": "TELEGRAM_TRANSPORT", "equals": "polling"}, False, None),
        (
            {"not": {"setting": "MEMORY_ENABLED", "equals": True}},
            True,
            "MEMORY_ENABLED is not true",
        ),
        ({"not": {"not": "always"}}, True, "not (not (always))"),
        (
            {"any": [{"backend": "claude"}, {"backend": "goose"}]},
            True,
            "a user with backend claude exists or a user with backend goose exists",
        ),
        (
            {"all": [{"backend": "claude"}, {"backend": "goose"}]},
            False,
            "a user with backend claude exists and a user with backend goose exists",
        ),
        ({"all": [{"any": [{"backend": "x"}, "always"]}, {"backend": "goose"}]}, True, None),
    ],
)
def test_conditions(condition: Any, truth: bool, words: str | None) -> None:
    condition = read(When, condition)
    assert holds(condition, HERE) is truth
    if words is not None:
        assert in_words(condition) == words


@pytest.mark.parametrize(
    "condition",
    [
        *("never", "", None, True, {}, {"provider": "openai"}, ["always"], {"any": ["x"]}),
        *({"any": []}, {"all": []}),
    ],
)
def test_another_vocabulary_is_an_error(condition: Any) -> None:
    with pytest.raises(Unfit):
        read(When, condition)
