"""Which models Kai 2 takes; tests/real asks a real one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kai_2 import MODELS

from kai_ansible.rules.contract import Surface


@pytest.mark.parametrize(
    ("backend", "provider", "model", "taken"),
    [
        ("claude", "anthropic", "fable", True),
        ("claude", "anthropic", "claude-opus-4-7", True),
        ("claude", "anthropic", "gpt-5.5", False),
        ("claude", "anthropic", "opus[1m]", False),
        ("codex", "openai", "gpt-5.6-sol", True),
        ("codex", "openai", "gpt-5.6", True),
        ("codex", "openai", "gpt-5.4-nano", False),
        ("codex", "openai", "claude-opus-4-7", False),
        ("goose", "anthropic", "claude-x", True),
        ("goose", "openai", "claude-x", False),
        ("goose", "openai", "gpt-5.4-nano", True),
        ("goose", "openrouter", "any/thing", True),
        ("goose", "ollama", "llama4:8b", True),
        ("goose", "ollama", " ", False),
        ("opencode", "google", "google/gemini", True),
        ("opencode", "google", "openai/gpt", True),
        ("opencode", "google", "a/b/c", True),
        ("opencode", "google", "gemini", False),
        ("opencode", "google", "google/", False),
        ("opencode", "google", "/gemini", False),
        ("pi", "openai", "gpt", True),
        ("pi", "openai", "openai/gpt:high", True),
        ("pi", "openai", "anthropic/gpt", False),
        ("pi", "openai", "openai//gpt", False),
        ("pi", "openai", "", False),
    ],
)
def test_a_model(backend: str, provider: str, model: str, taken: bool) -> None:
    assert MODELS[backend][provider].accepts(model, provider) is taken


def test_an_alias_is_another_name() -> None:
    codex = MODELS["codex"]["openai"]
    assert codex.canonical("gpt-5.6") == "gpt-5.6-sol"
    assert codex.canonical("gpt-5.5") == "gpt-5.5"


@given(st.text(), st.sampled_from(["x", None]))
def test_nothing_blank_is_a_model(text: str, provider: str | None) -> None:
    forms: list[Surface] = [Surface(open_ended=True), MODELS["opencode"]["openai"]]
    for models in (*forms, MODELS["pi"]["openai"]):
        assert not models.accepts(" " * len(text), provider)
