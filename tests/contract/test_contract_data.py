"""The contract of Kai 1.x against the facts it states, written out here a second time.

Kai itself is not at hand where these tests run, so every table names the section of the Kai
runtime contract or of the Kai 1.x installer facts that it was taken from. None of them may be
read from the file under test.
"""

import copy
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from kai_ansible.inventory.yaml_edit import meaning
from kai_ansible.rules.contract import Contract
from kai_ansible.rules.typed_data import Unfit, read
from tests.contract_files import data_of
from tests.later_contract import later, later_data

VARS = Path(__file__).parents[2] / "roles" / "kai_install" / "vars"


def filled(contract: dict[str, Any]) -> dict[str, Any]:
    """Return a contract with what is so where its file says nothing."""
    for part in ("host", "settings", "user_fields"):
        for name, spec in contract[part].items():
            contract[part][name] = {"type": "string", "asked": "section", **spec}
    for spec in contract["settings"].values():
        spec.setdefault("written", "set")
    for backend in contract["backends"].values():
        backend.setdefault("role_models", {})
        for purpose, spawn in backend["spawn"].items():
            usual = {"as_os_user": True, "preserve_env": [], "sets": {}}
            backend["spawn"][purpose] = {**usual, **spawn}
    return contract


CONTRACT = filled(data_of(VARS / "kai_1.yml"))
SETTINGS = CONTRACT["settings"]
BACKENDS = CONTRACT["backends"]
NO_DEFAULT = object()


# Shape


def test_a_later_version_is_what_its_types_say() -> None:
    assert later().version == 3


@pytest.mark.parametrize("contract", [CONTRACT, later_data()], ids=["today", "later"])
def test_every_version_is_told_by_its_changes(contract: dict[str, Any]) -> None:
    changes = contract["changes"]
    assert [change["version"] for change in changes] == sorted(
        change["version"] for change in changes
    )
    versions = {change["version"] for change in changes}
    assert versions == set(range(2, contract["version"] + 1))


@pytest.mark.parametrize("contract", [CONTRACT, later_data()], ids=["today", "later"])
def test_a_change_leads_to_variables_that_there_are(contract: dict[str, Any]) -> None:
    keys = [*contract["host"], *contract["settings"], "users", "users_file"]
    known = {f"kai_install_{key.lower()}" for key in keys}
    for change in reversed(contract["changes"]):
        renamed = change.get("renamed", {})
        assert {*renamed.values(), *change.get("changed", ())} <= known, change
        assert not known & {*renamed, *change.get("removed", ())}, change
        # before it, they had their former names
        known = {*known, *renamed, *change.get("removed", ())} - set(renamed.values())


def test_no_key_stands_twice() -> None:
    meaning((VARS / "kai_1.yml").read_text(encoding="utf-8"))


def remove(*path: str) -> Callable[[dict[str, Any]], None]:
    def change(contract: dict[str, Any]) -> None:
        for part in path[:-1]:
            contract = contract[part]
        del contract[path[-1]]

    return change


def put(value: Any, *path: str) -> Callable[[dict[str, Any]], None]:
    def change(contract: dict[str, Any]) -> None:
        for part in path[:-1]:
            contract = contract[part]
        contract[path[-1]] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(put({}, "settingz"), id="unknown part"),
        pytest.param(remove("platforms", "darwin"), id="a platform missing"),
        pytest.param(put("often", "settings", "WEBHOOK_PORT", "written"), id="unknown word"),
        pytest.param(put(1, "settings", "WEBHOOK_PORT", "minimun"), id="misspelt property"),
        pytest.param(put("text", "settings", "WEBHOOK_PORT", "type"), id="unknown type"),
        pytest.param(
            put("8080", "settings", "WEBHOOK_PORT", "default"), id="default of other type"
        ),
        pytest.param(put(1, "settings", "SPEC_DIR", "minimum"), id="range of a text"),
        pytest.param(put("x", "settings", "WEBHOOK_SECRET", "default"), id="default of a secret"),
        pytest.param(remove("settings", "WEBHOOK_SECRET", "secret"), id="generated but public"),
        pytest.param(put("openai", "settings", "SPEC_DIR", "surface"), id="surface of a text"),
        pytest.param(remove("settings", "AGENT_BACKEND", "choices_from"), id="choice of nothing"),
        pytest.param(put(["a"], "settings", "AGENT_BACKEND", "choices"), id="two sources"),
        pytest.param(remove("settings", "WEBHOOK_PORT", "help"), id="no help"),
        pytest.param(put("x", "settings", "lower_case"), id="env key in lower case"),
        pytest.param(put("never", "settings", "WEBHOOK_PORT", "required"), id="unknown condition"),
        pytest.param(
            put({"provider": "openai"}, "settings", "OPENAI_API_KEY", "required"),
            id="provider without backend",
        ),
        pytest.param(
            put({"setting": "WEBHOOK_PORT"}, "settings", "OPENAI_API_KEY", "required"),
            id="setting without value",
        ),
        pytest.param(
            put({"any": [], "all": []}, "settings", "OPENAI_API_KEY", "required"),
            id="two conditions in one",
        ),
        pytest.param(
            put({"not": {"not": {"sometimes": 1}}}, "settings", "OPENAI_API_KEY", "applies"),
            id="unknown condition inside",
        ),
        pytest.param(put("600", "protected_files", "env", "mode"), id="mode of three digits"),
        pytest.param(put("home", "user_fields", "name", "kai_on_violation"), id="unknown effect"),
        pytest.param(remove("backends", "claude", "spawn", "chat"), id="backend without chat"),
        pytest.param(
            remove("backends", "codex", "login", "subscription", "kept_in"),
            id="login kept nowhere",
        ),
        pytest.param(
            put("/login", "backends", "codex", "login", "api_key", "then"),
            id="typed into no program",
        ),
        pytest.param(put(True, "surfaces", "openai", "open_ended"), id="open list with models"),
        pytest.param(put([{"version": 2, "what": "nothing"}], "changes"), id="change of nothing"),
        pytest.param(put(True, "user_fields", "name", "secret"), id="secret field of a user"),
        pytest.param(put("x", "settings", "WEBHOOK_PORT", "pattern"), id="pattern of a number"),
        pytest.param(put("x", "settings", "SPEC_DIR", "pattern"), id="pattern without words"),
        pytest.param(put("x", "settings", "SPEC_DIR", "item_pattern"), id="items of a text"),
        pytest.param(put(True, "settings", "SPEC_DIR", "or_zero"), id="zero of a text"),
        pytest.param(
            put(True, "settings", "WEBHOOK_PORT", "default"), id="default that is true for 1"
        ),
    ],
)
def test_the_types_refuse_a_fault(change: Callable[[dict[str, Any]], None]) -> None:
    contract = copy.deepcopy(CONTRACT)
    change(contract)
    with pytest.raises(Unfit):
        read(Contract, contract)


# Environment keys


class Key(NamedTuple):
    """What Kai knows about an environment key; ``limits`` is its range, () for none."""

    name: str
    type: str
    default: Any = NO_DEFAULT
    limits: tuple[tuple[str, Any], ...] = ()
    secret: bool = False


def at_least(number: float) -> tuple[tuple[str, Any], ...]:
    return (("minimum", number),)


def between(low: float, high: float) -> tuple[tuple[str, Any], ...]:
    return (("minimum", low), ("maximum", high))


