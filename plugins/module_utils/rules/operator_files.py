# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check the YAML files of the operator by Kai's own rules: the role deploys them unchanged.

Kai reads them with the YAML parser in Python. The parser in C accepts texts that this one refuses.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

try:
    import yaml
except ImportError:  # every controller has it; what runs on a host never imports this module
    yaml = None  # type: ignore[assignment, unused-ignore]

from .bounded_yaml import DEEPEST, NotATree, read_tree
from .configuration import Configuration, env_of, read_configuration
from .contract import Limits
from .env_file import fault_of_key, fault_of_value
from .paths import fault_of_path
from .problems import Problem, listed, nearest
from .values import UnacceptableValue, read_value
from .variable_names import variable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from .contract import Contract, FileField

# by the variable that names a file: the type of the one key of it that Kai reads, and the key
_READ = {
    "users_file": (list, "users"),
    "services_file": (dict, "services"),
    "workspaces_file": (list, "workspaces"),
    "memory_projects_file": (list, "projects"),
}
FILES = tuple(_READ)
_PLACE_OF_USER = re.compile(re.escape(variable("users_file")) + r"\[([0-9]+)\](?:\.(\w+))?")
_KINDS = {str: "text", bool: "true or false", int: "a number", float: "a number"}
_KINDS.update({dict: "a mapping", list: "a list", type(None): "nothing"})


@dataclass
class Document:
    """A parsed YAML file: its data, and the lines on which its parts begin.

    lines: by path, a tuple of keys and indexes. repeated: paths of duplicate keys.
    """

    data: Any = None
    lines: dict[tuple[Any, ...], int] = field(default_factory=dict)
    repeated: list[tuple[Any, ...]] = field(default_factory=list)


class UnreadableYaml(ValueError):
    """Text that Kai's parser refuses; line is None where it is not known.

    Its message never quotes the text, which may hold a secret.
    """

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


def parse(text: str) -> Document:
    """Return a YAML text as Kai reads it. Raises UnreadableYaml."""
    try:
        document = read_tree(_parsed, text, yaml.YAMLError)
    except NotATree as error:
        raise UnreadableYaml(str(error)) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        parts = (getattr(error, "context", None), getattr(error, "problem", None))
        message = ", ".join(part for part in parts if part)
        position = getattr(error, "position", None)
        if not message:
            message = "a character that YAML does not allow"
        line: int | None = mark.line + 1 if mark else None
        if mark is None and isinstance(position, int):
            line = text.count("\n", 0, position) + 1
        raise UnreadableYaml(" ".join(message.split()), line) from error
    found = Document(document[0])
    if document[1] is not None:
        _note_lines(document[1], found)
    return found


def read_with_files(
    contract: Contract,
    variables: Mapping[str, Any],
    texts: Mapping[str, str | None],
) -> Configuration:
    """Return the configuration that variables and the operator's files mean.

    variables: as for ``read_configuration``. texts: by name in FILES, None or absent for a file
    that is not given.
    """
    users_text = texts.get("users_file")
    if users_text is None:
        configuration = read_configuration(contract, variables)
    else:
        configuration = _with_users(contract, variables, users_text)
    judges = {
        "services_file": _judge_services,
        "workspaces_file": _judge_workspaces,
        "memory_projects_file": _judge_memory_projects,
    }
    for name, judge in judges.items():
        text = texts.get(name)
        if text is None:
            continue
        judging = _Judging(contract, variable(name), str(variables.get(variable(name), "")))
        try:
            judging.document = parse(text)
        except UnreadableYaml as error:
            configuration.problems.append(_unreadable(name, variables, error))
            continue
        judging.report_repeated()
        judge(judging, configuration)
        configuration.problems += judging.problems
        configuration.notes += judging.notes
    return configuration


def _unreadable(name: str, variables: Mapping[str, Any], error: UnreadableYaml) -> Problem:
    line = f" in line {error.line}" if error.line else ""
    kind, key = _READ[name]
    path = variables.get(variable(name)) or "the file"
    return Problem(
        variable(name),
        f"text that is not YAML to Kai{line} ({error})",
        f"a mapping with {_KINDS[kind]} named {key}",
        f"correct {path}; blanks, not tabs, separate words in YAML",
    )


def _with_users(contract: Contract, variables: Mapping[str, Any], text: str) -> Configuration:
    where = variable("users_file")
    path = str(variables.get(where) or "")
    try:
        document = parse(text)
    except UnreadableYaml as error:
        configuration = read_configuration(contract, variables, [])
        others = [problem for problem in configuration.problems if problem.where != where]
        configuration.problems = [_unreadable("users_file", variables, error), *others]
        return configuration
    data = document.data
    # none at all is an empty file of the operator's, not the absence of a file
    users = (data.get("users") if isinstance(data, dict) else None) or []
    configuration = read_configuration(contract, variables, users)
    judging = _Judging(contract, where, path, document)
    judging.report_repeated()
    for index, entry in enumerate(users if isinstance(users, list) else ()):
        known = contract.user_fields
        for name in entry if isinstance(entry, dict) else ():
            # any other unknown field is a note already
            if name not in known:
                judging.add_unknown(("users", index, name), known)
    configuration.problems = [
        _with_line(problem, document, path) for problem in configuration.problems
    ] + judging.problems
    return configuration


