"""Editing variables in YAML text: every character that is not theirs stays.

Each function returns the new text, or raises NotUnderstood for a text with another structure than
it edits. Read the result back with ``meaning`` before you trust it, because anchors are not
understood.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from difflib import SequenceMatcher
from typing import Any

import yaml
from yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode, SequenceNode

from kai_ansible.rules.bounded_yaml import read_tree

ENDLESS = 2**20
# text that Ansible evaluates; after such a first line, templates may begin with anything
TEMPLATE = re.compile(r"\{[{%#]|\A#jinja2:")
UNSAFE = "!unsafe"


class NotUnderstood(Exception):
    """A text has a structure that is not edited here."""


class Template(str):
    """Text that Ansible would evaluate."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Template({super().__repr__()})"


class _Reader(yaml.SafeLoader):
    """Reads a text as Ansible does, without evaluating anything."""


class _Strict(yaml.SafeLoader):
    """Reads data, but no mapping that has a key twice."""


def _mapping(reader: yaml.SafeLoader, node: MappingNode) -> dict[Any, Any]:
    own = [key for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
    keys = [reader.construct_object(key, deep=True) for key in own]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is not None:
        raise yaml.constructor.ConstructorError(
            None, None, f"{twice!r} is a duplicate key", node.start_mark
        )
    return reader.construct_mapping(node, deep=True)


def _text(reader: _Reader, node: ScalarNode) -> str:
    text = str(reader.construct_scalar(node))
    return Template(text) if TEMPLATE.search(text) else text


def _tagged(reader: _Reader, suffix: str, node: Node) -> Any:
    if not isinstance(node, ScalarNode):
        raise yaml.constructor.ConstructorError(None, None, f"tag !{suffix}", node.start_mark)
    content = str(reader.construct_scalar(node))
    return content if f"!{suffix}" == UNSAFE else Template(f"!{suffix} {content}")


_Strict.add_constructor("tag:yaml.org,2002:map", _mapping)
_Reader.add_constructor("tag:yaml.org,2002:map", _mapping)
_Reader.add_constructor("tag:yaml.org,2002:str", _text)
_Reader.add_multi_constructor("!", _tagged)


def meaning(text: str) -> Any:
    """Parse a text as Ansible does; a Template stands for text to evaluate or decrypt.

    Raises yaml.YAMLError, and NotATree.
    """
    # a SafeLoader that builds text alone
    return read_tree(lambda text: yaml.load(text, Loader=_Reader), text, yaml.YAMLError)  # noqa: S506


def data_of(text: str) -> Any:
    """Parse a text of plain data. Raises yaml.YAMLError, and NotATree."""
    # this is a SafeLoader too
    return read_tree(lambda text: yaml.load(text, Loader=_Strict), text, yaml.YAMLError)  # noqa: S506


def fault_in_yaml(error: Exception) -> str:
    """Return where and why a text is no YAML, without the text, which may contain secrets.

    error: the exception of ``meaning`` or ``data_of``.
    """
    mark = getattr(error, "problem_mark", None)
    reason = str(getattr(error, "problem", None) or error)
    return f"line {mark.line + 1}, column {mark.column + 1}: {reason}" if mark else reason


def same(one: Any, other: Any) -> bool:
    """Return whether two values are the same; True equals 1, but is not the same."""
    return repr(_sorted(one)) == repr(_sorted(other))


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {"": sorted((repr(key), _sorted(item)) for key, item in value.items())}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def literally(variables: Mapping[str, Any]) -> str:
    """Return the text of a file of variables of which Ansible evaluates nothing."""
    return "".join(_block(name, value) for name, value in variables.items())


def with_variable(text: str, name: str, value: Any) -> str:
    """Return the text with another value of a variable at the top, or with a new variable."""
    pair = _variable(text, name)
    if pair is None:
        return with_lines(text, _block(name, value))
    key, node = pair
    before = meaning(text)[name]
    if same(before, value):
        return text
    with suppress(NotUnderstood):
        if isinstance(before, list) and isinstance(value, list) and value:
            return _with_list(text, name, before, value)
        if isinstance(before, dict) and isinstance(value, dict) and before and value:
            return _with_mapping(text, name, before, value)
    start = _line_start(text, key.start_mark.index)
    return text[:start] + _block(name, value).rstrip("\n") + text[_end(text, node) :]


def with_lines(text: str, lines: str) -> str:
    """Return the text with whole variables, as they are written, behind the others."""
    root = _root(text)
    nothing = root is None or (isinstance(root, ScalarNode) and not root.value)
    if not nothing and (not isinstance(root, MappingNode) or _in_braces(root)):
        raise NotUnderstood
    return text + ("\n" if text and not text.endswith("\n") else "") + lines


def lines_of(text: str, name: str) -> str:
    """Return the text of a variable, empty without one."""
    pair = _variable(text, name)
    if pair is None:
        return ""
    start = _line_start(text, pair[0].start_mark.index)
    return text[start : _line_end(text, _end(text, pair[1]))] + "\n"


def with_name(text: str, name: str, other: str) -> str:
    """Return the text with another name of a variable and the same text of its value."""
    pair = _variable(text, name)
    if pair is None:
        raise NotUnderstood
    key = pair[0]
    return text[: key.start_mark.index] + other + text[key.end_mark.index :]


def without_variable(text: str, name: str) -> str:
    """Return the text without the lines of a variable; comments above and below them stay."""
    pair = _variable(text, name)
    if pair is None:
        return text
    key, node = pair
    start = _line_start(text, key.start_mark.index)
    return text[:start] + text[_line_end(text, _end(text, node)) + 1 :]


def _with_list(text: str, name: str, before: list[Any], value: list[Any]) -> str:
    if not all(isinstance(entry, dict) for entry in [*before, *value]):
        raise NotUnderstood
    old_words, new_words = ([repr(_sorted(entry)) for entry in part] for part in (before, value))
    steps = SequenceMatcher(None, old_words, new_words, autojunk=False).get_opcodes()
    for kind, start, end, other_start, other_end in reversed(steps):
        if kind == "equal":
            continue
        # an entry in the place of another is that entry, changed
        both = min(end - start, other_end - other_start)
        if end < len(before) and other_end - other_start > both:
            raise NotUnderstood
        for entry in value[other_start + both : other_end]:
            text = with_entry(text, name, entry)
        for index in reversed(range(start + both, end)):
            text = without_entry(text, name, index)
        for index in range(both):
            old, new = before[start + index], value[other_start + index]
            text = with_fields(text, name, start + index, _changes(old, new))
    return text


def _with_mapping(text: str, name: str, before: dict[Any, Any], value: dict[Any, Any]) -> str:
    for field, item in _changes(before, value).items():
        pair = _variable(text, name)
        if pair is None or not isinstance(pair[1], MappingNode):
            raise NotUnderstood
        text = _with_field(text, pair[1], field, item)
    return text


def _changes(before: Mapping[Any, Any], after: Mapping[Any, Any]) -> dict[Any, Any]:
    gone = dict.fromkeys(key for key in before if key not in after)
    new = {
        key: item for key, item in after.items() if key not in before or not same(before[key], item)
    }
    # in this order an entry never gets empty on the way
    return {**new, **gone}


def _root(text: str) -> Node | None:
    try:
        root: Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        return None
    return root


def _variable(text: str, name: str) -> tuple[Node, Node] | None:
    root = _root(text)
    if not isinstance(root, MappingNode) or _in_braces(root):
        return None
    return next(((key, value) for key, value in root.value if key.value == name), None)


def with_entry(text: str, name: str, entry: Mapping[str, Any]) -> str:
    """Return the text with an entry added behind the last one of the list ``name``."""
    found = _list(text, name)
    last = found.value[-1]
    fields = [f"{_key(field)}: {_written(value)}" for field, value in entry.items()]
    margin = " " * found.start_mark.column
    added = f"\n{margin}- " + f"\n{margin}  ".join(fields)
    if _in_braces(last):
        added = f"\n{margin}- {{{', '.join(fields)}}}"
    at = _line_end(text, _end(text, last))
    return text[:at] + added + text[at:]


def without_entry(text: str, name: str, index: int) -> str:
    """Return the text without the lines of an entry; comments above and below them stay."""
    entry = _list(text, name).value[index]
    dash = text.rfind("-", 0, entry.start_mark.index)
    return text[: _line_start(text, dash)] + text[_line_end(text, _end(text, entry)) + 1 :]


def with_fields(text: str, name: str, index: int, fields: Mapping[str, Any]) -> str:
    """Return the text with other values in an entry; None as a value takes the field out."""
    for field, value in fields.items():
        entry = _list(text, name).value[index]
        if not isinstance(entry, MappingNode):
            raise NotUnderstood
        text = _with_field(text, entry, field, value)
    return text


def _with_field(text: str, entry: MappingNode, field: str, value: Any) -> str:
    keys = [key.value for key, _ in entry.value]
    position = keys.index(field) if field in keys else None
    if position is not None and value is not None:
        key, node = entry.value[position]
        return f"{text[: key.end_mark.index]}: {_written(value)}{text[_end(text, node) :]}"
    if position is not None:
        return _without_field(text, entry, position)
    if value is None:
        return text
    last = _end(text, entry.value[-1][1])
    if _in_braces(entry):
        return f"{text[:last]}, {_key(field)}: {_written(value)}{text[last:]}"
    at = _line_end(text, last)
    margin = " " * entry.start_mark.column
    return f"{text[:at]}\n{margin}{_key(field)}: {_written(value)}{text[at:]}"


def _without_field(text: str, entry: MappingNode, position: int) -> str:
    key, node = entry.value[position]
    is_last = position == len(entry.value) - 1
    if position == 0 and is_last:
        raise NotUnderstood
    if not is_last and (position == 0 or _in_braces(entry)):
        following = entry.value[position + 1][0]
        return text[: key.start_mark.index] + text[following.start_mark.index :]
    end = _end(text, node)
    if _in_braces(entry):
        return text[: _end(text, entry.value[position - 1][1])] + text[end:]
    return text[: _line_start(text, key.start_mark.index)] + text[_line_end(text, end) + 1 :]


def _list(text: str, name: str) -> SequenceNode:
    _, node = _variable(text, name) or (None, None)
    if not isinstance(node, SequenceNode) or not node.value or _in_braces(node):
        raise NotUnderstood
    return node


def _end(text: str, node: Node) -> int:
    """Return the position after the last character of a node."""
    if isinstance(node, ScalarNode) or _in_braces(node) or not node.value:
        # the mark of a text in block style is behind its line breaks
        return len(text[: node.end_mark.index].rstrip("\n"))
    last = node.value[-1]
    return _end(text, last[1] if isinstance(node, MappingNode) else last)


def _in_braces(node: Node) -> bool:
    return isinstance(node, CollectionNode) and bool(node.flow_style)


def _line_start(text: str, index: int) -> int:
    return text.rfind("\n", 0, index) + 1


def _line_end(text: str, index: int) -> int:
    end = text.find("\n", index)
    return len(text) if end < 0 else end


def _block(name: str, value: Any) -> str:
    """Return the text of a new variable, each user on lines of their own."""
    users = isinstance(value, list) and all(isinstance(item, dict) and item for item in value)
    if not users or not value:
        return f"{_key(name)}: {_written(value)}\n"
    entries = [
        "\n    ".join(f"{_key(field)}: {_written(item)}" for field, item in entry.items())
        for entry in value
    ]
    return f"{_key(name)}:\n" + "".join(f"  - {entry}\n" for entry in entries)


def _key(key: Any) -> str:
    # some words are no text: yes, no, on, off, null and true
    plain = isinstance(key, str) and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key)
    return str(key) if plain and meaning(key) == key else _written(key)


def _written(value: Any) -> str:
    """Return a value as YAML on one line, text in quotes."""
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, dict):
        fields = (f"{_key(key)}: {_written(item)}" for key, item in value.items())
        return f"{{{', '.join(fields)}}}"
    if isinstance(value, str):
        quoted = yaml.dump(value, default_style='"', allow_unicode=True, width=ENDLESS)
        tag = f"{UNSAFE} " if TEMPLATE.search(value) else ""
        return tag + str(quoted).rstrip("\n")
    return str(yaml.safe_dump([value], default_flow_style=True)).strip()[1:-1]
