"""Configurations as files of /etc/kai, by which one loader is compared with another.

Each group yields (name, files) in an order that never changes. A name says what is unusual.
"""

import itertools
import json
import random
from collections.abc import Iterator
from typing import Any

from tests.hostile.corpus import entries

TOKEN = "123456789:AAbbCCddEEffGGhhIIjjKKllMMnnOOpp_-q"
SETTINGS = {"TELEGRAM_BOT_TOKEN": TOKEN, "WEBHOOK_SECRET": "s" * 32}
ADA: dict[str, Any] = {"telegram_id": 1, "name": "Ada", "role": "admin"}
PROVIDERS = ("anthropic", "openai", "google", "openrouter", "ollama")
MODELS = (
    *("opus", "sonnet", "haiku", "gpt-5.5", "gpt-5.4", "gpt-5.4-mini", "gpt-5.4-nano"),
    *("gpt-5.3-codex", "gpt-5.3-codex-spark", "gpt-5.2", "gemini-3.1-pro", "gemini-3-flash"),
    *("gemini-3-deep-think", "Vendor/Model", "llama4:8b-q4_K_M", "claude-sonnet-4-6", "OPUS", ""),
)
GLOBAL_PAIRS = (("claude", None), ("codex", None), *(("goose", name) for name in PROVIDERS))
DEFAULTS = {
    "claude": "sonnet",
    "codex": "gpt-5.5",
    "anthropic": "sonnet",
    "openai": "gpt-5.4",
    "google": "gemini-3-flash",
    "openrouter": "vendor/x",
    "ollama": "llama",
}

Case = tuple[str, dict[str, str]]


def files(
    settings: dict[str, str], users: Any = (ADA,), *, absent: tuple[str, ...] = (), **more: str
) -> dict[str, str]:
    """Return the files of a case.

    users: entries, or the whole text of users.yaml, or None for no such file. absent: settings
    that are left out. more: other files, with _ for the dot in their names.
    """
    given = {**SETTINGS, **settings}
    lines = [f'{key}="{value}"' for key, value in given.items() if key not in absent]
    found = {"env": "\n".join(lines) + "\n"}
    if users is not None:
        found["users.yaml"] = users if isinstance(users, str) else json.dumps({"users": users})
    return {**found, **{name.replace("_", "."): text for name, text in more.items()}}


def global_pairs() -> Iterator[Case]:
    """Every global backend, provider and model, spelt right and wrong, present and absent."""
    backends = (None, "claude", "codex", "goose", " Codex ", "GOOSE", "opencode", "")
    providers = (None, *PROVIDERS, " OpenAI ", "deepseek", "")
    for backend, provider, model in itertools.product(backends, providers, (None, *MODELS)):
        named = {"AGENT_BACKEND": backend, "LLM_PROVIDER": provider, "DEFAULT_MODEL": model}
        settings = {key: value for key, value in named.items() if value is not None}
        yield str(settings), files(settings)
    for old, new in itertools.product((None, "", "haiku", "gpt-5.5"), repeat=2):
        named = {"CLAUDE_MODEL": old, "DEFAULT_MODEL": new}
        settings = {key: value for key, value in named.items() if value is not None}
        yield str(settings), files(settings)


