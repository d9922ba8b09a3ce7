"""The stand-in for Kai 2, held to the modules and the loader of a real one."""

import base64
import json
import random
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kai_ansible.rules.env_file import env_line
from kai_ansible.rules.principal_ids import profile_of_telegram
from tests.real.line_2.conftest import STAND_IN_2, asked
from tests.real.line_2.generated import KNOWN, ODD, policies, registries, right_registry
from tests.real.source import found_in

MANY = 3000
MOST_TOLD = 10
ACCOUNTS = {"alice": 2001, "bob": 2002, "carol": 2003, "also_bob": 2002}
TOKEN = "123456789:AAbbCCddEEffGGhhIIjjKKllMMnnOOpp_-q"
SETTINGS: dict[str, tuple[str, ...]] = {
    "KAI_ENABLED_ADAPTERS": ("", "telegram", "workshop", "telegram, Workshop", "x"),
    "WORKSHOP_LAN_HOST": ("", "10.0.0.1", "127.0.0.1", "8.8.8.8", "host", "::1"),
    "TELEGRAM_BOT_TOKEN": ("", " ", TOKEN),
    "DEFAULT_BACKEND": ("", "claude", " Codex ", "goose", "opencode", "pi", "gpt"),
    "AGENT_BACKEND": ("codex", "gpt", ""),
    "DEFAULT_PROVIDER": ("", "anthropic", " OpenAI ", "ollama", "openai-codex", "x"),
    "LLM_PROVIDER": ("google", "x"),
    "DEFAULT_MODEL": (
        *("", "sonnet", "opus", "fable", "claude-x", "gpt-5.5", "gpt-5.6", "a/b", "openai/x"),
        *("gemini-2.5-pro", "OPUS"),
    ),
    "DEFAULT_MODELS_JSON": (
        *("", "{}", "{", "[]", '{"agent": "gpt-5.6"}', '{" Agent ": " x "}', '{"chat": "x"}'),
        *('{"agent": ""}', "1", '{"agent": null}'),
    ),
    "PR_REVIEW_MODEL_CODEX": ("gpt-5.5", "x", ""),
    "ISSUE_TRIAGE_MODEL_CLAUDE": ("opus",),
    "DEFAULT_TIMEOUT": ("", "60", "x", "-1", " 7 "),
    "AGENT_TIMEOUT_SECONDS": ("70", "x", ""),
    "AGENT_MAX_SESSION_HOURS": ("", "1.5", "x", "nan"),
    "CLAUDE_MAX_SESSION_HOURS": ("2", "x"),
    "AGENT_IDLE_TIMEOUT": ("", "0", "x"),
    "CLAUDE_IDLE_TIMEOUT": ("9",),
    "WEBHOOK_PORT": ("", "8081", "0", "x", " 9 "),
    "FILE_RETENTION_DAYS": ("", "7", "x"),
    "CLAUDE_AUTOCOMPACT_PCT": ("", "0", "100", "101", "-1"),
    "CODEX_AUTH_MODE": ("", "api_key", " API_KEY ", "x"),
    "CLAUDE_EFFORT_LEVEL": ("", "low", " MAX ", "x"),
    "CODEX_EFFORT_LEVEL": ("", "minimal", "max", " HIGH "),
    "PR_REVIEW_COOLDOWN": ("", "0", "x"),
    "PR_REVIEW_TIMEOUT_S": ("0", "1", "x"),
    "TOTP_SESSION_MINUTES": ("0", "5", "x"),
    "TOTP_LOCKOUT_ATTEMPTS": ("0", "2"),
    "MEMORY_ENABLED": ("true", "TRUE", "yes", "1", "on", ""),
    "MEMORY_EXTRACTION_ENABLED": ("true", "no"),
    "MEMORY_SEARCH_LIMIT": ("0", "5", "x"),
    "MEMORY_EPISODE_TIMEOUT_S": ("9", "10"),
    "EPISODE_CLASSIFIER_CONTEXT_TURNS": ("0", "10", "11", "-1"),
    "MEMORY_CONSOLIDATION_CANDIDATES_N": ("0", "-1"),
    "MEMORY_SEARCH_FLOOR": ("0", "1", "1.01", "nan", "x"),
    "MEMORY_DUPLICATE_THRESHOLD": ("0.3", "0.29", "1.01", "1.02"),
    "MEMORY_EMBEDDING_MODEL": ("", "x"),
    "WORKSPACE_BASE": ("", "/tmp", "/nowhere"),
    "ALLOWED_WORKSPACES": ("", "/tmp,/nowhere,/tmp/", "/usr"),
    "GITHUB_WEBHOOK_SECRET": ("a", "b", "", " a "),
    "GENERIC_WEBHOOK_SECRET": ("a", "c", ""),
    "WEBHOOK_SECRET": ("a",),
    "GITHUB_REPO": ("x", ""),
    "SPEC_DIR": ("x", ""),
    "VOICE_ENABLED": ("1", "0"),
    "TTS_ENABLED": ("yes",),
    "BUDGET_CEILING": ("x",),
    "CLAUDE_MODEL": ("opus",),
    "ALLOWED_USER_IDS": ("1",),
}
FIELDS: dict[str, tuple[Any, ...]] = {
    "telegram_id": (*ODD, "2", 3, " 4 "),
    "name": (*ODD, "Bob", " Bob "),
    "role": (*ODD, "admin", "User", "root"),
    "os_user": (*ODD, "bob", " bob ", "alice", "kai", "gone", "also_bob"),
    "github": (*ODD, "bob"),
    "backend": (*ODD, *KNOWN, " Codex ", "gpt"),
    "agent_backend": ("codex", "gpt", None),
    "default_backend": ("goose", None),
    "provider": (*ODD, "openai", " Google ", "ollama", "openai-codex"),
    "llm_provider": ("google", None),
    "model": (*ODD, "opus", " GPT-5.5 ", "gpt-5.6", "a/b", "openai/x", "x", "claude-x"),
    "models": (
        *(*ODD, {"agent": "opus"}, {"Agent ": "gpt-5.5"}, {"chat": "x"}, {"pr_review": ""}),
        *({"agent": "a/b"}, {"agent": "gpt-5.6", "pr_review": "gpt-5.4"}),
    ),
    "timeout": (*ODD, 60, "60", "x"),
    "home_workspace": (*ODD, "/tmp", "/nowhere"),
    "workspace_base": (*ODD, "/tmp", "/nowhere"),
    "allowed_workspaces": (*ODD, ["/tmp", "/tmp/", "/nowhere"], [""], [None]),
    "github_repos": (*ODD, ["a/b", "a", "a/", "a/b/c", " a/b "], [1]),
    "github_notify_chat_id": (*ODD, -5, "7", "x"),
    "pr_review": ODD,
    "issue_triage": ODD,
    "allowed_services": (*ODD, ["a", "a", " a ", "*", "a/b", 1, ""]),
    "allowed_triage_projects": (*ODD, ["a", "a", "*", 1, " b ", "a/b"]),
    "max_budget": (5, None),
    "context_window": (5,),
}
WHOLE_USERS: tuple[Any, ...] = (
    "users: [",
    "",
    "1",
    "user: []",
    "users: {}",
    "users: [1]",
    "users: []",
)


