"""Write the files that are generated from the contract: specs, settings page, answers schema.

usage: python -m tools.generate [--check] [--root TREE]

``--check`` writes nothing and exits with 1 if a file does not match the contract.
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from kai_ansible.controller.contracts import contract_of_line, lines_of
from kai_ansible.rules.conditions import in_words
from kai_ansible.rules.contract import (
    Binary,
    Contract,
    HostSetting,
    Setting,
    UserField,
    Value,
    When,
)
from kai_ansible.rules.contract_changes import CONTRACT_VERSION, FIRST
from kai_ansible.rules.problems import Refused, listed
from kai_ansible.rules.release_line import AUTO
from kai_ansible.rules.values import choices_of, describe, env_text
from kai_ansible.rules.variable_names import variable
from tools.by_line import grouped, in_order, merged_option
from tools.stale import write_or_check

CHECKOUT = Path(__file__).resolve().parents[1]
VARS = "roles/kai_install/vars"
VARIABLES = f"{VARS}/lines/variables.yml"
ARGUMENT_SPECS = "roles/kai_install/meta/argument_specs.yml"
SETTINGS_PAGE = "docs/settings.md"
ANSWERS_SCHEMA = "docs/answers.schema.json"
# what stands below this line in the argument specs stays
_BY_HAND = "  # The other entry points are written by hand.\n"
NOTICE = f"Generated from the contracts in {VARS} by: make generate"

Contracts = dict[str, Contract]
"""The contract of each release line, the oldest first."""

# Loose on purpose: the rules of the role check every value and report all faults at once. Ansible's
# own validation comes first and must not stop at one of them.
_ANSIBLE_TYPES: Mapping[str, dict[str, Any]] = {
    "integer": {"type": "int"},
    "number": {"type": "float"},
    "boolean": {"type": "bool"},
    "list": {"type": "list", "elements": "str"},
    "directory_list": {"type": "list", "elements": "str"},
    "environment": {"type": "dict"},
}
_SAID_BY_TYPE = ("text", "true or false")


def main() -> int:
    """Generate or check the files; return the exit code.

    Ends with exit code 2 when the arguments are wrong or the contract cannot be read.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing, fail when stale")
    parser.add_argument("--root", type=Path, default=CHECKOUT, help="tree to read and write")
    root: Path = parser.parse_args().root
    try:
        contracts = contracts_in(root / VARS)
    except (OSError, Refused) as error:
        parser.error(f"cannot read the contract: {error}")
    return write_or_check(
        {root / name: text for name, text in generated_files(contracts, root).items()}
    )


def contracts_in(directory: Path) -> dict[str, Contract]:
    """Return the contract of every line, the oldest first. Raises OSError or Refused."""
    oldest_first = reversed(lines_of(str(directory)).lines)
    return {one.line: contract_of_line(str(directory), one.line) for one in oldest_first}


def generated_files(contracts: Contracts, root: Path) -> dict[str, str]:
    """Return the text of every generated file by its path below the root."""
    present = (root / ARGUMENT_SPECS).read_text(encoding="utf-8")
    by_hand = present.partition(_BY_HAND)[2]
    return {
        VARIABLES: variables_of_lines(contracts),
        ARGUMENT_SPECS: argument_specs_text(main_entry(contracts)) + _BY_HAND + by_hand,
        SETTINGS_PAGE: settings_page(contracts),
        ANSWERS_SCHEMA: json.dumps(answers_schema(contracts), indent=2) + "\n",
    }


def variables_of_lines(contracts: Contracts) -> str:
    """Return the lines of each variable that not every line has, as YAML."""
    names = {line: _variables(contract) for line, contract in contracts.items()}
    of_some = {
        name: [line for line in contracts if name in names[line]]
        for name in in_order(names.values())
    }
    found = {name: lines for name, lines in of_some.items() if len(lines) < len(contracts)}
    body = "".join(f"{name}: {json.dumps(lines)}\n" for name, lines in found.items())
    return (
        f"# {NOTICE}\n# The release lines of each variable that not all of them have.\n---\n{body}"
    )


