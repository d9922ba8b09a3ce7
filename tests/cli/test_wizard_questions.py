"""Every question of the contract, asked in a real terminal, and what is said around it."""

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from kai_ansible.ansible.collection import contract
from kai_ansible.rules.configuration import read_configuration
from kai_ansible.secrets.vault_password import own_password
from kai_ansible.wizard.interview import EVERYTHING
from tests.cli.desk import FIELDS, LABELS, REVIEW, WHICH, Desk, Wizard
from tests.read_in_process import variables as read_in_process

CONTRACT = contract()
SECTIONS = list(CONTRACT.sections.values())
BACKENDS = set(CONTRACT.backends)
# their choices are the names of all agents
ABOUT_AGENTS = {"AGENT_BACKEND", "agent_backend", "Users"}
EVERYTHING_ON = {
    "MEMORY_ENABLED": "true",
    "MEMORY_EXTRACTION_ENABLED": "true",
    "PR_REVIEW_ENABLED": "true",
    "TELEGRAM_TRANSPORT": "webhook",
    "TELEGRAM_WEBHOOK_URL": "https://kai.example/telegram",
}


@dataclass
class Walk:
    """One run through every section.

    asked: what was asked for. said: what was shown up to the answer of each prompt, its help too.
    """

    asked: set[str] = field(default_factory=set)
    said: list[tuple[str, str]] = field(default_factory=list)


def walk(wizard: Wizard, replies: Mapping[str, str]) -> Walk:
    """Open every section, ask for the help of each question, add a person, and write."""
    taken = Walk()
    left = list(SECTIONS)
    everything_shown = False
    person_added = False
    seen = 0
    while (prompt := wizard.next_prompt()) is not None:
        if prompt in LABELS and prompt not in taken.asked:
            wizard.child.sendline("?")
            wizard.refusal()
        taken.said.append((prompt, wizard.transcript[seen:]))
        seen = len(wizard.transcript)
        taken.asked.add(prompt)
        if prompt == REVIEW and left:
            wizard.open(left.pop(0))
        elif prompt == REVIEW:
            wizard.child.sendline("" if everything_shown else EVERYTHING)
            everything_shown = True
        elif prompt == "Users":
            wizard.child.sendline("" if person_added else "Add a user")
            person_added = True
        else:
            wizard.child.sendline(replies.get(prompt, ""))
    assert wizard.end() == 0, wizard.transcript
    taken.said.append(("the end", wizard.transcript[seen:]))
    return taken


def configured(desk: Desk, **settings: Any) -> None:
    desk.given(desk.answers(**settings))


CASES: dict[str, dict[str, str]] = {
    "claude": {"AGENT_BACKEND": "claude"},
    "codex": {"AGENT_BACKEND": "codex", "CODEX_AUTH_MODE": "api_key", "OPENAI_API_KEY": "sk-o"},
    "goose anthropic": {"LLM_PROVIDER": "anthropic", "ANTHROPIC_API_KEY": "sk-a"},
    "goose openai": {"LLM_PROVIDER": "openai", "OPENAI_API_KEY": "sk-o"},
    "goose google": {"LLM_PROVIDER": "google", "GOOGLE_API_KEY": "sk-g"},
    "goose openrouter": {
        "LLM_PROVIDER": "openrouter",
        "OPENROUTER_API_KEY": "sk-r",
        "DEFAULT_MODEL": "vendor/model",
    },
    "goose ollama": {"LLM_PROVIDER": "ollama", "DEFAULT_MODEL": "llama4:8b"},
}