def _with_line(problem: Problem, document: Document, path: str) -> Problem:
    found = _PLACE_OF_USER.fullmatch(problem.where)
    if not found:
        return problem
    index, name = int(found[1]), found[2]
    places = [("users", index, name), ("users", index)]
    line = next((document.lines[place] for place in places if place in document.lines), None)
    return replace(problem, where=f"{problem.where} ({path}:{line})") if line and path else problem


def users_in(text: str) -> list[Any] | None:
    """Return the users in the text of a users.yaml, None where it has no list of them."""
    try:
        data = parse(text).data
    except UnreadableYaml:
        return None
    users = data.get("users") if isinstance(data, dict) else None
    return users if isinstance(users, list) else None


def fields_of_users(text: str) -> dict[str, str]:
    """Return every field of every user in the text of a users.yaml, nothing for what is none."""
    return {
        f"{user.get('name')} ({user.get('telegram_id')}): {name}": str(value)
        for user in users_in(text) or ()
        if isinstance(user, dict)
        for name, value in user.items()
    }


@dataclass
class _Judging:
    """The problems of one file.

    where: its variable. path: the file on the controller.
    """

    contract: Contract
    where: str
    path: str
    document: Document = field(default_factory=Document)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def place(self, keys: tuple[Any, ...]) -> str:
        """Return a part of the file in words, with its line."""
        words = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys)
        # the list of a file has the name of its variable
        words = words.replace(".users[", "[", 1) if words.startswith(".users[") else words
        line = self.document.lines.get(keys)
        return f"{self.where}{words}" + (f" ({self.path}:{line})" if line and self.path else "")

    def add(self, keys: tuple[Any, ...], found: str, expected: str, fix: str) -> None:
        """Add a problem with a part of the file."""
        self.problems.append(Problem(self.place(keys), found, expected, fix))

    def add_unknown(self, keys: tuple[Any, ...], known: Collection[str]) -> bool:
        """Add a problem with a field whose name is nearly a known one; return whether it is."""
        hint = nearest(str(keys[-1]), known)
        if hint:
            expected = "one of " + listed(known)
            self.add(keys, f"an unknown field{hint}", expected, "correct its name, or remove it")
        return bool(hint)

    def report_repeated(self) -> None:
        """Add a problem for each key that a mapping has twice: only the last one counts."""
        for keys in self.document.repeated:
            self.add(
                keys, "the same key twice, of which Kai takes the last", "one", "remove the others"
            )

    def once(self, keys: tuple[Any, ...], value: str, seen: dict[str, str], what: str) -> None:
        """Add a problem if an earlier part has the same value.

        seen: the place of each earlier one. what: what the value is, in words.
        """
        if value in seen:
            self.add(keys, f"{value}, as {seen[value]} has", f"each {what} once", "remove one")
        else:
            seen[value] = self.place(keys)

    def judge_fields(
        self, keys: tuple[Any, ...], entry: Mapping[Any, Any], fields: Mapping[str, FileField]
    ) -> dict[str, Any]:
        """Return the fields of an entry that are as the contract says; add what is not."""
        inner = {name: outer for outer, spec in fields.items() for name in spec.fields}
        for name in entry:
            if name in fields:
                continue
            if name in inner:
                self.add(
                    (*keys, name),
                    f"a field of {inner[name]} beside it, which Kai ignores",
                    f"it below {inner[name]}",
                    f"move it below {inner[name]}",
                )
            elif not self.add_unknown((*keys, name), fields):
                self.notes.append(f"{self.place((*keys, name))} is not a field of Kai's.")
        found: dict[str, Any] = {}
        for name, spec in fields.items():
            value = entry.get(name)
            if value is None and (name not in entry or not spec.null_refused):
                if spec.required:
                    self.add(keys, f"no {name}", _expected(spec), f"add {name}")
                continue
            if spec.type == "fields" and isinstance(value, dict):
                found[name] = self.judge_fields((*keys, name), value, spec.fields)
                continue
            expected = _fault_of(self.contract, spec, value)
            if expected:
                # a value may be a secret
                self.add(
                    (*keys, name),
                    _KINDS.get(type(value), type(value).__name__)
                    if spec.type in ("text", "table", "fields", "places")
                    else repr(value),
                    expected,
                    f"correct {name}, or remove it",
                )
                continue
            found[name] = value
        return found