def _variables(contract: Contract) -> list[str]:
    former = [old for spec in contract.settings.values() for old in spec.old_names]
    return [variable(name) for name in [*contract.host, *contract.settings, *former]]


def main_entry(contracts: Contracts) -> dict[str, Any]:
    """Return the argument specs of the role's main entry point, which hold for every line."""
    titles = {line: contract.title for line, contract in contracts.items()}
    by_line = {line: _options(contracts, line) for line in contracts}
    options = {
        name: merged_option(
            titles, {line: found[name] for line, found in by_line.items() if name in found}
        )
        for name in in_order(by_line.values())
    }
    return {
        "author": ["the kai-ansible authors"],
        "short_description": "Install and configure a Kai bot",
        "description": [
            f"Installs {listed(titles.values())} as a service with the configuration of the "
            "variables; the release line decides which variables there are.",
            "The backends in use determine which values are required and valid together.",
            "The role checks them before any change and reports every problem at once.",
        ],
        "options": options,
        "examples": _EXAMPLE,
    }


def _options(contracts: Contracts, line: str) -> dict[str, dict[str, Any]]:
    contract = contracts[line]
    options = _contract_options(contracts, line)
    for name, spec in contract.host.items():
        options[variable(name)] = _host_option(contract, spec)
    for key, setting in contract.settings.items():
        options[variable(key)] = _setting_option(contract, key, setting)
    return {**options, **_people_options(contract), **_extra_options(contract)}


def argument_specs_text(main: Mapping[str, Any]) -> str:
    """Return the argument specs with their main entry point as YAML."""
    specs = {"argument_specs": {"main": main}}
    body = yaml.dump(specs, Dumper=IndentedDumper, sort_keys=False, width=96, allow_unicode=True)
    return f"# {NOTICE}\n---\n{body}"


def settings_page(contracts: Contracts) -> str:
    """Return the reference of every variable as Markdown, with a column for each line."""
    newest = list(contracts.values())[-1]
    env_file = newest.protected_files["env"].path
    parts = [
        f"<!-- {NOTICE} -->",
        "# Settings of Kai",
        _INTRODUCTION.format(
            env_file=env_file,
            columns=listed(f"`{line}` is {one.title}" for line, one in contracts.items()),
        ),
    ]
    sections = {line: contract.sections for line, contract in contracts.items()}
    for section in in_order(sections.values()):
        title = next(one[section] for one in sections.values() if section in one)
        rows = _by_line(contracts, functools.partial(_section_rows, section=section))
        if rows:
            parts += [f"## {title}", _line_table(contracts, _SETTING_COLUMNS, rows)]
    parts += [
        "## Other variables",
        _line_table(
            contracts,
            ("Variable", "Type", "Description"),
            _by_line(contracts, lambda one: _whole_rows(contracts, one)),
        ),
        "## Fields of a user",
        _ABOUT_FIELDS,
        _line_table(
            contracts,
            ("Field", "Type and range", "Required", "Default", "Kai itself"),
            _by_line(contracts, _user_rows),
        ),
        "## Backends, providers and models",
        _line_table(
            contracts,
            ("Backend and provider", "Key", "Models", "Default"),
            _by_line(contracts, _model_rows),
        ),
        "## Optional dependency groups",
        _ABOUT_EXTRAS,
        _line_table(
            contracts, ("Extra", "Installed", "Modules tested"), _by_line(contracts, _extra_rows)
        ),
        "## Variables of the service definition",
        f"Kai reads these before `{env_file}`, so the role puts them into the service definition.",
        _line_table(
            contracts,
            ("Key", "Value"),
            _by_line(
                contracts,
                lambda one: [(f"`{k}`", f"`{v}`") for k, v in one.process_environment.items()],
            ),
        ),
        "## Retired keys",
        "kai-ansible never writes these keys, and reports each one that it finds.",
        _line_table(
            contracts,
            ("Key", "Reason"),
            _by_line(contracts, lambda one: [(f"`{k}`", why) for k, why in one.retired.items()]),
        ),
    ]
    return "\n\n".join(parts) + "\n"