def one_of(*choices: str) -> tuple[tuple[str, Any], ...]:
    return (("choices", list(choices)),)


MORE_THAN_0 = (("exclusive_minimum", 0),)

# Kai runtime contract, section 2.1, column MAY; ranges that Kai 1.x itself leaves open are those of
# the validators in Kai 1.x installer facts, section 2.1
RUNTIME_KEYS = [
    Key("TELEGRAM_BOT_TOKEN", "string", secret=True),
    Key("TELEGRAM_WEBHOOK_URL", "url"),
    Key("TELEGRAM_WEBHOOK_SECRET", "string", secret=True),
    Key("TELEGRAM_TRANSPORT", "choice", limits=one_of("polling", "webhook")),
    Key("WEBHOOK_SECRET", "string", secret=True),
    Key("WEBHOOK_PORT", "integer", 8080, between(1, 65535)),
    Key("AGENT_BACKEND", "choice", "claude", one_of("claude", "codex", "goose")),
    Key(
        "LLM_PROVIDER",
        "choice",
        limits=one_of("anthropic", "openai", "google", "openrouter", "ollama"),
    ),
    Key("ANTHROPIC_API_KEY", "string", secret=True),
    Key("OPENAI_API_KEY", "string", secret=True),
    Key("GOOGLE_API_KEY", "string", secret=True),
    Key("OPENROUTER_API_KEY", "string", secret=True),
    Key("ANTHROPIC_BASE_URL", "string"),
    Key("CLAUDE_CONFIG_DIR", "string"),
    Key("OPENAI_BASE_URL", "string"),
    Key("CODEX_HOME", "string"),
    Key("ANTHROPIC_HOST", "string"),
    Key("OPENAI_HOST", "string"),
    Key("OPENAI_BASE_PATH", "string"),
    Key("OLLAMA_HOST", "string"),
    # Kai's own default is sonnet on every backend, which is fatal on most of them (section 1.3):
    # it always has to be written, so the contract must not call it a default
    Key("DEFAULT_MODEL", "model"),
    Key("AGENT_TIMEOUT_SECONDS", "integer", 120, at_least(1)),
    Key("CLAUDE_MAX_SESSION_HOURS", "number", 0, at_least(0)),
    Key("CLAUDE_IDLE_TIMEOUT", "integer", 1800, at_least(0)),
    Key("BUDGET_CEILING", "number", 10.0, MORE_THAN_0),
    Key("CLAUDE_MAX_CONTEXT_WINDOW", "integer", 0, between(0, 1000000)),
    Key("CLAUDE_AUTOCOMPACT_PCT", "integer", 0, between(0, 100)),
    Key(
        "CLAUDE_EFFORT_LEVEL",
        "choice",
        "high",
        one_of("low", "medium", "high", "xhigh", "max"),
    ),
    Key("CODEX_AUTH_MODE", "choice", "subscription", one_of("subscription", "api_key")),
    Key("CODEX_BIN", "path"),
    Key("WORKSPACE_BASE", "directory"),
    Key("ALLOWED_WORKSPACES", "directory_list"),
    Key("PR_REVIEW_ENABLED", "boolean", False),
    Key("ISSUE_TRIAGE_ENABLED", "boolean", False),
    Key("PR_REVIEW_COOLDOWN", "integer", 300, at_least(0)),
    Key("PR_REVIEW_TIMEOUT_S", "integer", 900, at_least(1)),
    Key("PR_REVIEW_BUDGET_USD", "number", 1.0, MORE_THAN_0),
    Key("GITHUB_NOTIFY_CHAT_ID", "integer", limits=(("nonzero", True),)),
    Key("GITHUB_REPO", "string", ""),
    Key("SPEC_DIR", "string", "specs"),
    Key("FILE_RETENTION_DAYS", "integer", 0, at_least(0)),
    Key("VOICE_ENABLED", "boolean", False),
    Key("TTS_ENABLED", "boolean", False),
    Key("TOTP_SESSION_MINUTES", "integer", 30, at_least(1)),
    Key("TOTP_CHALLENGE_SECONDS", "integer", 120, at_least(1)),
    Key("TOTP_LOCKOUT_ATTEMPTS", "integer", 3, at_least(1)),
    Key("TOTP_LOCKOUT_MINUTES", "integer", 15, at_least(1)),
    Key("MEMORY_ENABLED", "boolean", False),
    Key("MEMORY_SEARCH_LIMIT", "integer", 10, at_least(1)),
    Key("MEMORY_TOKEN_BUDGET", "integer", 2000, at_least(1)),
    Key("MEMORY_EMBEDDING_MODEL", "string", "all-MiniLM-L6-v2"),
    Key("MEMORY_SEARCH_FLOOR", "number", 0.3, between(0.0, 1.0)),
    Key("MEMORY_EXTRACTION_ENABLED", "boolean", False),
    Key("MEMORY_EXTRACTION_TIMEOUT_S", "integer", 10, at_least(1)),
    Key("MEMORY_EPISODE_TIMEOUT_S", "integer", 120, at_least(10)),
    Key("MEMORY_CONSOLIDATION_CANDIDATES_N", "integer", 8, at_least(0)),
    Key("EPISODE_CLASSIFIER_CONTEXT_TURNS", "integer", 3, between(0, 10)),
    Key("MEMORY_DUPLICATE_THRESHOLD", "number", 0.9, between(0.3, 1.01)),
    Key("MEMORY_EXTRACTION_BUDGET_USD", "number", 0.01, at_least(0)),
    Key("MEMORY_EPISODE_BUDGET_USD", "number", 0.15, MORE_THAN_0),
    Key("PERPLEXITY_API_KEY", "string", secret=True),
    Key("PR_REVIEW_MODEL_CODEX", "model"),
    Key("ISSUE_TRIAGE_MODEL_CODEX", "model"),
]

# Kai 1.x installer facts, section 5, end: read by the bot, never asked for
SERVICE_KEYS = [
    Key("OPENWEATHER_API_KEY", "string", secret=True),
    Key("JINA_API_KEY", "string", secret=True),
]

# Kai runtime contract, section 2.1: Kai 1.x of May does not read these, later 1.x does
KNOWN_BUT_NEVER_WRITTEN = [Key("CLAUDE_BIN", "path"), Key("GOOSE_BIN", "path")]

ALL_KEYS = [*RUNTIME_KEYS, *SERVICE_KEYS, *KNOWN_BUT_NEVER_WRITTEN]

