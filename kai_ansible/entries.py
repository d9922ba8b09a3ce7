"""Editing one entry of a list in YAML text: every character that is not its own stays.

The list is the value of a variable at the top, its entries are mappings. Each function returns the
new text, or None where the text has no such list in block style; what it returns should be read
back before it is trusted, because anchors and templates are not understood.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml
from yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode, SequenceNode

ENDLESS = 2**20


def with_entry(text: str, name: str, entry: Mapping[str, Any]) -> str | None:
    """Return the text with an entry added behind the last one of the list ``name``."""
    found = _list(text, name)
    if found is None:
        return None
    last = found.value[-1]
    fields = [f"{field}: {_written(value)}" for field, value in entry.items()]
    margin = " " * found.start_mark.column
    added = f"\n{margin}- " + f"\n{margin}  ".join(fields)
    if _in_braces(last):
        added = f"\n{margin}- {{{', '.join(fields)}}}"
    at = _line_end(text, _end(text, last))
    return text[:at] + added + text[at:]


def without_entry(text: str, name: str, index: int) -> str | None:
    """Return the text without the lines of an entry; comments above and below them stay."""
    found = _list(text, name)
    if found is None:
        return None
    entry = found.value[index]
    dash = text.rfind("-", 0, entry.start_mark.index)
    return text[: _line_start(text, dash)] + text[_line_end(text, _end(text, entry)) + 1 :]


def with_fields(text: str, name: str, index: int, fields: Mapping[str, Any]) -> str | None:
    """Return the text with other values in an entry; None as a value takes the field out."""
    edited: str | None = text
    for field, value in fields.items():
        found = _list(edited, name) if edited is not None else None
        entry = found.value[index] if found else None
        if edited is None or not isinstance(entry, MappingNode):
            return None
        edited = _with_field(edited, entry, field, value)
    return edited


def _with_field(text: str, entry: MappingNode, field: str, value: Any) -> str | None:
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
        return f"{text[:last]}, {field}: {_written(value)}{text[last:]}"
    at = _line_end(text, last)
    margin = " " * entry.start_mark.column
    return f"{text[:at]}\n{margin}{field}: {_written(value)}{text[at:]}"


def _without_field(text: str, entry: MappingNode, position: int) -> str | None:
    key, node = entry.value[position]
    is_last = position == len(entry.value) - 1
    if position == 0 and is_last:
        return None
    if not is_last and (position == 0 or _in_braces(entry)):
        following = entry.value[position + 1][0]
        return text[: key.start_mark.index] + text[following.start_mark.index :]
    end = _end(text, node)
    if _in_braces(entry):
        return text[: _end(text, entry.value[position - 1][1])] + text[end:]
    return text[: _line_start(text, key.start_mark.index)] + text[_line_end(text, end) + 1 :]


def _list(text: str, name: str) -> SequenceNode | None:
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        return None
    for key, value in root.value if isinstance(root, MappingNode) else ():
        if key.value == name and isinstance(value, SequenceNode) and value.value:
            return None if _in_braces(value) else value
    return None


def _end(text: str, node: Node) -> int:
    """Return where the last character of a node is followed by something else."""
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


def _written(value: Any) -> str:
    """Return a value as YAML on one line, text in quotes."""
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, str):
        return str(yaml.dump(value, default_style='"', allow_unicode=True, width=ENDLESS)).rstrip(
            "\n"
        )
    return str(yaml.safe_dump([value], default_flow_style=True)).strip()[1:-1]