Row = tuple[str, ...]


def _by_line(contracts: Contracts, rows_of: Callable[[Contract], Iterable[Row]]) -> list[Row]:
    """Return the rows of every line, each once, with a mark for each line after its first cell."""
    found = {line: {row[0]: row for row in rows_of(one)} for line, one in contracts.items()}
    return [
        (row[0], *("yes" if line in lines else _NONE for line in contracts), *row[1:])
        for row, lines in grouped(found)
    ]


def _line_table(contracts: Contracts, columns: Row, rows: Iterable[Row]) -> str:
    return table((columns[0], *contracts, *columns[1:]), rows)


def answers_schema(contracts: Contracts) -> dict[str, Any]:
    """Return the JSON schema of an answers file, for editors that complete and check.

    A file has to be right for one of the lines. What several lines share stands once.
    """
    by_line = {line: _answers_of(contract) for line, contract in contracts.items()}
    shared: dict[str, Any] = {}
    for line, parts in by_line.items():
        for part, properties in parts.items():
            for name, schema in properties.items():
                place = f"{part}.{name}"
                if shared.setdefault(place, schema) != schema:
                    place = f"{place}.{line}"
                    shared[place] = schema
                properties[name] = {"$ref": f"#/$defs/{place}"}
    lines = {line: _answers_file(contracts[line], parts) for line, parts in by_line.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": NOTICE,
        "title": f"Answers for {listed(one.title for one in contracts.values())}",
        "description": "A file for kai-ansible config --answers. null clears a value.",
        "anyOf": [{"$ref": f"#/$defs/line.{line}"} for line in reversed(contracts)],
        "$defs": {**{f"line.{line}": one for line, one in lines.items()}, **shared},
    }


def _answers_of(contract: Contract) -> dict[str, dict[str, Any]]:
    """Return what can be answered of each part of an answers file."""
    settings = {key: _answer(contract, spec) for key, spec in contract.settings.items()}
    for key, spec in contract.settings.items():
        old = {**settings[key], "deprecated": True, "description": f"Old name of {key}."}
        settings.update(dict.fromkeys(spec.old_names, old))
    return {
        "host": {name: _answer(contract, spec) for name, spec in contract.host.items()},
        "users": {name: _answer(contract, spec) for name, spec in contract.user_fields.items()},
        "settings": settings,
    }