# Kai 1.x installer facts, section 5: every key that Kai's own installer can write
INSTALLER_KEYS = [
    "AGENT_BACKEND",
    "AGENT_TIMEOUT_SECONDS",
    "ALLOWED_WORKSPACES",
    "ANTHROPIC_API_KEY",
    "BUDGET_CEILING",
    "CLAUDE_AUTOCOMPACT_PCT",
    "CLAUDE_EFFORT_LEVEL",
    "CLAUDE_MAX_CONTEXT_WINDOW",
    "CLAUDE_USER",
    "CODEX_AUTH_MODE",
    "CODEX_BIN",
    "DEFAULT_MODEL",
    "EPISODE_CLASSIFIER_CONTEXT_TURNS",
    "GITHUB_NOTIFY_CHAT_ID",
    "GOOGLE_API_KEY",
    "ISSUE_TRIAGE_ENABLED",
    "LLM_PROVIDER",
    "MEMORY_CONSOLIDATION_CANDIDATES_N",
    "MEMORY_DUPLICATE_THRESHOLD",
    "MEMORY_ENABLED",
    "MEMORY_EPISODE_BUDGET_USD",
    "MEMORY_EPISODE_TIMEOUT_S",
    "MEMORY_EXTRACTION_BUDGET_USD",
    "MEMORY_EXTRACTION_ENABLED",
    "MEMORY_EXTRACTION_TIMEOUT_S",
    "MEMORY_SEARCH_LIMIT",
    "MEMORY_TOKEN_BUDGET",
    "OPENAI_API_KEY",
    "OPENROUTER_API_KEY",
    "PERPLEXITY_API_KEY",
    "PR_REVIEW_BUDGET_USD",
    "PR_REVIEW_COOLDOWN",
    "PR_REVIEW_ENABLED",
    "PR_REVIEW_TIMEOUT_S",
    "TELEGRAM_BOT_TOKEN",
    "TELEGRAM_TRANSPORT",
    "TELEGRAM_WEBHOOK_SECRET",
    "TELEGRAM_WEBHOOK_URL",
    "TTS_ENABLED",
    "VOICE_ENABLED",
    "WEBHOOK_PORT",
    "WEBHOOK_SECRET",
    "WORKSPACE_BASE",
]
LIMITS = ("choices", "exclusive_minimum", "maximum", "minimum", "nonzero", "or_zero")


def limits_of(spec: dict[str, Any]) -> dict[str, Any]:
    limits = {name: spec[name] for name in LIMITS if name in spec}
    if "choices_from" in spec:
        limits["choices"] = list(CONTRACT[spec["choices_from"]])
    return limits


@pytest.mark.parametrize("key", ALL_KEYS, ids=lambda key: key.name)
def test_environment_key(key: Key) -> None:
    spec = SETTINGS[key.name]
    assert spec["type"] == key.type
    assert limits_of(spec) == dict(key.limits)
    assert spec.get("default", NO_DEFAULT) == key.default
    assert spec.get("secret", False) is key.secret


def test_the_contract_has_no_environment_key_of_its_own() -> None:
    assert set(SETTINGS) == {key.name for key in ALL_KEYS}


def test_every_key_of_kais_own_installer_is_known() -> None:
    assert len(INSTALLER_KEYS) == 43
    assert set(INSTALLER_KEYS) <= {*SETTINGS, *CONTRACT["retired"]}


def test_only_keys_that_kai_does_not_read_are_never_written() -> None:
    never = [name for name, spec in SETTINGS.items() if spec["written"] == "never"]
    assert never == [key.name for key in KNOWN_BUT_NEVER_WRITTEN]


def test_keys_that_are_always_written() -> None:
    """Kai 1.x installer facts, section 5, and Kai runtime contract, section 1.3.

    AGENT_BACKEND and CODEX_BIN are ours: the file shall say what the checks were made for.
    """
    always = [key for key, spec in SETTINGS.items() if spec["written"] == "always"]
    assert set(always) == {
        "TELEGRAM_BOT_TOKEN",
        "WEBHOOK_PORT",
        "WEBHOOK_SECRET",
        "DEFAULT_MODEL",
        "VOICE_ENABLED",
        "TTS_ENABLED",
        "AGENT_BACKEND",
        "CODEX_BIN",
    }
    assert [key for key in always if "applies" in SETTINGS[key]] == ["CODEX_BIN"]


# Kai runtime contract, sections 1.4 and 2.1, "Required when"
CODEX_WITH_A_KEY = {
    "any": [
        {"backend": "goose", "provider": "openai"},
        {"all": [{"backend": "codex"}, {"setting": "CODEX_AUTH_MODE", "equals": "api_key"}]},
    ]
}
REQUIRED = {
    "TELEGRAM_BOT_TOKEN": "always",
    "TELEGRAM_WEBHOOK_URL": {"setting": "TELEGRAM_TRANSPORT", "equals": "webhook"},
    "WEBHOOK_SECRET": "always",
    "DEFAULT_MODEL": "always",
    "LLM_PROVIDER": {"global_backend": "goose"},
    "ANTHROPIC_API_KEY": {"backend": "goose", "provider": "anthropic"},
    "OPENAI_API_KEY": CODEX_WITH_A_KEY,
    "GOOGLE_API_KEY": {"backend": "goose", "provider": "google"},
    "OPENROUTER_API_KEY": {"backend": "goose", "provider": "openrouter"},
}


def test_required_keys() -> None:
    required = {key: spec["required"] for key, spec in SETTINGS.items() if "required" in spec}
    assert required == REQUIRED


# Kai 1.x installer facts, sections 2.4 and 5: what belongs to one backend does not reach another
@pytest.mark.parametrize(
    ("key", "condition"),
    [
        ("LLM_PROVIDER", {"backend": "goose"}),
        ("GOOGLE_API_KEY", {"backend": "goose", "provider": "google"}),
        ("OPENROUTER_API_KEY", {"backend": "goose", "provider": "openrouter"}),
        ("OPENAI_API_KEY", CODEX_WITH_A_KEY),
        ("CODEX_AUTH_MODE", {"backend": "codex"}),
        ("CODEX_BIN", {"backend": "codex"}),
        ("CLAUDE_AUTOCOMPACT_PCT", {"backend": "claude"}),
        ("CLAUDE_EFFORT_LEVEL", {"backend": "claude"}),
        ("PR_REVIEW_MODEL_CODEX", {"backend": "codex"}),
        ("ISSUE_TRIAGE_MODEL_CODEX", {"backend": "codex"}),
    ],
)
def test_key_of_one_backend(key: str, condition: Any) -> None:
    assert SETTINGS[key]["applies"] == condition


def test_conflicts() -> None:
    """Kai runtime contract, section 2.1: a URL means webhooks; extraction is part of memory."""
    conflicts = {key: spec["conflicts"] for key, spec in SETTINGS.items() if "conflicts" in spec}
    assert conflicts == {
        "TELEGRAM_WEBHOOK_URL": {"setting": "TELEGRAM_TRANSPORT", "equals": "polling"},
        "MEMORY_EXTRACTION_ENABLED": {"not": {"setting": "MEMORY_ENABLED", "equals": True}},
    }
    assert CONTRACT["memory_extraction_backends"] == ["claude", "codex"]


def test_old_names() -> None:
    """Kai runtime contract, section 2.1: aliases that Kai 1.x reads."""
    old_names = {key: spec["old_names"] for key, spec in SETTINGS.items() if "old_names" in spec}
    assert old_names == {
        "DEFAULT_MODEL": ["CLAUDE_MODEL"],
        "AGENT_TIMEOUT_SECONDS": ["CLAUDE_TIMEOUT_SECONDS"],
        "BUDGET_CEILING": ["CLAUDE_MAX_BUDGET_USD"],
    }


