"""Records the public interface in tests/interface.yml, so that a change of it is a visible diff.

usage: python -m tools.interface [--check]

The record holds the commands with their options, the exit codes, the keys of each JSON
document, the variables of each entry point of the role, the playbooks and the targets of make.
``--check`` writes nothing, prints the differences and exits with 1 when there are any.
"""

from __future__ import annotations

import difflib
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from typer.main import get_command

from kai_ansible.cli.app import app
from kai_ansible.errors import ExitCode
from tools import manual, schemas
from tools.generate import IndentedDumper

ROOT = Path(__file__).resolve().parent.parent
RECORD = ROOT / "tests" / "interface.yml"
ARGUMENT_SPECS = ROOT / "roles" / "kai_install" / "meta" / "argument_specs.yml"
MAKEFILE = ROOT / "Makefile"
COMMAND = "python -m tools.interface"
# stands for any name, such as that of a host
EACH = "*"


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
            "every command": list(keys({"properties": schemas.envelope("")}, {})),
            **{name: document(name.removeprefix("kai-ansible ")) for name in verbs},
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
    least = getattr(given.type, "min", None)
    takes = [
        "flag" if getattr(given, "is_flag", False) else str(given.metavar),
        *(["required"] if given.required else []),
        *(["repeatable"] if given.multiple else []),
        *([f"default {given.default}"] if given.default not in (None, False, ()) else []),
        *([f"from {given.envvar}"] if given.envvar else []),
        *([f"at least {least:g}"] if least is not None else []),
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


def keys(schema: Mapping[str, Any], defs: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """Yield the path of each key that a JSON schema describes: hosts.*.installs[].number.

    defs: the schemas that it refers to, by name.
    """
    if "$ref" in schema:
        schema = {**defs[schema["$ref"].rpartition("/")[2]], **schema}
    parts = {f"{above}.{name}": part for name, part in schema.get("properties", {}).items()}
    yield from (path.removeprefix(".") for path in parts)
    if isinstance(others := schema.get("additionalProperties"), dict):
        parts[f"{above}.{EACH}"] = others
    if "items" in schema:
        parts[f"{above}[]"] = schema["items"]
    for path, part in parts.items():
        yield from keys(part, defs, path)


def document(command: str) -> list[str]:
    """Return the paths of the keys that a command adds to the envelope."""
    path = schemas.DOCS / f"{command.replace(' ', '-')}.schema.json"
    schema = json.loads(path.read_text(encoding="utf-8"))
    common = schemas.envelope(command)
    own = {
        "properties": {
            name: part
            for name, part in schema["properties"].items()
            if name not in common or name == "hosts"
        }
    }
    return [path for path in keys(own, schema.get("$defs", {})) if path != "hosts"]


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