def subject(message: str | None) -> str | None:
    """Return what a refusal is about: its key, its file and field, or its first word."""
    if message is None:
        return None
    text = re.sub(r"^[\w.]+(Error|Exit): ", "", message)
    field = re.match(r"users\.yaml: user '.*?' has (?:invalid )?`?(\w+)", text, re.DOTALL)
    return field[1] if field else text.split()[0]


def settings_cases(chance: random.Random) -> Iterator[dict[str, str]]:
    """Yield files of settings: each value alone, and many of several at once."""
    registry = json.dumps(
        {
            "backends": {
                name: {"command": "/bin/true" if name != "pi" else "/nowhere"} for name in KNOWN
            },
        }
    )
    users = json.dumps({"users": [{"telegram_id": 1, "name": "Ada", "os_user": "alice"}]})
    base = {"TELEGRAM_BOT_TOKEN": TOKEN, "DEFAULT_BACKEND": "claude"}
    combined = [[(key, value)] for key, values in SETTINGS.items() for value in values]
    for _ in range(MANY):
        keys = chance.sample(list(SETTINGS), chance.randrange(2, 6))
        combined.append([(key, chance.choice(SETTINGS[key])) for key in keys])
    for pairs in combined:
        settings = {**base, **dict(pairs)}
        if chance.random() < 0.1:
            del settings[chance.choice(list(base))]
        lines = [env_line(key, value) for key, value in settings.items()]
        files = {"env": "\n".join(lines), "users.yaml": users, "backends.yaml": registry}
        if chance.random() < 0.03:
            files.pop(chance.choice(list(files)))
        yield files


