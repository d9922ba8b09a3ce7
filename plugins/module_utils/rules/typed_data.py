# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read data of YAML or JSON into dataclasses, and refuse what they do not have."""

from __future__ import annotations

import re
from collections import abc
from dataclasses import MISSING, field, fields, is_dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin, get_type_hints

from .problems import listed, nearest, shortened

if TYPE_CHECKING:
    from collections.abc import Mapping

    Place = tuple[Union[str, int], ...]

_NEEDED: Any = object()
_NONE = type(None)
_KINDS = {str: "a text", int: "an integer", float: "a number", bool: "true or false"}


class Unfit(ValueError):
    """Data that is not what its type says. faults: (place, found, expected) of each."""

    def __init__(self, faults: list[tuple[Place, str, str]]) -> None:
        super().__init__("; ".join(f"{in_words(fault[0])}: {fault[1]}" for fault in faults))
        self.faults = faults


def text(pattern: str, *, keys: str = "", default: Any = _NEEDED) -> Any:
    """Return a field of texts, alone, in a list or in a mapping, that match a pattern as a whole.

    keys: the pattern of the keys of a mapping. Without a default the field is needed.
    """
    return _field(default, {"pattern": pattern, "keys": keys})


def named(name: str, *, default: Any = _NEEDED) -> Any:
    """Return a field that the data calls by a word which Python keeps for itself."""
    return _field(default, {"name": name})


def needed() -> Any:
    """Return a field that must be there, behind one that need not."""
    return _field(_NEEDED, {})


# called in the body of a dataclass, where pylint does not see it
# pylint: disable=invalid-field-call
def _field(default: Any, metadata: Mapping[str, str]) -> Any:
    if default == {}:
        return field(default_factory=dict, metadata=metadata)
    return field(default=default, metadata=metadata)


# pylint: enable=invalid-field-call


def read(kind: Any, data: Any) -> Any:
    """Return data as a dataclass. Raises Unfit, with every fault that it has."""
    reader = _Reader()
    found = reader.read(kind, data, (), {})
    if reader.faults:
        raise Unfit(reader.faults)
    return found


def as_data(value: Any) -> Any:
    """Return what was read as data again, for JSON; a field that is None by default is left out."""
    if is_dataclass(value):
        given = ((one, getattr(value, one.name)) for one in fields(value))
        return {
            one.metadata.get("name", one.name): as_data(part)
            for one, part in given
            if part is not None or one.default is not None
        }
    if isinstance(value, abc.Mapping):
        return {key: as_data(part) for key, part in value.items()}
    return [as_data(part) for part in value] if isinstance(value, tuple) else value


def in_words(place: Place) -> str:
    """Return a place in its usual form: ``settings.WEBHOOK_PORT.choices[2]``."""
    shown = ""
    for step in place:
        shown += f"[{step}]" if isinstance(step, int) else f".{step}" if shown else str(step)
    return shown or "the document"