def _judge_services(judging: _Judging, configuration: Configuration) -> None:
    services = _expect(judging, *_READ["services_file"])
    spec = judging.contract.service_fields
    env = env_of(configuration)
    for name, entry in (services or {}).items():
        keys = ("services", name)
        if not isinstance(name, str) or not re.fullmatch(r"[^\s/]+", name):
            found = repr(name) if isinstance(name, str) else _KINDS.get(type(name), "no text")
            judging.add(
                keys,
                f"{found} as the name of a service",
                "text without blanks and slashes",
                "put it in quotes, or give it another name",
            )
            continue
        if not isinstance(entry, dict):
            judging.add(keys, _KINDS.get(type(entry), "no mapping"), "a mapping", f"correct {name}")
            continue
        auth = judging.judge_fields(keys, entry, spec).get("auth", {})
        kind = auth.get("type", "none")
        if kind == "none":
            continue
        needed = ("env", "name") if kind in ("header", "query") else ("env",)
        for field_name in needed:
            given = (entry["auth"] or {}).get(field_name)
            if given in (None, ""):
                judging.add(
                    (*keys, "auth"),
                    f"no {field_name}, so Kai would call the service without its key",
                    f"{field_name}, because type is {kind}",
                    f"add {field_name}",
                )
        key = auth.get("env")
        if key and not env.get(key) and not auth.get("optional"):
            judging.add(
                (*keys, "auth", "env"),
                # what does not look like a name may be the key itself
                f"{key if key.isupper() else 'a name'}, which is not in the bot's environment, so "
                f"Kai drops {name}",
                "the name of a variable with a value",
                f"set it in {variable('secret_extra_env')}, or 'optional: true' below auth",
            )


def _judge_workspaces(judging: _Judging, configuration: Configuration) -> None:
    contract = judging.contract
    known = {name for entry in contract.surfaces.values() for name in entry.names}
    seen: dict[str, str] = {}
    for keys, entry in _entries(judging, "workspaces_file", "path"):
        found = judging.judge_fields(keys, entry, contract.workspace_fields)
        path = posixpath.normpath(found["path"]) if "path" in found else None
        if path is not None:
            judging.once((*keys, "path"), path, seen, "path")
        agent = found.get("claude") or {}
        # only the host knows the home of the service user
        files = (agent.get("env_file"), agent.get("system_prompt_file"))
        for named, kind in ((path, "directory"), *((one, "file") for one in files)):
            if named and named.startswith("/"):
                configuration.named_paths[named] = kind
        if agent.get("system_prompt") is not None and agent.get("system_prompt_file") is not None:
            judging.add(
                (*keys, "claude"),
                "both system_prompt and system_prompt_file",
                "one of the two",
                "remove one",
            )
        model = agent.get("model")
        if model is not None and model not in known:
            place = judging.place((*keys, "claude", "model"))
            judging.notes.append(
                f"{place} is {model!r}, which no list of models has: only a provider that takes "
                f"any name can have it."
            )


def _judge_memory_projects(judging: _Judging, configuration: Configuration) -> None:
    names: dict[str, str] = {}
    roots: dict[str, str] = {}
    for keys, entry in _entries(judging, "memory_projects_file", "project_id"):
        found = judging.judge_fields(keys, entry, judging.contract.memory_project_fields)
        if "project_id" in found:
            judging.once((*keys, "project_id"), found["project_id"].strip(), names, "project_id")
        for number, root in enumerate(found.get("workspace_roots", ())):
            path = posixpath.normpath(root)
            judging.once((*keys, "workspace_roots", number), path, roots, "directory")


def _entries(
    judging: _Judging, name: str, field_name: str
) -> Iterator[tuple[tuple[Any, ...], Mapping[Any, Any]]]:
    """Yield the entries of a file's list with their keys; add a problem for what is no mapping.

    name: in FILES. field_name: what each entry has at least.
    """
    kind, key = _READ[name]
    for index, entry in enumerate(_expect(judging, kind, key) or ()):
        if isinstance(entry, dict):
            yield (key, index), entry
        else:
            found = _KINDS.get(type(entry), "no mapping")
            expected = f"a mapping with {field_name}"
            judging.add((key, index), found, expected, "correct that entry")