def test_settings_of_the_installation() -> None:
    """Kai 1.x installer facts, sections 2.2 (1 to 3) and 4 (step 3); the rest is ours."""
    host = CONTRACT["host"]
    assert {name: spec.get("default") for name, spec in host.items()} == {
        "service_user": "kai",
        "create_os_users": False,
        "trust_user_binaries": False,
        "install_dir": "/opt/kai",
        "data_dir": "/var/lib/kai",
        "source": None,
        "version": None,
        "source_checksum": None,
        "source_files": None,
        "constraints": None,
        "extras": None,
        "index_url": None,
        "environment": None,
        "wheelhouse": None,
        "python": None,
        "services_file": None,
        "workspaces_file": None,
        "health_timeout": 120,
        "keep_releases": 3,
    }
    assert [name for name, spec in host.items() if "required" in spec] == ["source"]
    assert [name for name, spec in host.items() if spec.get("on_controller")] == [
        "source",
        "source_files",
        "constraints",
        "services_file",
        "workspaces_file",
    ]


def test_retired_keys() -> None:
    """Kai runtime contract, section 2.1; ALLOWED_USER_IDS only counts without a users.yaml."""
    assert set(CONTRACT["retired"]) == {
        "ALLOWED_USER_IDS",
        "CLAUDE_USER",
        "MEMORY_REASONER_BACKEND",
        "MEMORY_EXTRACTION_MODEL",
        "MEMORY_EPISODE_MODEL",
        "MEMORY_SCOPED_RECALL_ENABLED",
        "MEMORY_RECALL_SHADOW_ENABLED",
    }


def test_process_environment() -> None:
    """Kai runtime contract, sections 0 (4) and 2.2; PATH is the platforms' search_path."""
    environment = CONTRACT["process_environment"]
    assert {"KAI_INSTALL_DIR", "KAI_DATA_DIR"} <= set(environment)
    assert set(environment) <= {"KAI_INSTALL_DIR", "KAI_DATA_DIR", "PATH"}
    assert environment["KAI_INSTALL_DIR"].startswith("{install_dir}")
    assert environment["KAI_DATA_DIR"] == "{data_dir}"


# Backends, providers, models


def test_providers() -> None:
    """Kai runtime contract, section 1.1."""
    assert {name: entry["key"] for name, entry in CONTRACT["providers"].items()} == {
        "anthropic": "ANTHROPIC_API_KEY",
        "openai": "OPENAI_API_KEY",
        "google": "GOOGLE_API_KEY",
        "openrouter": "OPENROUTER_API_KEY",
        "ollama": None,
    }


# Kai runtime contract, sections 1.1 to 1.3, and Kai 1.x installer facts, section 2.5
CLAUDE_MODELS = ["opus", "sonnet", "haiku"]
CODEX_MODELS = [
    "gpt-5.5",
    "gpt-5.4",
    "gpt-5.4-mini",
    "gpt-5.3-codex",
    "gpt-5.3-codex-spark",
    "gpt-5.2",
]
MODELS = [
    ("claude", "anthropic", CLAUDE_MODELS, "sonnet"),
    ("codex", "openai", CODEX_MODELS, "gpt-5.5"),
    ("goose", "anthropic", CLAUDE_MODELS, "sonnet"),
    ("goose", "openai", ["gpt-5.4", "gpt-5.4-mini", "gpt-5.4-nano"], "gpt-5.4"),
    (
        "goose",
        "google",
        ["gemini-3.1-pro", "gemini-3-flash", "gemini-3-deep-think"],
        "gemini-3-flash",
    ),
    ("goose", "openrouter", None, None),
    ("goose", "ollama", None, None),
]


@pytest.mark.parametrize(("backend", "provider", "models", "default"), MODELS)
def test_models(backend: str, provider: str, models: list[str] | None, default: str | None) -> None:
    surface = CONTRACT["surfaces"][BACKENDS[backend]["surfaces"][provider]]
    assert surface.get("models") == models
    assert surface.get("default") == default
    assert surface.get("open_ended", False) is (models is None)


def test_pairs_of_backend_and_provider() -> None:
    pairs = [(backend, name) for backend, entry in BACKENDS.items() for name in entry["surfaces"]]
    assert pairs == [(backend, provider) for backend, provider, _, _ in MODELS]
    named = [backend for backend, entry in BACKENDS.items() if entry["names_provider"]]
    assert named == ["goose"]


def test_codex_overrides_are_models_of_codex() -> None:
    for key in ("PR_REVIEW_MODEL_CODEX", "ISSUE_TRIAGE_MODEL_CODEX"):
        assert CONTRACT["surfaces"][SETTINGS[key]["surface"]]["models"] == CODEX_MODELS
    assert "surface" not in SETTINGS["DEFAULT_MODEL"]


def test_no_role_is_left_without_a_model() -> None:
    """Kai runtime contract, section 1.3: goose has its own tables, by provider, inside Kai."""
    roles = set().union(*(entry["role_models"] for entry in BACKENDS.values()))
    for name, entry in BACKENDS.items():
        if entry["role_models"]:
            assert entry["role_models"].keys() == roles
            # a table by role alone is enough only where there is one provider
            assert len(entry["surfaces"]) == 1
        else:
            # nothing of ours asks such a backend for a role but the chat
            assert name not in CONTRACT["memory_extraction_backends"]
            assert entry["spawn"].keys() == {"chat"}


def test_models_by_role() -> None:
    """Kai runtime contract, section 1.3, the table of roles."""
    haiku = "claude-haiku-4-5-20251001"
    assert {name: entry["role_models"] for name, entry in BACKENDS.items()} == {
        "claude": {
            "pr_review": "sonnet",
            "issue_triage": "sonnet",
            "behavioral_gen": "sonnet",
            "behavioral_judge": haiku,
            "memory_extraction": haiku,
            "memory_episode": haiku,
        },
        "codex": dict.fromkeys(
            [
                "pr_review",
                "issue_triage",
                "behavioral_gen",
                "behavioral_judge",
                "memory_extraction",
                "memory_episode",
            ],
            "gpt-5.4-mini",
        ),
        "goose": {},
    }


def test_ways_of_login() -> None:
    """Kai runtime contract, sections 0 (7) and 1.5."""
    assert BACKENDS["codex"]["auth_setting"] == "CODEX_AUTH_MODE"
    assert set(BACKENDS["codex"]["login"]) == {"subscription", "api_key"}
    subscription = BACKENDS["codex"]["login"]["subscription"]
    assert subscription["command"] == ["codex", "login"]
    assert subscription["kept_in"] == [".codex/auth.json"]
    assert BACKENDS["codex"]["login"]["api_key"]["env_keep"] == ["OPENAI_API_KEY"]
    assert ".claude/.credentials.json" in BACKENDS["claude"]["login"]["subscription"]["kept_in"]
    assert BACKENDS["goose"]["login"] == {}


# How agents are started


# Kai runtime contract, section 4.1: backend, purpose, through sudo, first arguments, preserved
SPAWNS: list[tuple[str, str, bool, str, str]] = [
    (
        "claude",
        "chat",
        True,
        (
            "--input-format stream-json --output-format stream-json --verbose --model {model}"
            " --effort {effort} --permission-mode bypassPermissions"
        ),
        "KAI_WEBHOOK_SECRET,TMPDIR",
    ),
    (
        "claude",
        "memory",
        True,
        "--print",
        "CLAUDE_CONFIG_DIR,ANTHROPIC_API_KEY,ANTHROPIC_BASE_URL",
    ),
    ("claude", "review", True, "--print --model {model}", ""),
    ("codex", "chat", True, "app-server", "KAI_WEBHOOK_SECRET,TMPDIR"),
    (
        "codex",
        "memory",
        True,
        "exec --json --skip-git-repo-check --ephemeral --ignore-rules",
        "CODEX_HOME,OPENAI_API_KEY,OPENAI_BASE_URL",
    ),
    (
        "codex",
        "review",
        True,
        "exec --json --skip-git-repo-check --model {model}",
        "KAI_WEBHOOK_SECRET",
    ),
    ("goose", "chat", False, "acp --with-builtin developer", ""),
]