def user_cases(chance: random.Random) -> Iterator[dict[str, str]]:
    """Yield files of users: each field alone, and many of several at once."""
    ada = {"telegram_id": 1, "name": "Ada", "role": "admin", "os_user": "alice"}
    bob = {"telegram_id": 2, "name": "Bob", "os_user": "bob"}
    combined = [[(key, value)] for key, values in FIELDS.items() for value in values]
    for _ in range(MANY):
        keys = chance.sample(list(FIELDS), chance.randrange(2, 5))
        combined.append([(key, chance.choice(FIELDS[key])) for key in keys])
    texts = [json.dumps({"users": [ada, {**bob, **dict(pairs)}]}) for pairs in combined]
    for text in (*texts, *WHOLE_USERS):
        backend = chance.choice(["claude", "codex", "goose", "pi"])
        settings = {"TELEGRAM_BOT_TOKEN": TOKEN, "DEFAULT_BACKEND": backend}
        if backend in ("goose", "pi"):
            settings["DEFAULT_PROVIDER"] = "openai"
        registry = right_registry(chance)
        registry["backends"].setdefault(backend, {"command": "/x"}).pop("allowed_models", None)
        yield {
            "env": "\n".join(env_line(key, value) for key, value in settings.items()),
            "users.yaml": text,
            "backends.yaml": json.dumps(registry),
        }


def compare(counts: list[str], title: str, tree: Path, questions: list[dict[str, Any]]) -> None:
    real, stand_in = asked(tree, questions), asked(STAND_IN_2, questions)
    differ, refused = [], 0
    for question, one, other in zip(questions, real, stand_in, strict=True):
        refused += "refused" in one
        ours = (other.get("answer"), subject(other.get("refused")))
        if (one.get("answer"), subject(one.get("refused"))) != ours:
            differ.append(f"{question}: real {one} and stand-in {other}")
    counts.append(
        f"stand-in, {title}: {len(questions)} cases, {refused} refused by the real one, "
        f"{len(differ)} differ"
    )
    assert differ[:MOST_TOLD] == [], f"{len(differ)} of {len(questions)} differ"
    assert len(questions) > refused > 0


def test_it_is_of_line_2() -> None:
    assert found_in(STAND_IN_2).line == "2"


@pytest.mark.parametrize("cases", [settings_cases, user_cases], ids=["settings", "users"])
def test_the_loader(kai_2: Path, counts: list[str], cases: Any) -> None:
    questions = [
        {"ask": "loader", "files": files, "accounts": ACCOUNTS} for files in cases(random.Random(1))
    ]
    compare(counts, cases.__name__.partition("_")[0], kai_2, questions)


def verdicts_only(questions: list[dict[str, Any]], tree: Path) -> list[Any]:
    return [one.get("answer", "refused") for one in asked(tree, questions)]


def test_the_registry(kai_2: Path, counts: list[str]) -> None:
    chance = random.Random(2)
    questions = [
        {"ask": "registry", "data": data, "configured": chance.choice(["", "claude", "x"])}
        for data in registries(chance, MANY)
    ]
    real, stand_in = (verdicts_only(questions, tree) for tree in (kai_2, STAND_IN_2))
    counts.append(f"stand-in, backends.yaml: {len(questions)} cases")
    assert real == stand_in


def test_the_profiles(kai_2: Path, counts: list[str]) -> None:
    if "bootstrap" in found_in(kai_2).features:
        pytest.skip("the stand-in is that of August; 2.1 reads more")
    questions = [
        {"ask": "policy", "data": data, "registry": registry}
        for data, registry in policies(random.Random(3), MANY, (1,))
    ]
    real, stand_in = (verdicts_only(questions, tree) for tree in (kai_2, STAND_IN_2))
    counts.append(f"stand-in, runtime-profiles.yaml: {len(questions)} cases")
    assert real == stand_in