def _expect(judging: _Judging, kind: type, key: str) -> Any:
    """Return the one key of a file that Kai reads, None when it is not of its type."""
    data = judging.document.data
    words = f"a mapping with {_KINDS[kind]} named {key}"
    empty = f"{key}: {{}}" if kind is dict else f"{key}: []"
    fix = f"correct {judging.path or 'the file'}; for none write '{empty}'"
    if not isinstance(data, dict):
        found = "nothing" if data is None else _KINDS.get(type(data), "no mapping")
        judging.add((), found, words, fix)
        return None
    for name in data:
        if name != key and key in data:
            judging.notes.append(f"{judging.place((name,))} is not read by Kai.")
    if key not in data:
        close = next((name for name in data if nearest(str(name), [key])), None)
        hint = f", but {close}" if close is not None else ""
        judging.add((), f"no {key}{hint}", words, fix)
        return None
    if not isinstance(data[key], kind):
        judging.add((key,), _KINDS.get(type(data[key]), "something else"), _KINDS[kind], fix)
        return None
    return data[key]


def _expected(spec: FileField) -> str:
    kind = spec.type
    if spec.pattern_help:
        return spec.pattern_help
    if kind == "choice":
        return "one of " + listed(spec.choices)
    return {
        "text": "text; put it in quotes",
        "boolean": "true or false, without quotes",
        "place": "an absolute path, or one that begins with ~/",
        "places": "a list of absolute paths, or of paths that begin with ~/",
        "table": "a mapping of names to text",
        "fields": "a mapping",
    }.get(kind, "a value")


def _fault_of(contract: Contract, spec: FileField, value: Any) -> str | None:
    """Return the expected value in place of a raw one, None if that is valid."""
    kind = spec.type
    expected = _expected(spec)
    if kind in ("number", "integer"):
        try:
            limits = Limits(kind, minimum=spec.minimum, exclusive_minimum=spec.exclusive_minimum)
            read_value(contract, limits, value)
        except UnacceptableValue as error:
            return error.expected
        return None
    if kind == "boolean":
        return None if isinstance(value, bool) else expected
    if kind == "table":
        return _fault_of_table(spec, value)
    if kind == "places":
        faults = (_fault_of(contract, replace(spec, type="place"), one) for one in value or ())
        is_list = isinstance(value, list) and value
        return next(filter(None, faults), None) if is_list else expected
    if kind == "fields" or not isinstance(value, str):
        return expected
    if "\0" in value or any("\ud800" <= sign <= "\udfff" for sign in value):
        return f"{expected}; this one has a character that no program takes"
    if kind == "place":
        # the home of the service user, in which the bot looks
        fault = fault_of_path(value[1:] if value.startswith("~/") else value)
        return f"{expected}; this one {fault}" if fault else None
    if kind == "choice":
        compared = value.upper() if spec.any_case else value
        return None if compared in spec.choices else expected
    if spec.pattern and not re.fullmatch(spec.pattern, value):
        return expected
    return None


def _fault_of_table(spec: FileField, value: Any) -> str | None:
    if not isinstance(value, dict):
        return "a mapping of names to text"
    environment = spec.environment
    kinds = (str, int, float, bool, type(None)) if environment else (str, int)
    for key, item in value.items():
        if not isinstance(key, str) or (environment and fault_of_key(key)) or not key.strip():
            return "names that are text; put them in quotes"
        if not isinstance(item, kinds) or (isinstance(item, bool) and bool not in kinds):
            return f"text as the value of {key}; put it in quotes"
        # a line break is no part of a request, but may be one of an environment
        text = str(item).replace("\n", "") if environment else str(item)
        fault = fault_of_value(text)
        if fault and not (environment and "\0" not in text):
            return f"another value of {key}: this one {fault}"
        if not environment and fault_of_value(key):
            return "names without line breaks"
    return None


def _parsed(text: str) -> tuple[Any, Any]:
    loader = _loader()("".join(text))
    try:
        node = loader.get_single_node()
        return (None if node is None else loader.construct_document(node)), node
    finally:
        loader.dispose()


def _loader() -> Any:
    """Return the loader of PyYAML in Python, bounded in depth."""

    class Shallow(yaml.SafeLoader):  # type: ignore[misc, unused-ignore]
        depth = 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            self.depth += 1
            if self.depth > DEEPEST:
                raise NotATree("it is nested too deeply")
            try:
                return super().compose_node(parent, index)
            finally:
                self.depth -= 1

    return Shallow


def _note_lines(root: Any, document: Document) -> None:
    """Find where the parts of a document begin, and its duplicate keys."""
    rest: list[tuple[tuple[Any, ...], Any]] = [((), root)]
    seen = set()
    while rest:
        path, node = rest.pop()
        document.lines.setdefault(path, node.start_mark.line + 1)
        # an alias: its anchor has been read
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            rest += [((*path, index), item) for index, item in enumerate(node.value)]
        elif isinstance(node, yaml.MappingNode):
            names = set()
            for key_node, value_node in node.value:
                if not isinstance(key_node, yaml.ScalarNode):
                    continue
                key = key_node.value
                place = (*path, key)
                if key in names:
                    document.repeated.append(place)
                names.add(key)
                document.lines[place] = key_node.start_mark.line + 1
                rest.append((place, value_node))