@pytest.mark.parametrize(("backend", "purpose", "as_os_user", "arguments", "preserved"), SPAWNS)
def test_spawn(
    backend: str, purpose: str, as_os_user: bool, arguments: str, preserved: str
) -> None:
    spawn = BACKENDS[backend]["spawn"][purpose]
    assert spawn["as_os_user"] is as_os_user
    assert " ".join(spawn["arguments"]) == arguments
    assert ",".join(spawn["preserve_env"]) == preserved
    sets = {
        ("claude", "chat"): {"TMPDIR": "{data_dir}/tmp/{os_user}"},
        ("codex", "chat"): {"CODEX_MODEL": "{model}", "CODEX_PROVIDER": "{provider}"},
        ("goose", "chat"): {"GOOSE_PROVIDER": "{provider}", "GOOSE_MODEL": "{model}"},
    }
    assert spawn["sets"] == sets.get((backend, purpose), {})
    given = {"KAI_WEBHOOK_SECRET": "WEBHOOK_SECRET"} if purpose == "chat" else {}
    if (backend, purpose) == ("claude", "chat"):
        given["CLAUDE_AUTOCOMPACT_PCT_OVERRIDE"] = "CLAUDE_AUTOCOMPACT_PCT"
        assert spawn["env_keep"] == ["CLAUDE_AUTOCOMPACT_PCT_OVERRIDE"]
    assert spawn.get("copies", {}) == given


def test_no_other_way_to_start_an_agent() -> None:
    spawns = [(backend, purpose) for backend in BACKENDS for purpose in BACKENDS[backend]["spawn"]]
    assert spawns == [(backend, purpose) for backend, purpose, *_ in SPAWNS]


# Kai runtime contract, section 4.1: claude and goose by bare name, codex by CODEX_BIN
@pytest.mark.parametrize(
    ("backend", "setting", "started_by"),
    [
        ("claude", "CLAUDE_BIN", "name"),
        ("codex", "CODEX_BIN", "setting"),
        ("goose", "GOOSE_BIN", "name"),
    ],
)
def test_program_of_a_backend(backend: str, setting: str, started_by: str) -> None:
    binary = BACKENDS[backend]["binary"]
    assert (binary["setting"], binary["name"]) == (setting, backend)
    assert binary["started_by"] == started_by


def test_usual_places_of_kais_own_installer() -> None:
    """Kai 1.x installer facts, section 6: claude below the service user's home, codex of Homebrew.

    The Homebrew path is Kai's answer on Linux too; there it is never right.
    """
    for platform in ("linux", "darwin"):
        places = BACKENDS["claude"]["binary"]["usual_places"][platform]
        assert places[0] == "{service_home}/.local/bin/claude"
        for backend in BACKENDS.values():
            homebrew = [
                path for path in backend["binary"]["usual_places"][platform] if "brew" in path
            ]
            assert bool(homebrew) is (platform == "darwin")


# Files, directories, systems


# Kai runtime contract, section 5, and Kai 1.x installer facts, sections 5 and 6
def test_protected_files() -> None:
    files = CONTRACT["protected_files"].values()
    assert {entry["path"]: (entry["mode"], entry["access"]) for entry in files} == {
        "/etc/kai/env": ("0600", ["read"]),
        "/etc/kai/services.yaml": ("0600", ["read"]),
        "/etc/kai/users.yaml": ("0600", ["read"]),
        "/etc/kai/workspaces.yaml": ("0600", ["read"]),
        "/etc/kai/totp.secret": ("0600", ["read"]),
        "/etc/kai/totp.attempts": ("0600", ["read", "write"]),
    }
    needed = {entry["nothing_without"] for entry in files if "nothing_without" in entry}
    assert needed == {"totp_secret"}
    assert needed <= set(CONTRACT["protected_files"])
    assert CONTRACT["config_dir"] == {"path": "/etc/kai", "owner": "root", "mode": "0755"}
    sudoers = CONTRACT["sudoers"]
    assert (sudoers["path"], sudoers["mode"]) == ("/etc/sudoers.d/kai", "0440")
    # Kai runtime contract, section 0, trap 9
    assert sudoers["minimum_version"] == "1.8.29"


def test_programs_that_kai_starts_by_name() -> None:
    """Kai runtime contract, sections 4.1 and 7."""
    needed = {name: "applies" in entry for name, entry in CONTRACT["programs"].items()}
    assert {name: needed[name] for name in ("sudo", "pgrep", "ffmpeg", "whisper-cli")} == {
        "sudo": False,
        "pgrep": False,
        "ffmpeg": True,
        "whisper-cli": True,
    }


# Kai 1.x installer facts, section 4, steps 1 and 8. Our modes are tighter than Kai's 0755 on
# purpose, so these tables have none.
def test_directories() -> None:
    owners = {entry["path"]: entry["owner"] for entry in CONTRACT["directories"]}
    kais = {
        "{install_dir}": "root",
        "{data_dir}": "service",
        "{data_dir}/logs": "service",
        "{data_dir}/files": "service",
        "{data_dir}/history": "service",
        "{data_dir}/memory": "service",
        "{data_dir}/preferences": "service",
        "{data_dir}/home": "service",
        "{data_dir}/tmp": "service",
    }
    assert kais.items() <= owners.items()
    # what the bot makes at run time, and would open to everybody
    made = {"{data_dir}/memory/qdrant", "{data_dir}/.responding"}
    # where Kai's own installer has them
    beside = {"{install_dir}/releases", "{install_dir}/models"}
    assert set(owners) - set(kais) == {*beside, *made}


def test_directories_of_a_person() -> None:
    assert {
        entry["path"]: (entry["owner"], entry.get("reader"))
        for entry in CONTRACT["user_directories"]
    } == {
        "{data_dir}/history/{telegram_id}": ("service", "agent"),
        "{data_dir}/files/{telegram_id}": ("service", "agent"),
        "{data_dir}/memory/{telegram_id}": ("agent", None),
        "{data_dir}/preferences/{telegram_id}": ("agent", None),
        "{home}": ("agent", None),
        "{home}/.claude": ("agent", None),
    }
    assert CONTRACT["os_user_directories"] == [
        {"path": "{data_dir}/tmp/{os_user}", "owner": "agent", "mode": "0700"}
    ]
    assert CONTRACT["default_home"] == "{data_dir}/home/{telegram_id}"


def test_no_directory_is_more_open_than_kais() -> None:
    for part in ("directories", "user_directories", "os_user_directories"):
        for entry in CONTRACT[part]:
            assert int(entry["mode"], 8) & 0o777 & ~0o755 == 0, entry