def _answers_file(contract: Contract, parts: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    user = _mapping(parts["users"])
    user["required"] = [
        name
        for name, spec in contract.user_fields.items()
        if spec.required and not spec.alternative
    ]
    # an unknown field goes to users.yaml unchanged
    del user["additionalProperties"]
    return {
        "title": f"Answers for {contract.title}",
        **_mapping(
            {
                "host": {"description": "The installation itself.", **_mapping(parts["host"])},
                "users": {
                    "description": "The users who may talk to the bot.",
                    "type": "array",
                    "items": user,
                },
                "settings": {
                    "description": "Settings by env key.",
                    **_mapping(parts["settings"]),
                },
            }
        ),
    }


def _mapping(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": dict(properties), "additionalProperties": False}


def _answer(contract: Contract, spec: Value) -> dict[str, Any]:
    return {
        "description": " ".join([spec.help, *_expectation(contract, spec)]),
        **({"default": spec.default} if spec.default is not None else {}),
        "anyOf": [_value(contract, spec), {"type": "null"}],
    }


def _value(contract: Contract, spec: Value) -> dict[str, Any]:
    kind = spec.type
    if kind == "boolean":
        return {"type": "boolean"}
    if kind == "choice":
        return {"enum": choices_of(contract, spec)}
    if kind in ("list", "directory_list"):
        return {"type": "array", "items": {"type": "string"}}
    if kind == "environment":
        return {"type": "object", "additionalProperties": {"type": ["string", "number"]}}
    if kind not in ("integer", "number"):
        pattern = {"pattern": f"^(?:{spec.pattern})$"} if spec.pattern is not None else {}
        return {"type": "string", **pattern}
    limits = {
        "minimum": spec.minimum,
        "exclusiveMinimum": spec.exclusive_minimum,
        "maximum": spec.maximum,
    }
    given = {word: limit for word, limit in limits.items() if limit is not None}
    value: dict[str, Any] = {"type": kind, **given}
    if spec.nonzero:
        value["not"] = {"const": 0}
    return {"anyOf": [value, {"const": 0}]} if spec.or_zero else value


_EXAMPLE = """\
- name: Install Kai
  hosts: bots
  gather_facts: false
  become: true
  roles:
    - role: kai.bot.kai_install
      kai_install_source: https://github.com/dcellison/kai.git
      kai_install_version: 898630aca32a489e9278f60b7db5c688800de156 # Kai 1.4.0 has no tag
      kai_install_agent_backend: codex
      kai_install_telegram_bot_token: "{{ vault_token }}"
      kai_install_users:
        - telegram_id: 123456789
          name: Alice
          role: admin
          os_user: alice
"""

_INTRODUCTION = """\
Every variable of the role. The columns of the release lines say which of them a row is for:
{columns}. What differs between lines has a row for each. kai-ansible
refuses a variable of another line and names the way to that line.

A row with an env key is a setting of the bot, written to `{env_file}` under that key; a row without
one belongs to the installation, and Kai never reads it.
Secrets belong in `vault.yml`. An old name still works, and kai-ansible reports it.

A setting that reaches the bot "when chosen" has Kai's own default until you give it a value.
A setting that does not reach the bot under the present configuration is kept and reported."""

_ABOUT_FIELDS = """\
An entry of `kai_install_users` has the fields of Kai's users.yaml. The role refuses an invalid
value; the last column shows what Kai itself does with it. The role copies an unlisted field to
users.yaml unchanged."""


_ABOUT_EXTRAS = """\
An install adds these to Kai unless `kai_install_extras` names others. A release counts as complete
only if the service user can import the modules."""


class IndentedDumper(yaml.SafeDumper):
    """Indents lists below their key, as yamllint expects, and leaves the lines of a text apart."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_str(self, data: str) -> yaml.ScalarNode:
        style = "|" if "\n" in data else None
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)


IndentedDumper.add_representer(str, IndentedDumper.represent_str)


def _contract_options(contracts: Contracts, line: str) -> dict[str, dict[str, Any]]:
    contract = contracts[line]
    newest_first = reversed(contracts.items())
    known = ", ".join(f"{name} ({one.title})" for name, one in newest_first)
    return {
        variable("release"): {
            "description": [
                f"Release line of Kai: {known}, or auto, which takes it from the source."
            ],
            "type": "str",
            "default": AUTO,
        },
        CONTRACT_VERSION: {
            "description": [
                "Version of the contract that the variables follow; "
                f"{contract.version} is today's.",
                "Every command that writes host_vars sets it, and kai-ansible migrate updates "
                "host_vars of an older version.",
            ],
            "type": "int",
            "default": FIRST,
        },
    }


def _host_option(contract: Contract, spec: HostSetting) -> dict[str, Any]:
    sentences = [spec.help, *_expectation(contract, spec)]
    if spec.required is not None:
        sentences.append("Must have a value.")
    option = {"description": sentences, **_ansible_type(spec)}
    if spec.default is not None:
        option["default"] = spec.default
    if spec.secret:
        option["no_log"] = True
    return option


def _setting_option(contract: Contract, key: str, spec: Setting) -> dict[str, Any]:
    sentences = [spec.help, *_expectation(contract, spec)]
    default = _default_in_words(contract, key, spec)
    if default:
        sentences.append(f"Without a value, {default}.")
    if spec.required is not None:
        sentences.append(f"Required {_when(spec.required)}.")
    if spec.conflicts is not None:
        sentences.append(f"Refused {_when(spec.conflicts)}.")
    sentences.append(f"Env key {key}; reaches the bot {_reach(contract, key, spec)}.")
    if spec.old_names:
        sentences.append(f"Old env key {', '.join(spec.old_names)}.")
    option: dict[str, Any] = {"description": sentences, **_ansible_type(spec)}
    if spec.secret:
        option["no_log"] = True
    return option


def _required(spec: UserField) -> str:
    """Return whether an entry must have a field, behind what the field may be."""
    other = spec.alternative
    if other:
        return f"; required unless {in_words(other.when)} and there is {other.field}"
    return "; required" if spec.required else ""


def _people_options(contract: Contract) -> dict[str, dict[str, Any]]:
    fields = [
        f"{name} - {_type_and_range(contract, spec)}{_required(spec)}."
        for name, spec in contract.user_fields.items()
    ]
    # Declared sub-options would make Ansible refuse a field that the contract does not know.
    return {
        variable("users"): {
            "description": [
                "The users who may talk to the bot, one entry each; the role writes users.yaml.",
                "The role copies a field that is not listed below unchanged.",
                *fields,
            ],
            "type": "list",
            "elements": "dict",
        },
        variable("users_file"): {
            "description": [
                "A users.yaml on the machine that runs Ansible, deployed byte for byte.",
                f"Replaces {variable('users')}; using both is an error.",
            ],
            "type": "str",
        },
    }


def _extra_options(contract: Contract) -> dict[str, dict[str, Any]]:
    env_file = contract.protected_files["env"].path
    return {
        variable("extra_env"): {
            "description": [
                f"Settings for {env_file} that this role does not know, by env key.",
                "A key that the role knows has its own variable and is refused here.",
            ],
            "type": "dict",
        },
        variable("secret_extra_env"): {
            "description": [f"As {variable('extra_env')}, for secrets; keep it in the vault."],
            "type": "dict",
            "no_log": True,
        },
    }


def _ansible_type(spec: Value) -> dict[str, Any]:
    return _ANSIBLE_TYPES.get(spec.type, {"type": "str"})


def _type_and_range(contract: Contract, spec: Value) -> str:
    text = describe(contract, spec)
    if isinstance(spec, Setting) and spec.surface:
        text = "one of " + ", ".join(contract.surfaces[spec.surface].models)
    return f"{text}: {spec.pattern_help}" if spec.pattern_help is not None else text


def _expectation(contract: Contract, spec: Value) -> list[str]:
    """Return the sentence on what a value may be, none where its type says all of it."""
    text = _type_and_range(contract, spec)
    return [] if text in _SAID_BY_TYPE else [f"Expects {text}".rstrip(".") + "."]


def _default_in_words(contract: Contract, key: str, spec: Setting) -> str:
    if spec.default is not None:
        text = env_text(spec.default)
        return f"Kai uses {text}" if text else "Kai uses an empty text"
    if spec.generate:
        return "the wizard makes one at random"
    if spec.type == "model" and spec.surface is None:
        return "the role writes the backend's default"
    if _program_of(contract, key):
        return "the role searches for it on the target"
    return ""


def _program_of(contract: Contract, key: str) -> Binary | None:
    """Return the binary of the backend whose path the setting names, or None."""
    binaries = (backend.binary for backend in contract.backends.values())
    return next((binary for binary in binaries if binary.setting == key), None)


def _when(condition: When) -> str:
    words = in_words(condition)
    return words if condition == "always" else f"when {words}"


def _reach(contract: Contract, key: str, spec: Setting) -> str:
    """Return when a setting reaches the bot, as the end of a sentence."""
    if spec.written == "never":
        program = _program_of(contract, key)
        return f"never, because it starts {program.name} by name" if program else "never"
    applies = spec.applies
    if spec.written == "always":
        return _when(applies)
    return "when chosen" if applies == "always" else f"when chosen, if {in_words(applies)}"


_SETTING_COLUMNS = (
    "Variable",
    "Env key",
    "Type and range",
    "Default",
    "Secret",
    "Required",
    "Reaches the bot",
    "Old names",
    "Description",
)
_NONE = "-"


def _section_rows(contract: Contract, section: str) -> list[Row]:
    return [*_host_rows(contract, section), *_setting_rows(contract, section)]


def _host_rows(contract: Contract, section: str) -> list[tuple[str, ...]]:
    return [
        (
            f"`{variable(name)}`",
            _NONE,
            _type_and_range(contract, spec),
            f"`{env_text(spec.default)}`" if spec.default is not None else _NONE,
            "yes" if spec.secret else "no",
            spec.required or _NONE,
            _NONE,
            _NONE,
            spec.help,
        )
        for name, spec in contract.host.items()
        if spec.section == section
    ]


def _setting_rows(contract: Contract, section: str) -> list[tuple[str, ...]]:
    return [
        (
            f"`{variable(key)}`",
            f"`{key}`",
            _type_and_range(contract, spec),
            _default_cell(contract, key, spec),
            "yes" if spec.secret else "no",
            _needed_cell(spec),
            _reach(contract, key, spec),
            ", ".join(f"`{name}`" for name in spec.old_names) or _NONE,
            spec.help,
        )
        for key, spec in contract.settings.items()
        if spec.section == section
    ]


def _default_cell(contract: Contract, key: str, spec: Setting) -> str:
    text = f"`{env_text(spec.default)}`" if spec.default not in (None, "") else ""
    text = text or _default_in_words(contract, key, spec)
    if spec.suggestion is not None:
        text += f"{'; ' if text else ''}the wizard offers `{env_text(spec.suggestion)}`"
    return text or _NONE


def _needed_cell(spec: Setting) -> str:
    parts = [_when(spec.required)] if spec.required is not None else []
    if spec.conflicts is not None:
        parts.append(f"refused {_when(spec.conflicts)}")
    return "; ".join(parts) or _NONE


def _whole_rows(contracts: Contracts, contract: Contract) -> list[tuple[str, ...]]:
    options = {
        **_contract_options(contracts, contract.release),
        **_people_options(contract),
        **_extra_options(contract),
    }
    return [
        (f"`{name}`", option["type"], " ".join(option["description"][:2]))
        for name, option in options.items()
    ]


def _user_rows(contract: Contract) -> list[tuple[str, ...]]:
    return [
        (
            f"`{name}`",
            _type_and_range(contract, spec) + ("; unique" if spec.unique else ""),
            _required(spec).partition("; required ")[2] or ("always" if spec.required else _NONE),
            f"`{env_text(spec.default)}`" if spec.default is not None else _NONE,
            _NONE if spec.kai_on_violation == "none" else spec.kai_on_violation,
        )
        for name, spec in contract.user_fields.items()
    ]


def _extra_rows(contract: Contract) -> list[tuple[str, ...]]:
    return [
        (
            f"`{name}`",
            _when(extra.feature or "always"),
            ", ".join(f"`{module}`" for module in extra.modules),
        )
        for name, extra in contract.package.extras.items()
    ]


def _model_rows(contract: Contract) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for backend, entry in contract.backends.items():
        for provider, name in entry.surfaces.items():
            surface = contract.surfaces[name]
            key = contract.providers[provider].key if entry.names_provider else None
            rows.append(
                (
                    f"`{backend}` "
                    + (f"`{provider}`" if entry.names_provider else f"{provider}, implied"),
                    f"`{key}`" if key else _NONE,
                    "any name" if surface.open_ended else surface.in_words,
                    surface.default or "none; the operator must choose",
                )
            )
    return rows


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )


if __name__ == "__main__":
    sys.exit(main())
