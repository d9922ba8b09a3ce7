"""The published schema of an answers file: it takes what config takes, and refuses what it must."""

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from kai_ansible.ansible.collection import contract
from kai_ansible.inventory.answers import read_answers
from kai_ansible.rules.configuration import variable
from kai_ansible.rules.values import UnacceptableValue, read_value

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


def test_it_is_a_schema_and_takes_a_whole_answers_file(tmp_path: Path) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    VALIDATOR.validate(ANSWERS)
    path = tmp_path / "answers.yml"
    path.write_text(yaml.safe_dump(ANSWERS), encoding="utf-8")
    assert read_answers(contract(), path)[1] == []


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


def test_it_has_everything_that_can_be_answered() -> None:
    properties = SCHEMA["properties"]
    known = {variable(key) for part in ("host", "settings") for key in getattr(contract(), part)}
    described = {
        variable(key) for part in ("host", "settings") for key in properties[part]["properties"]
    }
    assert known < described
    assert set(properties["users"]["items"]["properties"]) == set(contract().user_fields)


@pytest.mark.parametrize(
    ("part", "key"),
    [
        (part, key)
        for part in ("host", "settings")
        for key, spec in getattr(contract(), part).items()
        if spec.default is not None
    ],
)
def test_it_takes_every_default(part: str, key: str) -> None:
    answers = copy.deepcopy(ANSWERS)
    answers[part][key] = getattr(contract(), part)[key].default
    VALIDATOR.validate(answers)