# Kai 1.x installer facts, section 4, steps 6 and 8
def test_files_that_a_person_starts_with() -> None:
    assert {
        entry["path"]: (entry.get("source"), entry.get("fallback", "").strip())
        for entry in [*CONTRACT["user_seeds"], *CONTRACT["backend_seeds"]["goose"]]
    } == {
        "{data_dir}/files/{telegram_id}/.keep": (None, ""),
        "{data_dir}/memory/{telegram_id}/MEMORY.md": ("templates/.claude/MEMORY.md", "# Memory"),
        "{data_dir}/preferences/{telegram_id}/PREFERENCES.md": (
            "templates/.claude/PREFERENCES.md",
            "# Preferences",
        ),
        "{home}/.claude/CLAUDE.md": ("templates/.claude/CLAUDE.md", "# Identity"),
        "{service_home}/.config/goose/config.yaml": ("templates/config/goose-config.yaml", ""),
    }


def test_package() -> None:
    """Kai runtime contract, section 9, and the imports of those packages."""
    assert CONTRACT["package"]["constraints"] == "requirements/constraints.txt"
    assert {
        name: (extra.get("feature"), extra["modules"])
        for name, extra in CONTRACT["package"]["extras"].items()
    } == {
        "memory": (
            {"setting": "MEMORY_ENABLED", "equals": True},
            ["mem0", "sentence_transformers"],
        ),
        "totp": (None, ["pyotp", "qrcode"]),
        "tts": ({"setting": "TTS_ENABLED", "equals": True}, ["piper"]),
    }


def test_service() -> None:
    """Kai runtime contract, section 7; Kai 1.x installer facts, section 4, step 3."""
    service = CONTRACT["service"]
    assert service["module"] == "kai"
    assert service["requires_python"] == ">=3.13"
    assert service["health_path"] == "/health"
    assert service["health_host"] == "127.0.0.1"
    assert service["port_setting"] == "WEBHOOK_PORT"
    assert service["database"] == "{data_dir}/kai.db"


# Kai runtime contract, sections 7 and 9; Kai 1.x installer facts, sections 6 and 8. Where Kai's
# tables have one path, it must be the first that is tried.
@pytest.mark.parametrize(
    ("platform", "facts", "tools"),
    [
        (
            "linux",
            {
                "manager": "systemd",
                "unit": {"name": "kai", "path": "/etc/systemd/system/kai.service", "mode": "0644"},
                "search_path": ["{service_home}/.local/bin", "/usr/local/bin", "/usr/bin", "/bin"],
                "home_base": "/home",
            },
            {"cat": "/usr/bin/cat", "tee": "/usr/bin/tee", "kill": "/bin/kill"},
        ),
        (
            "darwin",
            {
                "manager": "launchd",
                "unit": {
                    "name": "com.syrinx.kai",
                    "path": "/Library/LaunchDaemons/com.syrinx.kai.plist",
                    "mode": "0644",
                },
                "search_path": [
                    "{service_home}/.local/bin",
                    "/usr/local/bin",
                    "/opt/homebrew/bin",
                    "/usr/bin",
                    "/bin",
                ],
                "home_base": "/Users",
            },
            {"cat": "/bin/cat", "tee": "/usr/bin/tee", "kill": "/bin/kill"},
        ),
    ],
)
def test_platform(platform: str, facts: dict[str, Any], tools: dict[str, str]) -> None:
    entry = CONTRACT["platforms"][platform]
    assert {name: entry[name] for name in facts} == facts
    assert {name: entry[name][0] for name in tools} == tools


def test_kill_is_the_one_path_that_kai_calls() -> None:
    """Kai runtime contract, section 4.1."""
    assert all(entry["kill"] == ["/bin/kill"] for entry in CONTRACT["platforms"].values())


# People


# Kai 1.x installer facts, section 7.5, and Kai runtime contract, section 3
USER_FIELDS: list[tuple[str, str, dict[str, Any], str]] = [
    ("telegram_id", "integer", {"minimum": 1}, "entry skipped"),
    ("name", "string", {}, "entry skipped"),
    ("role", "choice", {"choices": ["admin", "user"]}, "entry skipped"),
    ("github", "string", {}, "none"),
    ("os_user", "account", {}, "none"),
    ("home_workspace", "directory", {}, "ignored"),
    ("max_budget", "number", {"exclusive_minimum": 0}, "entry skipped"),
    ("agent_backend", "choice", {"choices": ["claude", "codex", "goose"]}, "start refused"),
    (
        "llm_provider",
        "choice",
        {"choices": ["anthropic", "openai", "google", "openrouter", "ollama"]},
        "start refused",
    ),
    ("model", "model", {}, "ignored"),
    ("timeout", "integer", {"minimum": 1}, "ignored"),
    (
        "context_window",
        "integer",
        {"minimum": 50000, "maximum": 1000000, "or_zero": True},
        "ignored",
    ),
    ("workspace_base", "directory", {}, "ignored"),
    ("allowed_workspaces", "list", {}, "item dropped"),
    ("github_repos", "list", {}, "item dropped"),
    ("github_notify_chat_id", "integer", {"nonzero": True}, "ignored"),
    ("pr_review", "boolean", {}, "ignored"),
    ("issue_triage", "boolean", {}, "ignored"),
]


@pytest.mark.parametrize(("name", "kind", "limits", "effect"), USER_FIELDS)
def test_user_field(name: str, kind: str, limits: dict[str, Any], effect: str) -> None:
    spec = CONTRACT["user_fields"][name]
    assert spec["type"] == kind
    assert limits_of(spec) == limits
    assert spec["kai_on_violation"] == effect
    assert spec.get("required", False) is (name in ("telegram_id", "name"))
    assert spec.get("unique", False) is (name == "telegram_id")


def test_no_other_user_field() -> None:
    assert list(CONTRACT["user_fields"]) == [name for name, *_ in USER_FIELDS]


def test_defaults_and_items_of_user_fields() -> None:
    fields = CONTRACT["user_fields"]
    assert {name: spec["default"] for name, spec in fields.items() if "default" in spec} == {
        "role": "user"
    }
    assert fields["allowed_workspaces"]["items"] == "directory"
    assert re.fullmatch(fields["github_repos"]["item_pattern"], "owner/repo.name-1")
    assert not re.fullmatch(fields["github_repos"]["item_pattern"], "owner")


@pytest.mark.parametrize("name", ["admin", "Ada Lovelace", "kai_2-b"])
def test_display_name_of_kais_wizard(name: str) -> None:
    """Kai 1.x installer facts, section 2.1."""
    assert re.fullmatch(CONTRACT["user_fields"]["name"].get("pattern", ".*"), name)


def test_blank_display_name() -> None:
    """Kai runtime contract, section 3: a blank name makes Kai skip the entry."""
    assert not re.fullmatch(CONTRACT["user_fields"]["name"].get("pattern", r".*\S.*"), "  ")


# The wizard


