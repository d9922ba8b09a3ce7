"""A refusal of a module or a plugin that is no Problem says by itself how it is fixed."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

FILES = sorted((ROOT / "plugins").rglob("*.py"))
RAISED = ("Refused", "AnsibleActionFail", "fail_json")
# the arguments of the role alone lead to these, and each line of the last has its fix
WITHOUT = (
    "state=switched needs release or record",
    "commands and agents need a service_user",
    "has no text in files or secret_contents",
    "These paths were not changed:",
)


def spoken(node: ast.expr) -> str:
    """Return the literal text of a message, empty for one that is made elsewhere."""
    parts = [part for part in ast.walk(node) if isinstance(part, ast.Constant)]
    return "".join(part.value for part in parts if isinstance(part.value, str))


def messages(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Return line and text of the messages that are written where they are raised."""
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = getattr(call.func, "id", getattr(call.func, "attr", ""))
        given = [*call.args, *(word.value for word in call.keywords if word.arg == "msg")]
        if name in RAISED and given and isinstance(given[0], ast.Constant | ast.JoinedStr):
            yield call.lineno, spoken(given[0])


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_message_that_is_written_where_it_is_raised_has_its_fix(path: Path) -> None:
    lacking = [
        f"{path.relative_to(ROOT)}:{line}: {text}"
        for line, text in messages(ast.parse(path.read_text(encoding="utf-8")))
        # a message of placeholders alone is made elsewhere
        if text.strip(" :{}\n")
        and "Fix:" not in text
        and not any(known in text for known in WITHOUT)
    ]
    assert lacking == []


def test_a_message_without_a_fix_is_found() -> None:
    tree = ast.parse("raise Refused(f'{path} is not a file')\nraise Refused(str(error))")
    assert list(messages(tree)) == [(1, " is not a file")]