def user_pairs() -> Iterator[Case]:
    """Every backend, provider and model of a user under every global pair."""
    backends = (None, "claude", "codex", "goose", " Goose ", "pi", "")
    providers = (None, *PROVIDERS, "OpenRouter", "deepseek", "")
    models = (None, "", "opus", "GPT-5.5", "gpt-5.4", "gemini-3-flash", "Vendor/X", " haiku ")
    for (backend, provider), *own in itertools.product(GLOBAL_PAIRS, backends, providers, models):
        settings = {"AGENT_BACKEND": backend, "DEFAULT_MODEL": DEFAULTS[provider or backend]}
        if provider:
            settings["LLM_PROVIDER"] = provider
        fields = zip(("agent_backend", "llm_provider", "model"), own, strict=True)
        bob = {"telegram_id": 2, "name": "Bob", "os_user": "bob"}
        bob |= {name: value for name, value in fields if value is not None}
        yield f"{settings} {bob}", files(settings, [ADA, bob])
    # a provider that nobody's global backend uses is inherited by nobody
    for provider in PROVIDERS:
        bob = {"telegram_id": 2, "name": "Bob", "agent_backend": "goose"}
        yield f"inherited {provider}", files({"LLM_PROVIDER": provider}, [ADA, bob])
    for users in (None, [{**ADA, "os_user": "alice"}, {"telegram_id": 2, "name": "Bob"}]):
        settings = {"CLAUDE_USER": "carol", "ALLOWED_USER_IDS": "5, 6,5"}
        yield f"CLAUDE_USER {users}", files(settings, users)


WORDS = (
    *("", " ", "0", "1", "-1", "5", "10", "49999", "50000", "100", "101", "1000000", "1000001"),
    *(" 7 ", "\u00a07", "007", "+3", "1_000", "1e3", "0x10", "0.25", "0.3", "1.0", "1.01", "1.02"),
    *("nan", "inf", "-inf", "\u0663", "1 # note", "true", "True", "YES", "on", "false", "no"),
    *("high", " MAX ", "huge", "subscription", "API_KEY", "token", "/", "/nonexistent", "~", "/ "),
    *("/\u3000", "/,/usr", "/,,/nonexistent", "https://kai.example/hook", "owner/repo", "alice"),
)


def settings(keys: list[str]) -> Iterator[Case]:
    """Every setting with every word, and what depends on two of them."""
    for key, word in itertools.product(keys, WORDS):
        # this one is given by all others
        if key != "TELEGRAM_BOT_TOKEN":
            yield f"{key}={word!r}", files({key: word})
    for word in ("", " ", TOKEN):
        yield f"token {word!r}", files({"TELEGRAM_BOT_TOKEN": word})
    yield "no token", files({}, absent=("TELEGRAM_BOT_TOKEN",))
    secrets = (None, "", " ", "abc", " abc ", "\u00a0")
    for url, own, other in itertools.product((None, " ", "https://k.example"), secrets, secrets):
        named = {"TELEGRAM_WEBHOOK_URL": url, "TELEGRAM_WEBHOOK_SECRET": own}
        named["WEBHOOK_SECRET"] = other
        absent = tuple(key for key, value in named.items() if value is None)
        chosen = {key: value for key, value in named.items() if value is not None}
        yield f"webhook {named}", files(chosen, absent=absent)
    for new, old in itertools.product((None, "", " ", "7", "x"), repeat=2):
        for key, former in (
            ("AGENT_TIMEOUT_SECONDS", "CLAUDE_TIMEOUT_SECONDS"),
            ("BUDGET_CEILING", "CLAUDE_MAX_BUDGET_USD"),
        ):
            named = {key: new, former: old}
            chosen = {name: value for name, value in named.items() if value is not None}
            yield str(named), files(chosen)
    extraction = {"MEMORY_ENABLED": "true", "MEMORY_EXTRACTION_ENABLED": "true"}
    for path in (None, "", "/bin/true", "/nonexistent", "/etc/passwd", "/etc"):
        chosen = {**extraction, **({"CODEX_BIN": path} if path is not None else {})}
        yield f"extraction {path!r}", files(chosen, [{**ADA, "agent_backend": "codex"}])
    yield "extraction of claude", files(extraction)
    yield (
        "extraction of goose",
        files({**extraction, "AGENT_BACKEND": "goose", "LLM_PROVIDER": "ollama"}),
    )
    for lines in ("", "\n", "X", "=1", "export A=1", "# nothing", "\ufeffA=1", "A=1\x00"):
        yield f"env {lines!r}", {"env": files({})["env"] + lines + "\n", "users.yaml": "{}"}
        yield f"env alone {lines!r}", {"env": lines}