# Kai 1.x installer facts, section 2.2: number, label, home in the contract, what Kai offers first
QUESTIONS: list[tuple[int, str, list[str], Any]] = [
    (1, "Install location", ["host.install_dir"], "/opt/kai"),
    (2, "Data directory", ["host.data_dir"], "/var/lib/kai"),
    (3, "Service user", ["host.service_user"], "kai"),
    (4, "Platform", ["platforms.linux", "platforms.darwin"], None),
    (5, "Telegram bot token", ["settings.TELEGRAM_BOT_TOKEN"], None),
    (6, "Admin Telegram ID", ["user_fields.telegram_id"], None),
    (7, "Admin display name", ["user_fields.name"], "admin"),
    # only opens question 9
    (8, "Configure advanced user options", ["user_fields.os_user"], None),
    (9, "OS user for subprocess isolation", ["user_fields.os_user"], None),
    (10, "Telegram transport", ["settings.TELEGRAM_TRANSPORT"], "polling"),
    (11, "Telegram webhook URL", ["settings.TELEGRAM_WEBHOOK_URL"], None),
    (12, "Telegram webhook secret", ["settings.TELEGRAM_WEBHOOK_SECRET"], None),
    (13, "Agent backend", ["settings.AGENT_BACKEND"], "claude"),
    (14, "Codex auth mode", ["settings.CODEX_AUTH_MODE"], "subscription"),
    (15, "OPENAI_API_KEY", ["settings.OPENAI_API_KEY"], None),
    (16, "Codex binary path", ["settings.CODEX_BIN"], None),
    (17, "LLM provider", ["settings.LLM_PROVIDER"], None),
    (
        18,
        "the provider's key name",
        [
            "settings.ANTHROPIC_API_KEY",
            "settings.OPENAI_API_KEY",
            "settings.GOOGLE_API_KEY",
            "settings.OPENROUTER_API_KEY",
        ],
        None,
    ),
    (19, "Default model", ["settings.DEFAULT_MODEL"], None),
    (20, "Agent timeout (seconds)", ["settings.AGENT_TIMEOUT_SECONDS"], 120),
    (21, "Claude budget (USD)", ["settings.BUDGET_CEILING"], 10.0),
    (22, "Max context window", ["settings.CLAUDE_MAX_CONTEXT_WINDOW"], 200000),
    (23, "Autocompact threshold", ["settings.CLAUDE_AUTOCOMPACT_PCT"], 80),
    (24, "Inner Claude effort level", ["settings.CLAUDE_EFFORT_LEVEL"], "high"),
    (25, "Webhook port", ["settings.WEBHOOK_PORT"], 8080),
    (26, "Webhook secret", ["settings.WEBHOOK_SECRET"], None),
    (27, "Workspace base directory", ["settings.WORKSPACE_BASE"], None),
    (28, "Allowed workspaces", ["settings.ALLOWED_WORKSPACES"], None),
    (29, "Enable PR review agent", ["settings.PR_REVIEW_ENABLED"], False),
    (30, "Review cooldown in seconds", ["settings.PR_REVIEW_COOLDOWN"], 300),
    (31, "Review subprocess timeout", ["settings.PR_REVIEW_TIMEOUT_S"], 900),
    (32, "Review subprocess USD budget", ["settings.PR_REVIEW_BUDGET_USD"], 1.0),
    (33, "Enable issue triage agent", ["settings.ISSUE_TRIAGE_ENABLED"], False),
    (34, "GitHub notification chat ID", ["settings.GITHUB_NOTIFY_CHAT_ID"], None),
    (35, "Voice transcription", ["settings.VOICE_ENABLED"], False),
    (36, "Text-to-speech", ["settings.TTS_ENABLED"], False),
    (37, "Claude subprocess user", ["user_fields.os_user"], None),
    (38, "Enable semantic memory", ["settings.MEMORY_ENABLED"], False),
    (39, "Enable memory extraction", ["settings.MEMORY_EXTRACTION_ENABLED"], False),
    (40, "Codex binary path", ["settings.CODEX_BIN"], None),
    (41, "Per-extraction timeout", ["settings.MEMORY_EXTRACTION_TIMEOUT_S"], 10),
    (42, "Consolidation candidates", ["settings.MEMORY_CONSOLIDATION_CANDIDATES_N"], 8),
    (43, "Episode classifier turns", ["settings.EPISODE_CLASSIFIER_CONTEXT_TURNS"], 3),
    (44, "Per-episode timeout", ["settings.MEMORY_EPISODE_TIMEOUT_S"], 120),
    (45, "Paraphrase-dedup threshold", ["settings.MEMORY_DUPLICATE_THRESHOLD"], 0.9),
    (46, "Memory token budget per turn", ["settings.MEMORY_TOKEN_BUDGET"], 2000),
    (47, "Memory search result limit", ["settings.MEMORY_SEARCH_LIMIT"], 10),
    (48, "Perplexity API key", ["settings.PERPLEXITY_API_KEY"], None),
]


def test_every_question_is_in_the_table() -> None:
    assert [number for number, *_ in QUESTIONS] == list(range(1, 49))


@pytest.mark.parametrize(
    ("homes", "offered"),
    [
        pytest.param(homes, offered, id=f"{number} {label}")
        for number, label, homes, offered in QUESTIONS
    ],
)
def test_question_of_kais_wizard_has_a_home(homes: list[str], offered: Any) -> None:
    for home in homes:
        part, _, name = home.partition(".")
        spec = CONTRACT[part][name]
        if part == "platforms":
            continue
        assert spec["asked"] in ("essential", "section")
        assert spec["prompt"].strip()
        assert spec.get("suggestion", spec.get("default")) == offered


def test_a_webhook_secret_is_made_as_kai_makes_it() -> None:
    """Kai 1.x installer facts, section 2.2, question 26."""
    generated = {key: spec["generate"] for key, spec in SETTINGS.items() if "generate" in spec}
    assert generated == {"WEBHOOK_SECRET": "hex64"}


# Consistency


def conditions() -> Iterator[tuple[str, Any]]:
    """Yield the key of a setting and every condition in it, nested ones included."""

    def nested(condition: Any) -> Iterator[Any]:
        yield condition
        if isinstance(condition, dict):
            for part in (*condition.get("any", ()), *condition.get("all", ())):
                yield from nested(part)
            if "not" in condition:
                yield from nested(condition["not"])

    for key, spec in SETTINGS.items():
        for name in ("required", "applies", "conflicts"):
            if name in spec:
                for condition in nested(spec[name]):
                    yield key, condition


def described_values() -> Iterator[tuple[str, dict[str, Any]]]:
    for part in ("host", "settings", "user_fields"):
        for name, spec in CONTRACT[part].items():
            yield f"{part}.{name}", spec


def test_conditions_name_what_exists() -> None:
    for key, condition in conditions():
        if condition == "always":
            continue
        if "setting" in condition:
            named = SETTINGS[condition["setting"]]
            assert condition["setting"] != key
            if named["type"] == "boolean":
                assert isinstance(condition["equals"], bool), key
            else:
                assert condition["equals"] in limits_of(named)["choices"], key
        if "global_backend" in condition:
            assert condition["global_backend"] in BACKENDS, key
        if "backend" in condition:
            assert condition["backend"] in BACKENDS, key
        if "provider" in condition:
            assert condition["provider"] in BACKENDS[condition["backend"]]["surfaces"], key


def test_what_is_required_also_reaches_the_bot() -> None:
    """A required value that is then held back would be asked for in vain."""
    for key, spec in SETTINGS.items():
        if "required" not in spec or "applies" not in spec:
            continue
        applies = spec["applies"]
        wider = {"backend": spec["required"].get("global_backend")}
        assert spec["required"] in (applies, *applies.get("any", ())) or applies == wider, key


def test_sections() -> None:
    used = [spec["section"] for part in ("host", "settings") for spec in CONTRACT[part].values()]
    assert set(used) == set(CONTRACT["sections"])