@pytest.fixture(scope="module")
def walks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Desk, Walk]]:
    """Every case, walked once from what its answers file leaves open."""

    def started(case: str) -> tuple[Desk, Wizard]:
        desk = Desk(tmp_path_factory.mktemp("desk") / "desk")
        configured(desk, **{"AGENT_BACKEND": "goose", **CASES[case]})
        return desk, desk.wizard()

    # directories and processes are made from one thread alone
    wizards = {case: started(case) for case in CASES}

    def take(case: str) -> tuple[Desk, Walk]:
        desk, wizard = wizards[case]
        replies = {
            **EVERYTHING_ON,
            "telegram_id": "2",
            "name": "Bob",
            "os_user": "bob",
            "model": CASES[case].get("DEFAULT_MODEL", ""),
        }
        return desk, walk(wizard, replies)

    # they wait more than they work
    with ThreadPoolExecutor(len(CASES)) as pool:
        return dict(zip(CASES, pool.map(take, CASES), strict=True))


def words(text: str) -> set[str]:
    """Return the lower-case words of a text; an env key is a name of Kai's own, and one word."""
    return set(re.findall(r"[a-z]+", re.sub(r"\b[A-Z][A-Z0-9_]+\b", "", text)))


def test_every_question_of_the_contract_is_asked(walks: dict[str, tuple[Desk, Walk]]) -> None:
    asked = set().union(*(taken.asked for _, taken in walks.values()))
    wanted = {
        key
        for part in ("host", "settings", "user_fields")
        for key, spec in getattr(CONTRACT, part).items()
        if spec.asked != "never"
    }
    assert wanted - asked == set()
    assert asked - wanted == {REVIEW, "Users"}


@pytest.mark.parametrize("case", CASES)
def test_no_text_names_an_agent_that_nobody_uses(
    walks: dict[str, tuple[Desk, Walk]], case: str
) -> None:
    said = [(prompt, text) for prompt, text in walks[case][1].said if prompt not in ABOUT_AGENTS]
    assert len(said) > 60
    others = BACKENDS - {CASES[case].get("AGENT_BACKEND", "goose")}
    assert [(prompt, text) for prompt, text in said if words(text) & others] == []


@pytest.mark.parametrize("case", CASES)
def test_only_the_key_of_the_provider_in_use_is_asked(
    walks: dict[str, tuple[Desk, Walk]], case: str
) -> None:
    keys = {provider.key for provider in CONTRACT.providers.values()} - {None}
    # claude may have one for its one-shot calls
    wanted = {"ANTHROPIC_API_KEY"} if case == "claude" else keys & CASES[case].keys()
    assert walks[case][1].asked & keys == wanted