class _Reader:
    """One reading, which goes on after a fault."""

    def __init__(self) -> None:
        self.faults: list[tuple[Place, str, str]] = []

    def fault(self, place: Place, found: str, expected: str) -> None:
        """Note that something at a place does not fit."""
        self.faults.append((place, found, expected))

    def read(self, kind: Any, data: Any, place: Place, texts: Mapping[str, str]) -> Any:
        """Return data as a kind of thing. texts: the patterns of texts and keys in it."""
        if is_dataclass(kind):
            return self.record(kind, data, place)
        origin, arguments = get_origin(kind), get_args(kind)
        if kind is Any:
            return data
        if origin is Literal:
            # 1 is equal to True, and no choice
            if not any(data == one and type(data) is type(one) for one in arguments):
                known = listed(str(one) for one in arguments if one is not None)
                self.fault(place, _shown(data), f"one of {known}")
            return data
        if _NONE in arguments or origin is Union:
            return self.one_of(arguments, data, place, texts)
        if origin is tuple:
            return self.items(arguments[0], data, place, texts)
        if isinstance(origin, type) and issubclass(origin, abc.Mapping):
            return self.mapping(arguments, data, place, texts)
        return self.scalar(kind, data, place, texts)

    def one_of(
        self, kinds: tuple[Any, ...], data: Any, place: Place, texts: Mapping[str, str]
    ) -> Any:
        """Return data as the first kind that it fits; its faults are those of the last."""
        if data is None and _NONE in kinds:
            return None
        rest = [kind for kind in kinds if kind is not _NONE]
        for number, kind in enumerate(rest, start=1):
            before = len(self.faults)
            found = self.read(kind, data, place, texts)
            if number == len(rest) or len(self.faults) == before:
                return found
            del self.faults[before:]
        return None

    def record(self, kind: Any, data: Any, place: Place) -> Any:
        """Return a mapping as a dataclass."""
        if not isinstance(data, dict):
            self.fault(place, _shown(data), "a mapping")
            return None
        known = {one.metadata.get("name", one.name): one for one in fields(kind)}
        hints = _hints(kind)
        before = len(self.faults)
        for key in data.keys() - known.keys():
            hint = nearest(str(key), known)
            self.fault((*place, key), f"a key that nothing reads{hint}", f"one of {listed(known)}")
        given = {}
        for key, one in known.items():
            if key in data:
                hint, at = hints[one.name], (*place, key)
                given[one.name] = self.read(hint, data[key], at, one.metadata)
            elif one.default is _NEEDED or (
                one.default is MISSING and one.default_factory is MISSING
            ):
                self.fault(place, f"no {key}", f"{key}, which it needs")
        if len(self.faults) > before:
            return None
        try:
            return kind(**given)
        except ValueError as error:
            self.fault(place, str(error), f"a {kind.__name__} as docs/contract.md describes it")
            return None

    def items(self, kind: Any, data: Any, place: Place, texts: Mapping[str, str]) -> Any:
        """Return a list as a tuple."""
        if not isinstance(data, list):
            self.fault(place, _shown(data), "a list")
            return ()
        return tuple(
            self.read(kind, item, (*place, number), texts) for number, item in enumerate(data)
        )

    def mapping(
        self, kinds: tuple[Any, ...], data: Any, place: Place, texts: Mapping[str, str]
    ) -> Any:
        """Return a mapping with keys of one kind and values of another."""
        if not isinstance(data, dict):
            self.fault(place, _shown(data), "a mapping")
            return {}
        of_keys = {"pattern": texts.get("keys", "")}
        return {
            self.read(kinds[0], key, (*place, key), of_keys): self.read(
                kinds[1], value, (*place, key), texts
            )
            for key, value in data.items()
        }

    def scalar(self, kind: Any, data: Any, place: Place, texts: Mapping[str, str]) -> Any:
        """Return a text, a number, or whether something is so."""
        # true is an integer for Python, and an integer is a number
        given = data.__class__
        fits = given is kind or (kind is float and given is int)
        pattern = texts.get("pattern") or ".+"
        if not fits:
            self.fault(place, _shown(data), _KINDS[kind])
        elif kind is str and not re.fullmatch(pattern, data, re.DOTALL):
            self.fault(place, _shown(data), f"a text that matches {pattern}")
        return data


@lru_cache(maxsize=None)
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def line_of(document: Any, place: Place) -> int:
    """Return the line, from 1, at which a place of a YAML document is, or what holds it.

    document: the node that yaml.compose returns.
    """
    line = document.start_mark.line
    for step in place:
        entries = document.value if isinstance(document.value, list) else []
        if isinstance(step, int):
            found = [(item, item) for item in entries[step : step + 1]]
        else:
            found = [(key, value) for key, value in entries if key.value == str(step)]
        if not found:
            break
        line, document = found[-1][0].start_mark.line, found[-1][1]
    return int(line) + 1


def _shown(data: Any) -> str:
    return shortened(repr(data))
