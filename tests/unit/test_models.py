"""Backends, providers and models: the rules, the stand-in bot and lists written out here."""

from itertools import product

import pytest
from kai import models as bot

from kai_ansible.rules.contract import Contract
from kai_ansible.rules.models import (
    belongs_elsewhere,
    effective_provider,
    names_provider,
    normalised_model,
    providers_of,
    surface_of,
)

CLAUDE = ("opus", "sonnet", "haiku")
CODEX = ("gpt-5.5", "gpt-5.4", "gpt-5.4-mini", "gpt-5.3-codex", "gpt-5.3-codex-spark", "gpt-5.2")
OPENAI = ("gpt-5.4", "gpt-5.4-mini", "gpt-5.4-nano")
GOOGLE = ("gemini-3.1-pro", "gemini-3-flash", "gemini-3-deep-think")
ANY = ("anthropic/claude-sonnet-4.6", "llama4:8b", "claude-haiku-4-5-20251001", "fable", "Opus")

NAMES = (*bot.PROVIDERS, "opencode", "pi", "", "Claude")
PROVIDERS = ("anthropic", "openai", "google", "openrouter", "ollama", "deepseek", "", None)
MODELS = dict.fromkeys((*CLAUDE, *CODEX, *OPENAI, *GOOGLE, *ANY, "", " "))

# Kai runtime contract, sections 1.1 to 1.3, tag MAY
OFFERED: dict[tuple[str, str], tuple[tuple[str, ...], str | None]] = {
    ("claude", "anthropic"): (CLAUDE, "sonnet"),
    ("codex", "openai"): (CODEX, "gpt-5.5"),
    ("goose", "anthropic"): (CLAUDE, "sonnet"),
    ("goose", "openai"): (OPENAI, "gpt-5.4"),
    ("goose", "google"): (GOOGLE, "gemini-3-flash"),
    ("goose", "openrouter"): (
        (*CLAUDE, *dict.fromkeys((*CODEX, *OPENAI)), *GOOGLE, *ANY),
        None,
    ),
    ("goose", "ollama"): ((*CLAUDE, *dict.fromkeys((*CODEX, *OPENAI)), *GOOGLE, *ANY), None),
}


@pytest.mark.parametrize("backend", NAMES)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_triple(contract: Contract, backend: str, provider: str | None) -> None:
    surface = surface_of(contract, backend, provider)
    if (backend, provider) not in OFFERED:
        assert surface is None
        assert provider not in bot.PROVIDERS.get(backend, ())
        return
    assert surface is not None and provider is not None
    models, default = OFFERED[backend, provider]
    assert {model for model in MODELS if surface.accepts(model)} == set(models)
    assert surface.default == default == bot.surface_default(backend, provider)
    for model in MODELS:
        # the bot takes a blank name of an open-ended provider, which no provider has
        if model.strip():
            assert surface.accepts(model) == bot.is_valid_model(backend, provider, model)


def test_the_order_is_the_one_that_is_offered(contract: Contract) -> None:
    for (backend, provider), (models, _) in OFFERED.items():
        surface = surface_of(contract, backend, provider)
        assert surface is not None
        assert surface.models == (() if surface.open_ended else models)


@pytest.mark.parametrize(
    ("backend", "providers", "named"),
    [
        ("claude", ("anthropic",), False),
        ("codex", ("openai",), False),
        ("goose", ("anthropic", "openai", "google", "openrouter", "ollama"), True),
        ("opencode", (), False),
        ("", (), False),
    ],
)
def test_providers(
    contract: Contract, backend: str, providers: tuple[str, ...], named: bool
) -> None:
    assert providers_of(contract, backend) == providers == bot.PROVIDERS.get(backend, ())
    assert names_provider(contract, backend) is named


@pytest.mark.parametrize(
    ("backend", "named", "effective"),
    [
        ("claude", None, "anthropic"),
        ("claude", "google", "anthropic"),
        ("codex", "anthropic", "openai"),
        ("goose", "google", "google"),
        ("goose", "deepseek", "deepseek"),
        ("goose", None, None),
        ("goose", "", None),
        ("opencode", "openai", None),
    ],
)
def test_the_effective_provider(
    contract: Contract, backend: str, named: str | None, effective: str | None
) -> None:
    assert effective_provider(contract, backend, named) == effective


@pytest.mark.parametrize(
    ("typed", "model"),
    [
        (" Opus ", "opus"),
        ("GPT-5.3-Codex-Spark", "gpt-5.3-codex-spark"),
        ("Vendor/Model-X", "Vendor/Model-X"),
        (" llama4:8b", "llama4:8b"),
        ("", ""),
    ],
)
def test_known_names_are_compared_in_lower_case(contract: Contract, typed: str, model: str) -> None:
    assert normalised_model(contract, typed) == model


def test_names_of_another_surface(contract: Contract) -> None:
    told = {
        (provider, model)
        for provider, model in product(PROVIDERS, ("opus", "gpt-5.5", "vendor/opus"))
        if (surface := surface_of(contract, "goose", provider))
        and belongs_elsewhere(contract, surface, model)
    }
    assert told == {
        ("openrouter", "opus"),
        ("openrouter", "gpt-5.5"),
        ("ollama", "opus"),
        ("ollama", "gpt-5.5"),
    }
