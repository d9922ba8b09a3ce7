"""Every command has a published schema, and its documents are valid by it."""

import json
from pathlib import Path

import jsonschema
import pytest

from kai_ansible.rules.probe import InstallRecord
from tests.cli.desk import TOKEN, Desk
from tests.json_documents import checked
from tools import schemas

DESK_COMMANDS = [
    ("settings",),
    ("settings", "AGENT_BACKEND"),
    ("users", "list"),
    ("users", "edit", "Ada", "--set", "model="),
    ("migrate", "--check"),
    ("vault", "password"),
    ("config", "--no-input", "--no-probe", "--set", "WEBHOOK_PORT=8123"),
]


def test_the_schemas_are_those_of_these_commands() -> None:
    for path, text in schemas.files().items():
        assert path.read_text(encoding="utf-8") == text, f"{path}: run: make generate"
        found = json.loads(text)
        jsonschema.Draft202012Validator.check_schema(found)
        assert set(schemas.envelope("")) <= set(found["required"])


def test_the_installs_of_a_host_are_described() -> None:
    host = json.loads((schemas.DOCS / "status.schema.json").read_text())["$defs"]["host"]
    described = host["properties"]["installs"]["items"]
    assert set(described["properties"]) == set(InstallRecord.__annotations__)
    assert set(described["required"]) == set(InstallRecord.__annotations__)


@pytest.mark.parametrize("command", DESK_COMMANDS, ids=" ".join)
def test_a_document_is_valid_by_its_schema(desk: Desk, command: tuple[str, ...]) -> None:
    desk.given(desk.answers(AGENT_BACKEND="claude"))
    done = desk.run(*command, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    jsonschema.validate(document, schema_of(document["command"]))
    assert document["error"] is None
    assert TOKEN not in done.stdout


@pytest.mark.parametrize(
    "command", [("settings", "AGENT_BAKEND"), ("install", "--set", "NO_KEY=1")]
)
def test_a_refusal_is_valid_by_the_same_schema(desk: Desk, command: tuple[str, ...]) -> None:
    desk.given(desk.answers())
    done = desk.run(*command, "--json")
    document = json.loads(done.stdout)
    jsonschema.validate(document, schema_of(command[0]))
    assert (document["exit_code"], done.returncode) == (2, 2)
    assert document["problems"][0]["fix"]


def test_a_key_that_no_schema_has_is_refused(desk: Desk) -> None:
    desk.given(desk.answers())
    document = json.loads(desk.run("settings", "--json").stdout)
    checked(json.dumps(document))
    for part in (document, document["hosts"]["localhost"]["settings"]["WEBHOOK_PORT"]):
        part["unknown"] = 1
        with pytest.raises(jsonschema.ValidationError, match="unknown"):
            checked(json.dumps(document))
        del part["unknown"]


def schema_of(command: str) -> dict[str, object]:
    """Return the published schema of a command."""
    path = Path(schemas.DOCS, f"{command.replace(' ', '-')}.schema.json")
    return dict(json.loads(path.read_text(encoding="utf-8")))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """An operator's desk with nothing on it."""
    return Desk(tmp_path / "desk")
