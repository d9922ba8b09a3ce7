"""Records the public interface in tests/interface.yml, so that a change of it is a visible diff.

usage: python -m tools.interface [--check]

The record holds the commands with their options, the exit codes, the top-level keys of each JSON
document, the variables of each entry point of the role, the playbooks and the targets of make.
``--check`` writes nothing, prints the differences and exits with 1 when there are any.
"""

from __future__ import annotations

import ast
import difflib
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml
from typer.main import get_command

from kai_ansible.cli.app import app
from kai_ansible.errors import ExitCode
from kai_ansible.terminal.screen import Screen
from tools import manual

ROOT = Path(__file__).resolve().parent.parent
RECORD = ROOT / "tests" / "interface.yml"
ARGUMENT_SPECS = ROOT / "roles" / "kai_install" / "meta" / "argument_specs.yml"
MAKEFILE = ROOT / "Makefile"
COMMAND = "python -m tools.interface"
EACH_HOST = "HOST"


class IndentedDumper(yaml.SafeDumper):
    """Writes lists as yamllint wants them."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Indent lists too."""
        super().increase_indent(flow, False)


def interface() -> dict[str, Any]:
    """Return the public interface as plain data."""
    tree: Any = get_command(app)
    verbs = dict(manual.commands(tree, "kai-ansible"))
    specs = yaml.safe_load(ARGUMENT_SPECS.read_text(encoding="utf-8"))["argument_specs"]
    return {
        "commands": {
            name: dict(map(parameter, command.params))
            for name, command in {"kai-ansible": tree, **verbs}.items()
        },
        "exit_codes": {code.name: int(code) for code in ExitCode},
        "json": {
            **{name: documents(command.callback) for name, command in verbs.items()},
            "every command": [", ".join(sorted(Screen().envelope(None)))],
        },
        "role": {
            entry: {name: option(spec) for name, spec in sorted(entries.get("options", {}).items())}
            for entry, entries in specs.items()
        },
        "playbooks": sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml")),
        "make": sorted(re.findall(r"^([a-z-]+):.*## ", MAKEFILE.read_text("utf-8"), re.M)),
    }


def parameter(given: Any) -> tuple[str, str]:
    """Return an option or argument of a command as it is written, and what it takes."""
    names = [given.metavar] if given.param_type_name == "argument" else sorted(given.opts)
    takes = [
        "flag" if getattr(given, "is_flag", False) else str(given.metavar),
        *(["required"] if given.required else []),
        *(["repeatable"] if given.multiple else []),
        *([f"default {given.default}"] if given.default not in (None, False, ()) else []),
        *([f"from {given.envvar}"] if given.envvar else []),
        *([f"at least {given.min:g}"] if given.min is not None else []),
    ]
    return " ".join(names), ", ".join(takes)


def option(spec: dict[str, Any]) -> str:
    """Return the type of a variable of the role, and what else binds who sets it."""
    kind = f"{spec['type']} of {spec['elements']}" if "elements" in spec else spec["type"]
    rest = [
        *(["required"] if spec.get("required") else []),
        *([f"one of {', '.join(map(str, spec['choices']))}"] if "choices" in spec else []),
        *([f"default {spec['default']!r}"] if "default" in spec else []),
        *(["no_log"] if spec.get("no_log") else []),
    ]
    return ", ".join([str(kind), *rest])


def documents(verb: Callable[..., Any]) -> list[str]:
    """Return the top-level keys of each JSON document that a function can print.

    They are read from the code: from ``document(...)`` in the function and in those it calls.
    """
    found: dict[str, None] = {}
    seen: set[Any] = set()
    waiting: list[Any] = [inspect.unwrap(verb)]
    while waiting:
        function = waiting.pop(0)
        if function in seen or not inspect.isfunction(function):
            continue
        seen.add(function)
        tree = _tree(function)
        names = {**function.__globals__, **_imported_inside(tree)}
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            if isinstance(call.func, ast.Attribute) and call.func.attr == "document":
                found[", ".join(_keys(call.args[0], tree))] = None
            called = names.get(call.func.id) if isinstance(call.func, ast.Name) else None
            if getattr(called, "__module__", "").startswith("kai_ansible."):
                waiting.append(called)
    return sorted(found)


@cache
def _tree(function: Any) -> ast.AST:
    return ast.parse(textwrap.dedent(inspect.getsource(function)))


def _imported_inside(tree: ast.AST) -> dict[str, Any]:
    return {
        alias.name: getattr(import_module(str(node.module)), alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("kai_ansible.")
        for alias in node.names
    }


def _keys(value: ast.AST, tree: ast.AST) -> list[str]:
    """Return the keys of a document, sorted; ``HOST`` stands for one key for each host."""
    if isinstance(value, ast.Name):
        return sorted({key for part in _parts(value.id, tree) for key in _keys(part, tree)})
    if isinstance(value, ast.DictComp):
        return [EACH_HOST]
    if isinstance(value, ast.Dict):
        return sorted(key for node in value.keys for key in _names(node))
    # a document that an object makes of itself: look.as_dict()
    [method] = [
        node
        for path in (ROOT / "kai_ansible").glob("*/*.py")
        for owner in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(owner, ast.ClassDef) and owner.name in _annotations(value, tree)
        for node in owner.body
        if isinstance(node, ast.FunctionDef) and node.name == value.func.attr  # type: ignore[attr-defined]
    ]
    [returned] = [node for node in ast.walk(method) if isinstance(node, ast.Return)]
    return _keys(returned.value or method, method)


def _parts(name: str, tree: ast.AST) -> Iterator[ast.AST]:
    """Yield what is assigned to a name, or to its keys."""
    for node in ast.walk(tree):
        for target in getattr(node, "targets", ()):
            if isinstance(target, ast.Name) and target.id == name:
                yield node.value  # type: ignore[attr-defined]
            if isinstance(target, ast.Subscript) and getattr(target.value, "id", "") == name:
                yield ast.Dict([target.slice], [target])


def _names(node: ast.AST | None) -> list[str]:
    if isinstance(node, ast.Constant):
        return [str(node.value)]
    if isinstance(node, ast.IfExp):
        return [*_names(node.body), *_names(node.orelse)]
    return [EACH_HOST]


def _annotations(call: Any, tree: ast.AST) -> set[str]:
    owner = call.func.value.id
    arguments = [node for node in ast.walk(tree) if isinstance(node, ast.arg)]
    return {
        node.id
        for argument in arguments
        if argument.arg == owner and argument.annotation
        for node in ast.walk(argument.annotation)
        if isinstance(node, ast.Name)
    }


def text() -> str:
    """Return the record as YAML."""
    body = yaml.dump(interface(), Dumper=IndentedDumper, sort_keys=False, width=110)
    return f"# The public interface, recorded by: {COMMAND}\n---\n{body}"


def main() -> int:
    """Write the record, or print how it differs. Returns the exit code."""
    if sys.argv[1:] != ["--check"]:
        RECORD.write_text(text(), encoding="utf-8")
        return 0
    old, new = RECORD.read_text(encoding="utf-8").splitlines(), text().splitlines()
    lines = list(difflib.unified_diff(old, new, "recorded", "now", lineterm="", n=1))
    print("\n".join(lines))
    return int(bool(lines))


if __name__ == "__main__":
    sys.exit(main())