@pytest.mark.parametrize("case", CASES)
def test_what_was_written_is_a_valid_configuration(
    walks: dict[str, tuple[Desk, Walk]], case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, _ = walks[case]
    monkeypatch.setenv("HOME", str(desk.home))
    password = own_password(desk.inventory)
    variables = read_in_process(desk.inventory, "localhost", password)
    read = read_configuration(CONTRACT, variables)
    assert read.problems == []
    assert [person.name for person in read.users] == ["Ada", "Bob"]
    for key, value in EVERYTHING_ON.items():
        assert str(read.settings[key]).lower() == value


def test_everything_includes_what_is_never_asked(walks: dict[str, tuple[Desk, Walk]]) -> None:
    said = walks["claude"][1].said
    [everything] = [
        text for prompt, text in said if prompt == REVIEW and "CLAUDE_IDLE_TIMEOUT" in text
    ]
    shown = set(re.findall(r"^    (\w+)", everything, re.M))
    read = read_configuration(CONTRACT, {"kai_install_agent_backend": "claude"})
    of_others = {
        key
        for key, spec in CONTRACT.settings.items()
        if spec.applies != "always" and key not in shown and key not in read.chosen
    }
    assert {*CONTRACT.settings, *CONTRACT.host} - shown == of_others
    assert {"CODEX_BIN", "GOOSE_BIN", "LLM_PROVIDER"} <= of_others
    assert re.search(r"^    CLAUDE_IDLE_TIMEOUT +1800 +Kai's default", everything, re.M)


def test_a_question_says_for_whom_it_is_asked(desk: Desk) -> None:
    content = desk.answers(AGENT_BACKEND="claude")
    content["users"] += [{"telegram_id": 2, "name": "Bob", "agent_backend": "codex"}]
    desk.given(content)
    taken = walk(desk.wizard(), {"telegram_id": "3", "name": "Cleo"})
    said = dict(taken.said)
    assert "Codex auth mode (for Bob)" in said["CODEX_AUTH_MODE"]
    assert "Codex binary path (for Bob)" in said["CODEX_BIN"]
    assert "Claude effort level (for Ada, Cleo)" in said["CLAUDE_EFFORT_LEVEL"]
    assert not taken.asked & {"LLM_PROVIDER", "GOOSE_BIN", "OPENAI_API_KEY"}


STALE = {
    "TELEGRAM_TRANSPORT": ("pigeon", "polling, webhook", "polling"),
    "AGENT_BACKEND": ("opencode", ", ".join(CONTRACT.backends), "claude"),
    "CLAUDE_EFFORT_LEVEL": ("extreme", "low, medium, high, xhigh, max", "high"),
    "VOICE_ENABLED": ("perhaps", "true, false", "true"),
}


def test_a_stored_value_that_is_no_choice_is_named_and_asked_again(desk: Desk) -> None:
    configured(desk)
    path = desk.host_vars() / "kai.yml"
    names = {key: f"kai_install_{key.lower()}" for key in STALE}
    kept = [line for line in path.read_text().splitlines() if line.split(":")[0] not in names]
    stale = [f"{names[key]}: {stored}" for key, (stored, *_) in STALE.items()]
    path.write_text("\n".join([*kept, *stale, ""]))
    wizard = desk.wizard()
    wizard.go_to(REVIEW)
    # Enter leads to the first problem, and nowhere near writing it
    wizard.child.sendline()
    wizard.go_to(WHICH)
    assert wizard.offered[WHICH] == "Telegram"
    wizard.child.sendline()
    for key, (stored, choices, answer) in STALE.items():
        wizard.go_to(key)
        assert f"{key} '{stored}' is not one of {choices}." in wizard.transcript
        assert wizard.offered[key] == ""
        wizard.child.sendline()
        assert "Choose one of" in wizard.refusal()
        wizard.child.sendline(answer)
    assert wizard.go_on() == 0
    settings = desk.settings()
    assert {key: str(settings[name]).lower() for key, name in names.items()} == {
        key: answer for key, (*_, answer) in STALE.items()
    }


def test_a_stored_value_is_read_as_the_bot_reads_it(desk: Desk) -> None:
    configured(desk, AGENT_BACKEND="claude", DEFAULT_MODEL="opus", VOICE_ENABLED=True)
    path = desk.host_vars() / "kai.yml"
    text = path.read_text()
    for written, stored in (
        ('agent_backend: "claude"', 'agent_backend: " Claude"'),
        ('default_model: "opus"', 'default_model: "OPUS "'),
        ("voice_enabled: true", 'voice_enabled: "Yes "'),
        ('os_user: "alice"', 'os_user: "alice"\n    model: " Haiku"\n    role: "ADMIN"'),
        ('    role: "admin"\n', ""),
    ):
        assert written in text
        text = text.replace(written, stored)
    path.write_text(text + 'kai_install_claude_effort_level: "  HIGH "\n')
    wizard = desk.wizard("--no-probe", "--section", "users")
    wizard.go_to("Users")
    wizard.child.sendline("Change Ada (1)")
    offered = [name for name in CONTRACT.user_fields if name != "llm_provider"]
    for name in ("role", "model"):
        wizard.go_to(FIELDS)
        wizard.child.sendline(str(offered.index(name) + 2))
        wizard.go_to(name)
        wizard.child.sendline()
    keys = ["AGENT_BACKEND", "DEFAULT_MODEL", "CLAUDE_EFFORT_LEVEL", "VOICE_ENABLED"]
    assert wizard.go_on(dict.fromkeys(keys, "")) == 0
    assert [wizard.offered[key] for key in keys] == ["claude", "opus", "high", "true"]
    assert (wizard.offered["model"], wizard.offered["role"]) == ("haiku", "admin")
    assert "is not one of" not in wizard.transcript
    settings = desk.settings()
    assert [settings[f"kai_install_{key.lower()}"] for key in keys] == [
        *("claude", "opus", "high"),
        True,
    ]
    assert settings["kai_install_users"][0]["model"] == "haiku"


NO_MEMORIES = "The bot extracts no memories for Ada: goose does not support it."


def test_what_the_agent_cannot_do_is_said_when_it_is_switched_on(desk: Desk) -> None:
    configured(desk, AGENT_BACKEND="goose", LLM_PROVIDER="ollama", DEFAULT_MODEL="llama")
    wizard = desk.wizard()
    wizard.go_to("MEMORY_EXTRACTION_ENABLED", MEMORY_ENABLED="true")
    assert NO_MEMORIES not in wizard.transcript
    wizard.child.sendline("true")
    wizard.go_to(REVIEW)
    assert NO_MEMORIES in wizard.transcript
    wizard.child.sendline()
    assert wizard.end() == 0
    assert wizard.transcript.count(NO_MEMORIES) == 1
    # a run without a terminal reports it too
    assert NO_MEMORIES in desk.call("config", "--no-probe", "--no-input").stdout


def test_what_the_new_agent_cannot_do_is_said_before_it_is_written(desk: Desk) -> None:
    configured(desk, AGENT_BACKEND="claude", MEMORY_ENABLED=True, MEMORY_EXTRACTION_ENABLED=True)
    before = desk.tree()
    wizard = desk.wizard("--no-probe", "--section", "agents")
    wizard.go_to(REVIEW, AGENT_BACKEND="goose", LLM_PROVIDER="ollama", DEFAULT_MODEL="llama")
    assert NO_MEMORIES in wizard.transcript
    assert "Kai 1.x runs goose as the service user kai" in wizard.transcript
    assert wizard.offered[REVIEW] == "Write it"
    assert desk.tree() == before
    wizard.child.sendline("Leave without writing")
    assert wizard.end() == 1
    assert desk.tree() == before


def test_a_section_shows_its_own_values_and_repeats_nothing(desk: Desk) -> None:
    content = desk.answers(
        AGENT_BACKEND="claude", DEFAULT_MODEL="opus", TTS_ENABLED=True, WORKSPACE_BASE="/srv/work"
    )
    content["users"] += [{"telegram_id": 2, "name": "Bob", "agent_backend": "codex"}]
    desk.given(content)
    wizard = desk.wizard("--no-probe", "--section", "server")
    wizard.go_to(REVIEW)
    notes = re.findall(r"Note: .*", wizard.transcript)
    assert len(notes) == len(set(notes)) == 3
    for section, key, shown in (
        # only what is set
        ("features", "TTS_ENABLED", ["TTS_ENABLED"]),
        ("workspaces", "ALLOWED_WORKSPACES", ["WORKSPACE_BASE"]),
    ):
        wizard.open(section)
        wizard.go_to(key)
        wizard.child.sendline()
        before = len(wizard.transcript)
        wizard.go_to(REVIEW)
        lines = wizard.transcript[before:].partition(REVIEW)[0].split("\r\n")
        assert [line.split()[0] for line in lines if line.strip()] == [
            *("Now:", "Setting", f"{section.capitalize()}:", *shown)
        ]
    # a change elsewhere shows where it is
    wizard.open("agents")
    wizard.go_to(REVIEW, AGENT_BACKEND="codex", DEFAULT_MODEL="gpt-5.4")
    assert re.search(r"Models:\s+DEFAULT_MODEL  gpt-5.4  you, was opus", wizard.transcript)
    assert wizard.transcript.count("Note: ") == 4
    assert wizard.abort() == 130