def test_the_plan_of_the_first_user(kai_2: Path, counts: list[str], tmp_path: Path) -> None:
    if "bootstrap" not in found_in(kai_2).features:
        pytest.skip("this Kai makes nobody by a plan; 2.1 does")
    of_2_1 = tmp_path / "kai"
    for tree in (STAND_IN_2, STAND_IN_2.with_name("kai_2_1")):
        shutil.copytree(tree, of_2_1, dirs_exist_ok=True)
    chance = random.Random(10)
    questions = [{"ask": "plan", "value": value} for value in plans(chance)]
    real, stand_in = (verdicts_only(questions, tree) for tree in (kai_2, of_2_1))
    counts.append(f"stand-in, plans of the first user: {len(questions)} cases")
    assert real == stand_in
    assert "refused" in real
    assert any(isinstance(one, list) for one in real)


def plans(chance: random.Random) -> Iterator[str]:
    """Yield plans of every kind: as Kai writes them, with other values, and damaged."""
    right: dict[str, Any] = {
        "version": 1,
        "workshop_id": "wsp_" + "1" * 32,
        "runtime_profile_id": "rtp_" + "2" * 32,
        "display_name": "Ada",
        "role": "admin",
        "provisioning_key": "initial-admin",
    }
    for key in right:
        for value in (*ODD, "x", " Ada ", "x" * 201, "member", 2, 1.0, "a_1-", "wsp_" + "A" * 32):
            yield encoded({**right, key: value})
        yield encoded({name: value for name, value in right.items() if name != key})
    yield encoded({**right, "more": 1})
    plan = encoded(right)
    yield from ("", " ", "v1.", "v2." + plan[3:], plan[3:], f" {plan} ", plan + "=", encoded([1]))
    for _ in range(MANY):
        place = chance.randrange(len(plan))
        yield plan[:place] + chance.choice("Av1.=_-x") + plan[place + 1 :]


def encoded(document: Any) -> str:
    content = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    return "v1." + base64.urlsafe_b64encode(content).decode().rstrip("=")


def test_owner_and_mode(kai_2: Path) -> None:
    questions = [
        {"ask": "metadata", "mode": mode, "uid": uid, "regular": regular, "registry": registry}
        for mode in range(0, 0o10000, 7)
        for uid, regular, registry in ((0, True, False), (0, True, True), (5, True, False))
    ]
    real, stand_in = (verdicts_only(questions, tree) for tree in (kai_2, STAND_IN_2))
    assert real == stand_in


def test_os_users(kai_2: Path) -> None:
    chance = random.Random(4)
    uids = {"alice": 1, "bob": 2, "bob2": 2, "kai": 5, "kai2": 5}
    names = [*uids, " alice ", "gone", "", None]
    questions = [
        {
            "ask": "isolation",
            "users": [[place, f"U{place}", chance.choice(names)] for place in range(1, 4)],
            "service": "kai",
            "uids": uids,
            "service_uid": 5,
        }
        for _ in range(MANY)
    ]
    real, stand_in = (verdicts_only(questions, tree) for tree in (kai_2, STAND_IN_2))
    assert real == stand_in


def test_identifiers(kai_2: Path) -> None:
    questions = [
        {
            "ask": "ids",
            "workshop": f"wsp_{number:032x}",
            "telegram_id": number,
            "key": "k",
            "profile": profile_of_telegram(number),
        }
        for number in range(1, 500)
    ]
    for real, stand_in in zip(asked(kai_2, questions), asked(STAND_IN_2, questions), strict=True):
        assert stand_in["answer"].items() <= real["answer"].items()


def test_agents(kai_2: Path) -> None:
    [real], [stand_in] = (asked(tree, [{"ask": "spawns"}]) for tree in (kai_2, STAND_IN_2))
    assert stand_in["answer"]["chat"] == real["answer"]["chat"]
    of_pi = {name: one for name, one in real["answer"]["pi"].items() if one}
    assert stand_in["answer"]["pi"] == of_pi
