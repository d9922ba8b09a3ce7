# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes of a file as text, and as JSON of a known form.

A form is data:

- ``str``, ``int``, ``float`` and ``bool`` are values of that type, ``None`` is null, a range is an
  integer in it, a Text is text that matches, ``object`` is anything;
- a tuple is any of its forms;
- ``[form]`` is a list, and a list of several forms has exactly these;
- a dict is a mapping: ``"name"`` is a required key, ``"name?"`` an optional one, and a key that is
  a form itself matches all other keys, which are refused without it.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any, Tuple, Union

from .bounded_yaml import NotATree, read_tree
from .problems import listed, shortened

# of mappings and lists, from the outside in
Keys = Tuple[Union[str, int], ...]

MOST_PARTS = 1_000_000
# Python reads no integer of more digits in reasonable time
_MOST_DIGITS = 20
# no path, argument or output can hold these: NUL, and half of a character
_UNUSABLE = re.compile("[\0\ud800-\udfff]")
_PLAIN_KEY = re.compile(r"\w{1,100}", re.ASCII)
_WORDS = {
    str: "text",
    int: "an integer",
    float: "a number",
    bool: "true or false",
    dict: "a mapping",
    list: "a list",
    object: "anything",
}


@dataclass(frozen=True)
class Text:
    """A form of text: the pattern that it matches as a whole, and its name."""

    pattern: str
    words: str


class Unfit(ValueError):
    """Content that is not what was expected.

    place: where in the file, to be put behind its path: ``:LINE:COLUMN``, ``: KEY``, or nothing.
    """

    def __init__(self, place: str, found: str, expected: str) -> None:
        super().__init__(f"{place.lstrip(': ')}: found {found}, expected {expected}")
        self.place = place
        self.found = found
        self.expected = expected


def read_text(content: bytes) -> str:
    """Return bytes as text. Raises Unfit for what is not UTF-8, and for NUL."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        place = _place(content, error.start)
        raise Unfit(place, "a byte that is not UTF-8", "UTF-8 text") from error
    if "\0" in text:
        raise Unfit(_place(content, content.index(b"\0")), "a NUL byte", "text")
    return text


def _place(content: bytes, offset: int) -> str:
    line_start = content.rfind(b"\n", 0, offset) + 1
    return f":{content.count(10, 0, offset) + 1}:{offset - line_start + 1}"


def legible(content: bytes) -> str:
    """Return bytes as text that can be passed on, with U+FFFD for what is none."""
    return content.decode("utf-8", "replace").replace("\0", "\ufffd")


def encodable(value: Any) -> Any:
    """Return data with a question mark for what no UTF-8 can hold."""
    if isinstance(value, dict):
        return {encodable(key): encodable(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [encodable(inner) for inner in value]
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    return value


def read_json(content: bytes, form: Any) -> Any:
    """Return the JSON document of a content. Raises Unfit when it does not have the form."""
    text = read_text(content)
    if not text.strip():
        raise Unfit("", "an empty file", "a JSON document")
    try:
        document = read_tree(_parsed, text, json.JSONDecodeError, MOST_PARTS)
    except json.JSONDecodeError as error:
        place = f":{error.lineno}:{error.colno}"
        raise Unfit(place, f"text that is not JSON ({error.msg})", "a JSON document") from error
    except NotATree as error:
        raise Unfit("", f"a document of no use: {error}", "a JSON document") from error
    check(document, form)
    return document


def _parsed(text: str) -> Any:
    return json.loads(text, parse_int=_integer)


def _integer(digits: str) -> float:
    return math.inf if len(digits) > _MOST_DIGITS else int(digits)


def check(value: Any, form: Any, keys: Keys = ()) -> None:
    """Raise Unfit when a value does not have a form. keys: those that lead to it in a document."""
    if isinstance(form, tuple):
        if not any(_fits(value, one) for one in form):
            raise Unfit(_place_at(keys), _shown(value), " or ".join(map(_words, form)))
    elif isinstance(form, dict):
        _expect(dict, value, keys)
        _check_keys(value, form, keys)
    elif isinstance(form, list):
        _expect(list, value, keys)
        if len(form) > 1 and len(value) != len(form):
            raise Unfit(_place_at(keys), f"a list of {len(value)}", f"a list of {len(form)}")
        forms = form if len(form) > 1 else form * len(value)
        for number, (item, one) in enumerate(zip(value, forms)):
            check(item, one, (*keys, number))
    elif form is object and isinstance(value, (dict, list)):
        check(value, {object: object} if isinstance(value, dict) else [object], keys)
    elif isinstance(value, str) and _UNUSABLE.search(value):
        raise Unfit(_place_at(keys), "text with NUL or half of a character", "text")
    elif isinstance(value, float) and not math.isfinite(value):
        raise Unfit(_place_at(keys), "a number without end", _words(form))
    elif not _is(value, form):
        raise Unfit(_place_at(keys), _shown(value), _words(form))


def _expect(kind: type, value: Any, keys: Keys) -> None:
    if not isinstance(value, kind):
        raise Unfit(_place_at(keys), _shown(value), _WORDS[kind])


def _check_keys(value: dict[str, Any], form: dict[Any, Any], keys: Keys) -> None:
    named = {name.rstrip("?"): inner for name, inner in form.items() if isinstance(name, str)}
    for name in named:
        if name in form and name not in value:
            raise Unfit(_place_at(keys), f"no key {name}", f"the key {name}")
    other = next((name for name in form if not isinstance(name, str)), None)
    for name, inner in value.items():
        where = (*keys, name)
        if name in named:
            check(inner, named[name], where)
        elif other is None:
            raise Unfit(_place_at(where), "a key that is not known", listed(named))
        else:
            check(name, other, where)
            check(inner, form[other], where)


def _place_at(keys: Keys) -> str:
    """Return the place that keys lead to, as Unfit has it."""
    place = ""
    for key in keys:
        if isinstance(key, str) and _PLAIN_KEY.fullmatch(key):
            place += f"{'.' if place else ': '}{key}"
        else:
            number = key if isinstance(key, int) else shortened(json.dumps(key))
            place = f"{place or ': '}[{number}]"
    return place


def _fits(value: Any, form: Any) -> bool:
    try:
        check(value, form)
    except Unfit:
        return False
    return True


def _is(value: Any, form: Any) -> bool:
    if form is None or form is object:
        return form is object or value is None
    if isinstance(form, Text):
        return isinstance(value, str) and bool(re.fullmatch(form.pattern, value, re.DOTALL))
    # true is an int to Python
    if isinstance(value, bool):
        return form is bool
    if isinstance(form, range):
        return isinstance(value, int) and value in form
    return isinstance(value, (int, float) if form is float else form)


def _words(form: Any) -> str:
    if form is None:
        return "null"
    if isinstance(form, Text):
        return form.words
    if isinstance(form, range):
        return f"an integer from {form.start} to {form.stop - 1}"
    return _WORDS[form if isinstance(form, type) else type(form)]


def _shown(value: Any) -> str:
    """Return a value for an error, in plain ASCII."""
    if isinstance(value, (dict, list)):
        return f"{_WORDS[type(value)]} of {len(value)}"
    return shortened(json.dumps(value))
