"""What each person effectively gets, as the stand-in bot sees it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kai.models import PROVIDERS, is_valid_model
from kai.users import Defaults, parse_users

from kai_ansible.rules.contract import Contract
from kai_ansible.rules.users import (
    User,
    effective_user,
    inherits_provider,
    names_of,
    os_users,
    pairs_in_use,
)

MODELS = ("opus", "haiku", "gpt-5.5", "gpt-5.4", "gpt-5.4-nano", "gemini-3-flash", "vendor/x")
surfaces = st.sampled_from(
    [(backend, name) for backend, names in PROVIDERS.items() for name in names]
)


@st.composite
def globally(draw: st.DrawFn) -> dict[str, Any]:
    backend, provider = draw(surfaces)
    fitting = [model for model in MODELS if is_valid_model(backend, provider, model)]
    settings = {"AGENT_BACKEND": backend, "DEFAULT_MODEL": draw(st.sampled_from(fitting))}
    if backend == "goose" or draw(st.booleans()):
        settings["LLM_PROVIDER"] = provider
    return settings


@st.composite
def entries(draw: st.DrawFn) -> dict[str, Any]:
    entry: dict[str, Any] = {"telegram_id": 1, "name": "Ada", "role": "admin"}
    for field, values in (
        ("os_user", ["alice", "bob"]),
        ("agent_backend", list(PROVIDERS)),
        ("llm_provider", list(PROVIDERS["goose"])),
        ("model", list(MODELS)),
    ):
        if draw(st.booleans()):
            entry[field] = draw(st.sampled_from(values))
    return entry


@given(globally(), entries())
def test_the_bot_sees_the_same_person(
    contract: Contract, settings: dict[str, Any], entry: dict[str, Any]
) -> None:
    mine = effective_user(contract, settings, entry)
    # the bot forgets a provider that its own backend has no use for
    named = settings.get("LLM_PROVIDER", "") if settings["AGENT_BACKEND"] == "goose" else ""
    defaults = Defaults(settings["AGENT_BACKEND"], named, settings["DEFAULT_MODEL"])
    if inherits_provider(contract, settings, entry, mine):
        with pytest.raises(SystemExit, match="no llm_provider"):
            parse_users(json.dumps({"users": [entry]}), defaults)
        # so it is written into the entry
        entry = {**entry, "llm_provider": settings["LLM_PROVIDER"]}
    if mine.provider is None:
        with pytest.raises(SystemExit, match="no llm_provider"):
            parse_users(json.dumps({"users": [entry]}), defaults)
        return
    users = parse_users(json.dumps({"users": [entry]}), defaults)
    assert users is not None
    (bots,) = users
    assert (mine.backend, mine.provider) == (bots.backend, bots.provider)
    assert (mine.telegram_id, mine.name, mine.os_user) == (1, "Ada", bots.os_user)
    # the bot ignores a model of their own that does not fit; here it stays to be refused
    own = entry.get("model")
    if own and not is_valid_model(bots.backend, bots.provider, own):
        assert (mine.model, mine.model_from) == (own, "own")
    # an open-ended provider without a model gets whatever is global; here somebody must choose
    elif mine.model is None:
        assert bots.provider in ("openrouter", "ollama")
    else:
        assert mine.model == bots.model


@pytest.mark.parametrize(
    ("settings", "entry", "model", "model_from"),
    [
        (("claude", None, "opus"), {}, "opus", "global"),
        (("claude", None, "opus"), {"model": "Haiku"}, "haiku", "own"),
        (("claude", None, "opus"), {"agent_backend": "codex"}, "gpt-5.5", "default"),
        (("codex", None, "gpt-5.4"), {"agent_backend": "claude"}, "sonnet", "default"),
        # what is chosen for one pair is not meant for another one that has it as well
        (
            ("codex", None, "gpt-5.4-mini"),
            {"agent_backend": "goose", "llm_provider": "openai"},
            "gpt-5.4",
            "default",
        ),
        (
            ("claude", None, "opus"),
            {"agent_backend": "goose", "llm_provider": "anthropic"},
            "sonnet",
            "default",
        ),
        (("goose", "ollama", "q4_K_M"), {"model": " llama:q4_K_M"}, "llama:q4_k_m", "own"),
        (("goose", "ollama", "q4_K_M"), {}, "q4_K_M", "global"),
        (("goose", "ollama", "llama4:8b"), {}, "llama4:8b", "global"),
        (("goose", "ollama", "llama4:8b"), {"llm_provider": "openrouter"}, None, "default"),
        (("goose", "google", "gemini-3.1-pro"), {"llm_provider": "openai"}, "gpt-5.4", "default"),
        (("claude", None, "opus"), {"agent_backend": "goose"}, None, "default"),
        (("claude", None, "opus"), {"agent_backend": "pi"}, None, "default"),
    ],
)
def test_where_a_model_comes_from(
    contract: Contract,
    settings: tuple[str, str | None, str],
    entry: dict[str, Any],
    model: str | None,
    model_from: str,
) -> None:
    backend, provider, default = settings
    person = effective_user(
        contract,
        {"AGENT_BACKEND": backend, "LLM_PROVIDER": provider, "DEFAULT_MODEL": default},
        entry,
    )
    assert (person.model, person.model_from) == (model, model_from)


def test_nobody_has_an_account_that_their_entry_does_not_name(contract: Contract) -> None:
    settings = {"AGENT_BACKEND": "claude", "DEFAULT_MODEL": "opus", "CLAUDE_USER": "legacy"}
    for entry, account in (({}, None), ({"os_user": ""}, None), ({"os_user": "alice"}, "alice")):
        assert effective_user(contract, settings, entry).os_user == account


def test_lists_over_people_keep_their_order() -> None:
    people = [
        User(1, "Ada", "bob", "codex", "openai", "gpt-5.5", "own"),
        User(2, "Ben", None, "claude", "anthropic", "opus", "own"),
        User(3, "Cem", "alice", "codex", "openai", "gpt-5.4", "own"),
        User(4, "Dia", "bob", "codex", "openai", "gpt-5.2", "own"),
        User(5, "Eli", "bob", "goose", "google", "gemini-3-flash", "own"),
    ]
    assert os_users(people) == ["bob", "alice"]
    assert pairs_in_use(people) == {
        ("codex", "openai"),
        ("claude", "anthropic"),
        ("goose", "google"),
    }
    assert names_of(people, "codex") == "Ada, Cem, Dia"
    assert names_of(people, "pi") == "nobody"