def test_variable_names_are_unique() -> None:
    reserved = ["release", "contract_version", "users", "users_file"]
    reserved += ["extra_env", "secret_extra_env"]
    old = [name for spec in SETTINGS.values() for name in spec.get("old_names", ())]
    names = [*reserved, *CONTRACT["host"], *CONTRACT["retired"], *SETTINGS, *old]
    lowered = [name.lower() for name in [*names, *CONTRACT["process_environment"]]]
    assert sorted(lowered) == sorted(set(lowered))


def test_defaults_and_suggestions_lie_in_their_range() -> None:
    for name, spec in described_values():
        limits = limits_of(spec)
        for value in (spec[word] for word in ("default", "suggestion") if word in spec):
            if "choices" in limits:
                assert value in limits["choices"], name
            else:
                assert value >= limits.get("minimum", value), name
                assert value <= limits.get("maximum", value), name
                assert "exclusive_minimum" not in limits or value > limits["exclusive_minimum"]
            if spec["type"] == "string" and "pattern" in spec:
                assert re.fullmatch(spec["pattern"], value), name


def test_a_suggestion_differs_from_the_default() -> None:
    for name, spec in described_values():
        if "suggestion" in spec:
            assert spec["suggestion"] != spec.get("default", NO_DEFAULT), name


def test_choices_are_in_lower_case() -> None:
    """Kai lower-cases what it compares with them, and so do the rules."""
    for _, spec in described_values():
        assert all(choice == choice.lower() for choice in limits_of(spec).get("choices", ()))


def test_providers_keys_are_secrets_that_goose_needs() -> None:
    for provider, entry in CONTRACT["providers"].items():
        if entry["key"]:
            spec = SETTINGS[entry["key"]]
            needed = {"backend": "goose", "provider": provider}
            assert spec["secret"] is True
            assert needed in (spec["required"], *spec["required"].get("any", ()))


def test_surfaces() -> None:
    used = {name for backend in BACKENDS.values() for name in backend["surfaces"].values()}
    assert used == set(CONTRACT["surfaces"])
    assert all(
        set(backend["surfaces"]) <= set(CONTRACT["providers"]) for backend in BACKENDS.values()
    )
    assert {spec["surface"] for spec in SETTINGS.values() if "surface" in spec} <= used
    for surface in CONTRACT["surfaces"].values():
        assert surface.get("default") in surface.get("models", [None])


def test_a_backend_that_names_no_provider_has_one() -> None:
    for backend in BACKENDS.values():
        assert backend["names_provider"] is (len(backend["surfaces"]) > 1)


def test_programs_are_paths_of_their_backend() -> None:
    settings = [entry["binary"]["setting"] for entry in BACKENDS.values()]
    assert len(set(settings)) == len(settings)
    for name, entry in BACKENDS.items():
        spec = SETTINGS[entry["binary"]["setting"]]
        assert spec["type"] == "path"
        assert spec["applies"] == {"backend": name}
        assert (spec["written"] == "never") is (entry["binary"]["started_by"] == "name")


def test_calls_behind_sudo_can_be_distinguished() -> None:
    """Variables pass sudo by how the arguments of a call begin; chat may begin with anything."""
    for name, entry in BACKENDS.items():
        for purpose, spawn in entry["spawn"].items():
            if purpose != "chat":
                first = spawn["arguments"][0]
                assert re.fullmatch("[a-z-]+", first), (name, purpose)
                assert first != entry["spawn"]["chat"]["arguments"][0], (name, purpose)


def test_variables_of_agents_are_known() -> None:
    """KAI_WEBHOOK_SECRET and TMPDIR are made by the bot itself."""
    for entry in BACKENDS.values():
        for spawn in entry["spawn"].values():
            assert set(spawn["preserve_env"]) <= {*SETTINGS, "KAI_WEBHOOK_SECRET", "TMPDIR"}
        for way in entry["login"].values():
            assert all(SETTINGS[key].get("secret") for key in way.get("env_keep", ()))


def test_auth_settings_choose_a_login() -> None:
    for entry in BACKENDS.values():
        if "auth_setting" in entry:
            assert limits_of(SETTINGS[entry["auth_setting"]])["choices"] == list(entry["login"])
        else:
            assert len(entry["login"]) <= 1


def test_what_is_always_written_has_a_value() -> None:
    programs = {entry["binary"]["setting"] for entry in BACKENDS.values()}
    for key, spec in SETTINGS.items():
        if spec["written"] == "always":
            assert "default" in spec or "required" in spec or key in programs, key


def test_what_is_retired_is_no_setting_of_the_service_either() -> None:
    assert not set(CONTRACT["retired"]) & set(SETTINGS)
    assert not set(CONTRACT["process_environment"]) & set(SETTINGS)


def test_deployed_files_are_host_settings() -> None:
    sources = {entry["from"] for entry in CONTRACT["protected_files"].values()}
    assert sources - {"settings", "users", "bot"} <= set(CONTRACT["host"])


def test_protected_files_lie_in_the_configuration_directory() -> None:
    for entry in CONTRACT["protected_files"].values():
        assert Path(entry["path"]).parent == Path(CONTRACT["config_dir"]["path"])


def test_patterns_are_regular_expressions() -> None:
    for _, spec in described_values():
        for word in ("pattern", "item_pattern"):
            re.compile(spec.get(word, ""))


def test_backends_named_in_lists_exist() -> None:
    assert set(CONTRACT["memory_extraction_backends"]) <= set(BACKENDS)
    assert set(CONTRACT["backend_seeds"]) <= set(BACKENDS)


PLACES = {"install_dir", "data_dir", "service_home"}
PERSON = {*PLACES, "telegram_id", "home"}


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ("directories", PLACES),
        ("user_directories", PERSON),
        ("user_seeds", PERSON),
        ("os_user_directories", {*PLACES, "os_user"}),
        ("default_home", {*PLACES, "telegram_id"}),
        ("process_environment", PLACES | {"search_path"}),
        ("backend_seeds", PLACES),
        ("platforms", PLACES),
    ],
)
def test_words_in_braces_are_known(part: str, words: set[str]) -> None:
    assert words_in(CONTRACT[part]) <= words


def test_arguments_of_agents_hold_only_known_words() -> None:
    for entry in BACKENDS.values():
        for spawn in entry["spawn"].values():
            assert words_in(spawn["arguments"]) <= {"model", "effort"}
            assert words_in(spawn.get("context_arguments", [])) <= {"context_window"}
            assert words_in(spawn["sets"]) <= {"model", "provider", "os_user", "data_dir"}


def words_in(part: Any) -> set[str]:
    return set(re.findall(r"\{([a-z_]+)\}", json.dumps(part)))


def test_parents_come_before_children() -> None:
    for part in ("directories", "user_directories"):
        paths = [entry["path"] for entry in CONTRACT[part]]
        for index, path in enumerate(paths):
            assert not any(other.startswith(path + "/") for other in paths[:index])


@pytest.mark.parametrize("name", sorted(BACKENDS))
def test_make_install_takes_the_program_of_every_backend(name: str) -> None:
    key = BACKENDS[name]["binary"]["setting"]
    argv = ["make", "--dry-run", "--directory", str(VARS.parents[2]), "install", f"{key}=/x"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert f'--set "{key}=${key}"' in done.stdout


def test_a_login_that_no_setting_can_choose_is_refused() -> None:
    contract = copy.deepcopy(CONTRACT)
    contract["backends"]["claude"]["login"]["openai"] = {}
    with pytest.raises(Unfit, match="a login of claude by openai"):
        read(Contract, contract)
