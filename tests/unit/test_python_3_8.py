"""Code that runs on a host uses nothing that Python 3.8 lacks."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

PLUGINS = ROOT / "plugins"
ON_HOSTS = sorted(
    path
    for place in ("module_utils/host", "module_utils/rules", "modules")
    for path in (PLUGINS / place).rglob("*.py")
)
NEW_METHODS = {"removeprefix", "removesuffix"}
MAPPINGS = (ast.Dict, ast.DictComp)


def too_new(tree: ast.AST) -> Iterator[str]:
    """Yield what Python 3.9 brought, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in NEW_METHODS:
            yield f"{node.lineno}: {node.attr}"
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            sides = (node.left, node.right)
        elif isinstance(node, ast.AugAssign) and isinstance(node.op, ast.BitOr):
            sides = (node.target, node.value)
        else:
            continue
        if any(isinstance(side, MAPPINGS) for side in sides):
            yield f"{node.lineno}: | of mappings"


@pytest.mark.parametrize("path", ON_HOSTS, ids=lambda path: str(path.relative_to(PLUGINS)))
def test_a_host_needs_no_newer_python(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 8))
    assert list(too_new(tree)) == []


@pytest.mark.parametrize("code", ["a | {1: 2}", "a |= {n: n for n in b}", "a.removeprefix('b')"])
def test_what_is_too_new_is_seen(code: str) -> None:
    assert len(list(too_new(ast.parse(code)))) == 1
