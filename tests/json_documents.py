"""Hold what kai-ansible prints with --json to the published schema of the command."""

import json
from functools import cache
from typing import Any

import jsonschema

from tests.conftest import ROOT


def checked(text: str) -> dict[str, Any]:
    """Return the document that a command printed. Every key of it is one that its schema has.

    Raises ValueError for text that is no JSON, and ValidationError of jsonschema.
    """
    document: dict[str, Any] = json.loads(text)
    jsonschema.validate(document, _closed_schema(document["command"]))
    return document


@cache
def _closed_schema(command: str) -> Any:
    path = ROOT / "docs" / f"{command.replace(' ', '-')}.schema.json"
    return _closed(json.loads(path.read_text(encoding="utf-8")))


def _closed(schema: Any) -> Any:
    """Return a schema without room for keys that it does not name."""
    if isinstance(schema, list):
        return [_closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(part) for name, part in schema.items()}
    if isinstance(closed.get("properties"), dict) and "type" in closed:
        closed.setdefault("additionalProperties", False)
    return closed
