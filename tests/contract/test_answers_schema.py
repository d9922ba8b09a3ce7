"""The published schema of an answers file: it takes what config takes, and refuses what it must."""

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from kai_ansible.ansible.collection import contract
from kai_ansible.inventory.answers import answers_in, read_answers, read_assignments
from kai_ansible.rules.contract import Contract
from kai_ansible.rules.values import UnacceptableValue, read_value
from kai_ansible.rules.variable_names import variable

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "docs" / "answers.schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
ANSWERS: dict[str, Any] = {
    "host": {"source": "/srv/kai", "create_os_users": True, "extras": ["tts"]},
    "users": [{"telegram_id": 1, "name": "Ada", "hobby": "chess", "context_window": 0}],
    "settings": {
        "TELEGRAM_BOT_TOKEN": "123456789:AbCdEfGhIjKlMnOpQrStUvWxYz0123456789",
        "AGENT_BACKEND": "codex",
        "CLAUDE_MODEL": "opus",
        "WORKSPACE_BASE": None,
        "GITHUB_NOTIFY_CHAT_ID": -100,
    },
}


LINES = ("1", "2.0", "2")
# what a line needs of an answers file that has nothing of another one
OF_LINE = {
    "1": {"AGENT_BACKEND": "codex", "GITHUB_NOTIFY_CHAT_ID": -100},
    "2.0": {"DEFAULT_BACKEND": "codex", "GITHUB_WEBHOOK_SECRET": "s3cret"},
    "2": {"KAI_ENABLED_ADAPTERS": "workshop", "TURN_DEADLINE_SECONDS": 60},
}


def answers_of(line: str) -> dict[str, Any]:
    user = {"telegram_id": 1, "name": "Ada", "os_user": "ada"}
    return {"users": [user], "settings": dict(OF_LINE[line])}


@pytest.mark.parametrize("line", LINES)
def test_it_takes_the_answers_of_each_line(tmp_path: Path, line: str) -> None:
    answers = answers_of(line)
    VALIDATOR.validate(answers)
    path = tmp_path / "answers.yml"
    path.write_text(yaml.safe_dump(answers), encoding="utf-8")
    assert read_answers(contract(line), answers_in(path))[1] == []


@pytest.mark.parametrize(("line", "other"), [("1", "2"), ("2", "1"), ("2.0", "1")])
def test_an_answer_of_another_line_is_refused_by_its_line(
    tmp_path: Path, line: str, other: str
) -> None:
    answers = answers_of(line)
    answers["settings"] |= OF_LINE[other]
    assert not VALIDATOR.is_valid(answers)
    path = tmp_path / "answers.yml"
    path.write_text(yaml.safe_dump(answers), encoding="utf-8")
    problems = [
        *read_answers(contract(line), answers_in(path))[1],
        *read_assignments(contract(line), [f"{k}={v}" for k, v in OF_LINE[other].items()])[1],
    ]
    assert problems
    for problem in problems:
        assert contract(other).title in problem.found
        assert contract(line).title in problem.expected


def test_it_is_a_schema_and_takes_a_whole_answers_file(tmp_path: Path) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    VALIDATOR.validate(ANSWERS)
    path = tmp_path / "answers.yml"
    path.write_text(yaml.safe_dump(ANSWERS), encoding="utf-8")
    assert read_answers(contract(), answers_in(path))[1] == []


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        ("host", "sorce", "/srv/kai"),
        ("settings", "AGENT_BACKENDS", "codex"),
        ("settings", "AGENT_BACKEND", "gemini"),
        ("settings", "WEBHOOK_PORT", 65536),
        ("settings", "WEBHOOK_PORT", "eighty"),
        ("settings", "GITHUB_NOTIFY_CHAT_ID", 0),
        ("settings", "TELEGRAM_BOT_TOKEN", "hunter2"),
        ("settings", "VOICE_ENABLED", "perhaps"),
    ],
)
def test_it_refuses_what_config_refuses(part: str, key: str, value: Any) -> None:
    answers = copy.deepcopy(ANSWERS)
    answers[part][key] = value
    assert not VALIDATOR.is_valid(answers)
    spec = getattr(contract(), "settings" if part == "settings" else "host").get(key)
    if spec:
        with pytest.raises(UnacceptableValue):
            read_value(contract(), spec, value)


@pytest.mark.parametrize("line", LINES)
def test_it_has_everything_that_can_be_answered(line: str) -> None:
    properties = SCHEMA["$defs"][f"line.{line}"]["properties"]
    of_line = contract(line)
    known = {variable(key) for part in ("host", "settings") for key in getattr(of_line, part)}
    described = {
        variable(key) for part in ("host", "settings") for key in properties[part]["properties"]
    }
    assert known < described
    assert set(properties["users"]["items"]["properties"]) == set(of_line.user_fields)
    titles = [SCHEMA["$defs"][one["$ref"].rpartition("/")[2]]["title"] for one in SCHEMA["anyOf"]]
    assert f"Answers for {of_line.title}" in titles


def defaults() -> list[tuple[str, str, str]]:
    """Return the line, part and key of everything that has a default."""

    def of(one: Contract) -> list[tuple[str, str, str]]:
        return [
            (one.release, part, key)
            for part in ("host", "settings")
            for key, spec in getattr(one, part).items()
            if spec.default is not None
        ]

    return [found for line in LINES for found in of(contract(line))]


@pytest.mark.parametrize(("line", "part", "key"), defaults())
def test_it_takes_every_default(line: str, part: str, key: str) -> None:
    answers: dict[str, Any] = answers_of(line)
    answers.setdefault(part, {})[key] = getattr(contract(line), part)[key].default
    VALIDATOR.validate(answers)


def test_what_lines_share_stands_once() -> None:
    places = SCHEMA["$defs"].keys()
    assert "settings.WEBHOOK_PORT" in places
    assert not any(place.startswith("settings.WEBHOOK_PORT.") for place in places)
    for line in LINES:
        for place in places:
            shared = place.removesuffix(f".{line}")
            if shared != place and shared in places:
                assert SCHEMA["$defs"][shared] != SCHEMA["$defs"][place]