FIELDS = (
    *("telegram_id", "name", "role", "github", "os_user", "home_workspace", "max_budget"),
    *("agent_backend", "llm_provider", "model", "timeout", "context_window", "workspace_base"),
    *("allowed_workspaces", "github_repos", "github_notify_chat_id", "pr_review", "issue_triage"),
)
# as YAML writes them
VALUES = (
    *("", "''", "~", "null", "' '", "0", "1", "-1", "7", "1.5", "'12'", "' 12 '", "'1_0'", "1e3"),
    *("49999", "50000", "1000001", ".nan", ".inf", "-.inf", "true", "false", "'true'", "yes", "no"),
    *("'yes'", "on", "admin", "Admin", "'admin '", "user", "owner", "ada", '"a\\u00a0"', "12:30"),
    *("0o17", "017", "2024-01-01", "[]", "[1]", "{}", "{a: 1}", "/", "'/ '", '"/\\u3000"', "~x"),
    *("/nonexistent", "./", "'~'", "[/, /usr]", "[/, ' ', /nonexistent, /]", "[a/b, ' c/d ', x]"),
    *("['/a', 'a/', 'a b/c', 5]", "claude", "CODEX", "goose", "openai", "opus", "Opus ", "x/y"),
    *("!!str 5", "!!binary aGk=", "|\n   two\n   lines", "'{{ 1 }}'", '"\\u2028"', "'a\tb'"),
)


def user_fields() -> Iterator[Case]:
    """Every field of a user with every value that YAML can write, and files that are no users."""
    for field, value in itertools.product(FIELDS, VALUES):
        fields = {"telegram_id": "2", "name": "Bob", field: value}
        entry = "\n   ".join(f"{name}: {text}" for name, text in fields.items())
        text = f"users:\n - {json.dumps(ADA)}\n - {entry}\n"
        for settings in (
            {},
            {"AGENT_BACKEND": "goose", "LLM_PROVIDER": "openai", "DEFAULT_MODEL": "gpt-5.4"},
        ):
            yield f"{field}: {value} {settings}", files(settings, text)
    for text in (
        *("", "\n", "users:", "users: []", "users: {}", "users: 5", "user: []", "[]", "5", "{"),
        *("users: [5]", "users: [{}]", "users: [null]", "users:\n\t- x", "a: 1\n---\nb: 2", "\x00"),
        *("users: &a [*a]", "users: !!python/object:os.system {}", "\ufeffusers: []", "users: [{"),
    ):
        yield f"users.yaml {text!r}", files({}, text)
        yield f"users.yaml {text!r} and ids", files({"ALLOWED_USER_IDS": "4"}, text)
        yield f"users.yaml {text!r} and wrong ids", files({"ALLOWED_USER_IDS": "x"}, text)
    same = {"telegram_id": 1, "name": "Bob"}
    yield "the same ID twice", files({}, [ADA, same, {**same, "telegram_id": "1"}])
    yield "the same ID, an unusable entry first", files({}, [{**ADA, "role": "x"}, same])


