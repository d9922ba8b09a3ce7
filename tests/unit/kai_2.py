"""What tests of the rules of Kai 2 share: a Kai with few models, and profiles of any form."""

from typing import Any

from hypothesis import strategies as st

from kai_ansible.rules.contract import Surface
from kai_ansible.rules.principal_ids import profile_of_telegram
from kai_ansible.rules.runtime_profiles import Kai

ROLES = (
    *("agent", "pr_review", "issue_triage", "memory_extraction", "memory_episode"),
    *("behavioral_judge", "behavioral_gen"),
)
CLAUDE = ("fable", "opus", "sonnet", "haiku")
CODEX = (
    *("gpt-5.6-sol", "gpt-5.6-terra", "gpt-5.6-luna", "gpt-5.5", "gpt-5.4", "gpt-5.4-mini"),
    *("gpt-5.3-codex", "gpt-5.3-codex-spark", "gpt-5.2"),
)
CURATED = {
    "openai": ("gpt-5.5-pro", "gpt-5.5", "gpt-5.4-pro", "gpt-5.4", "gpt-5.4-mini", "gpt-5.4-nano"),
    "google": ("gemini-2.5-pro", "gemini-2.5-flash", "gemini-2.5-flash-lite"),
    "deepseek": ("deepseek-v4-pro", "deepseek-v4-flash"),
}
PROVIDERS = ("anthropic", "deepseek", "google", "ollama", "openai", "openrouter")
OF_PI = (*PROVIDERS, "github-copilot", "openai-codex")
ANTHROPIC = Surface(models=CLAUDE, prefixes=("claude-",), default="opus")
MODELS = {
    "claude": {"anthropic": ANTHROPIC},
    "codex": {
        "openai": Surface(models=CODEX, aliases={"gpt-5.6": "gpt-5.6-sol"}, default=CODEX[0])
    },
    "goose": {
        "anthropic": ANTHROPIC,
        **{name: Surface(models=models, default=models[0]) for name, models in CURATED.items()},
        "ollama": Surface(open_ended=True),
        "openrouter": Surface(open_ended=True),
    },
    "opencode": {name: Surface(form="path", default=f"{name}/x") for name in PROVIDERS},
    "pi": {name: Surface(form="own path", default=f"{name}/x") for name in OF_PI},
}
KAI = Kai(MODELS, ROLES)
KAI_2_1 = Kai(MODELS, ROLES, (1, 2))
# one that fits, by backend and provider
FITTING = {
    ("claude", "anthropic"): "sonnet",
    ("codex", "openai"): "gpt-5.5",
    ("goose", "anthropic"): "claude-sonnet-4-6",
    ("goose", "openai"): "gpt-5.4",
    ("goose", "ollama"): "llama4:8b",
    ("opencode", "google"): "google/gemini-2.5-pro",
    ("pi", "openai-codex"): "openai-codex/gpt-5.5:high",
}
pairs = st.sampled_from(sorted(FITTING))
accounts = st.sampled_from(["alice", "bob", "carol", "d.e-f_g"])
paths = st.sampled_from(["/srv/a", "/srv/b", "/srv/a b", "/data/x"])
services = st.lists(st.sampled_from(["search", "weather", "jina"]), unique=True)


def entry(**fields: Any) -> dict[str, Any]:
    """Return a profile that Kai takes."""
    return {
        "display_name": "Ada",
        "compatibility_runtime_config_id": 1,
        "os_user": "alice",
        "backend": "claude",
        "provider": "anthropic",
        "model": "sonnet",
        "timeout_seconds": 120,
        "allowed_services": [],
        "home_workspace": None,
        "workspace_base": None,
        "allowed_workspaces": [],
        **fields,
    }


def policy(*entries: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a file of version 1 with these profiles."""
    profiles = {profile_of_telegram(one["compatibility_runtime_config_id"]): one for one in entries}
    return {"version": 1, "runtime_profiles": profiles or {profile_of_telegram(1): entry()}, **more}