RESOURCES = (
    *("", "{", "5", "[]", "services:", "services: []", "services: {a: 1}", "services: {a: {}}"),
    *("services: {a: {url: https://a}, b: {url: ''}}", "services: {1: {url: https://a}}"),
    *("services: {a: {url: u, auth: []}}", "services: {a: {url: u, auth: {type: magic}}}"),
    *("services: {a: {url: u, auth: {type: bearer, env: NO_KEY}}}", "services:\n\ta: 1"),
    "services: {a: {url: u, auth: {type: bearer, env: NO_KEY, optional: true}}}",
    "services: {a: {url: u, auth: {type: bearer, env: WEBHOOK_SECRET}, params: 5}}",
)
WORKSPACES = (
    *("", "{", "5", "workspaces:", "workspaces: {}", "workspaces: [5]", "workspaces: [{}]"),
    *("workspaces: [{path: /}, {path: /}]", "workspaces: [{path: /nonexistent}]"),
    *(
        f"workspaces: [{{path: /usr, claude: {claude}}}]"
        for claude in (
            *("5", "[]", "{budget: 0}", "{budget: true}", "{budget: '2'}", "{budget: .nan}"),
            *("{timeout: 1.5}", "{timeout: 2.0}", "{timeout: '9'}", "{timeout: true}", "{env: 5}"),
            *("{env: {A: null}}", "{env_file: /nonexistent}", "{env_file: /etc/passwd}"),
            *("{system_prompt: a, system_prompt_file: /etc/passwd}", "{model: nothing}"),
            *("{system_prompt_file: /etc/passwd}", "{system_prompt_file: /etc}", "{timeout: .inf}"),
        )
    ),
)


def resources() -> Iterator[Case]:
    """Files of services and workspaces, good and bad."""
    for text in RESOURCES:
        yield f"services.yaml {text!r}", files({}, services_yaml=text)
    for text in WORKSPACES:
        yield f"workspaces.yaml {text!r}", files({}, workspaces_yaml=text)


def hostile() -> Iterator[Case]:
    """Inputs of an attacker as values of the environment and of users."""
    for corpus, refused, kept in (
        ("accounts", "refused", "unchanged"),
        ("paths", "refused", "unchanged"),
        ("values", "refused", "unchanged"),
    ):
        for entry in entries(corpus, refused, kept):
            value = entry.value
            if not isinstance(value, str) or any("\ud800" <= sign <= "\udfff" for sign in value):
                continue
            for key in ("GITHUB_REPO", "WORKSPACE_BASE", "TELEGRAM_WEBHOOK_SECRET"):
                yield f"{key}={value!r}", files({key: value, "TELEGRAM_WEBHOOK_URL": "https://x"})
            for field in ("name", "os_user", "home_workspace", "github", "model"):
                bob = {"telegram_id": 2, "name": "Bob", field: value}
                yield f"{field}: {value!r}", files({}, [ADA, bob])


MUTATIONS = 4000
_TEXT = """\
# people
users:
  - telegram_id: 1
    name: Ada # me
    role: admin
    os_user: alice
    allowed_workspaces: [/, "/usr"]
  - {telegram_id: 2, name: 'Bob', model: opus, pr_review: true}
"""
_PIECES = ("\t", " ", "\n", ":", "-", "#", "'", '"', "{", "}", "[", "]", "&a", "*a", "!", "|", ",")
_MORE_PIECES = (
    "\u00a0",
    "\u2028",
    "\x85",
    "\r",
    "%",
    "@",
    "`",
    "? ",
    "---\n",
    "...\n",
    "<<: ",
    "~",
)


def mutated_texts() -> Iterator[Case]:
    """users.yaml with a few random changes, the same ones each time."""
    dice = random.Random(14)
    for number in range(MUTATIONS):
        text = list(_TEXT)
        for _ in range(dice.randint(1, 3)):
            at = dice.randrange(len(text))
            deed = dice.random()
            if deed < 0.6:
                text.insert(at, dice.choice(_PIECES + _MORE_PIECES))
            elif deed < 0.8:
                del text[at]
            else:
                text[at] = dice.choice(_PIECES)
        yield f"text {number}: {''.join(text)!r}", files({}, "".join(text))


def groups(keys: list[str]) -> dict[str, list[Case]]:
    """Return every group of cases by its name; keys: the settings of the contract."""
    return {
        "global pairs": list(global_pairs()),
        "pairs of users": list(user_pairs()),
        "settings": list(settings(keys)),
        "fields of users": list(user_fields()),
        "services and workspaces": list(resources()),
        "hostile values": list(hostile()),
        "mutated texts": list(mutated_texts()),
    }
