# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading one value as the contract describes it, and writing it for the bot."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from .accounts import fault_of_account
from .bootstrap_plan import fault_of_plan
from .contract import Limits
from .env_file import fault_of_value
from .network_environment import EXPECTED, read_environment
from .paths import fault_of_path
from .problems import shortened
from .sources import fault_of_source

if TYPE_CHECKING:
    from .contract import Contract

_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)\Z")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?\Z")
# what the examples of this project and of Kai have where something is to be filled in
_PLACEHOLDER = re.compile(r"\b(replace|change)[-_ ]?(me|this)\b", re.IGNORECASE)
_PLACEHOLDER_OF_SECRET = re.compile(r"your-[a-z-]+\Z", re.IGNORECASE)
_URL = re.compile(r"https://[^\s/]+\S*\Z")
# more than any float needs without an exponent
_LARGEST_EXACT = 2**53
_LONGEST_NUMBER = 400
_TRUE = ("true", "yes", "on", "1")
_FALSE = ("false", "no", "off", "0")


class UnacceptableValue(ValueError):
    """An invalid value; ``expected`` describes a valid one."""

    def __init__(self, expected: str) -> None:
        super().__init__(expected)
        self.expected = expected


def fault_of_placeholder(text: str, *, secret: bool) -> str | None:
    """Return why text cannot be meant: it is what an example has in the place of a value."""
    found = _PLACEHOLDER.search(text) or (secret and _PLACEHOLDER_OF_SECRET.match(text))
    return "is the placeholder of an example" if found else None


def choices_of(contract: Contract, spec: Limits) -> list[str]:
    """Return the values that a choice may have, in the order of the contract."""
    if spec.choices_from:
        return list(getattr(contract, spec.choices_from))
    return list(spec.choices)


def read_value(contract: Contract, spec: Limits, raw: Any) -> Any:
    """Return ``raw`` as the type that ``spec`` describes.

    raw: what YAML, a prompt or a command line gave.
    Returns str, int, float, bool or a list of str. Raises UnacceptableValue.
    """
    kind = spec.type
    if kind == "boolean":
        return _boolean(raw)
    if kind == "integer":
        return _integer(spec, raw)
    if kind == "number":
        return _number(spec, raw)
    if kind == "choice":
        return _choice(choices_of(contract, spec), raw)
    if kind == "list":
        return _list(contract, spec, raw)
    if kind == "directory_list":
        return _directory_list(raw)
    if kind == "environment":
        found, fault = read_environment(raw)
        if fault:
            raise UnacceptableValue(f"{EXPECTED}; this one {fault}")
        return found
    return _text(contract, spec, raw)


def describe(contract: Contract, spec: Limits) -> str:
    """Return type and range of a description in words."""
    kind = spec.type
    if kind == "choice":
        return "one of " + ", ".join(choices_of(contract, spec))
    if kind in ("integer", "number"):
        return _range_in_words(spec)
    if kind == "list":
        return "a list of " + describe(contract, Limits(spec.items))
    return {
        "boolean": "true or false",
        "path": "an absolute path",
        "directory": "an absolute path of a directory",
        "directory_list": "absolute paths of directories, separated by commas",
        "source": "a checkout, archive or wheel by its absolute path, or a git URL",
        "url": "an https URL",
        "account": "the name of an account",
        "model": "the name of a model",
        "environment": "variables of the network",
        "bootstrap_plan": "the first user of the Workshop, as Kai's own wizard writes it",
    }.get(kind, "text")


def env_text(value: Any) -> str:
    """Return a value as the text that Kai expects in its environment."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return ",".join(value)
    if isinstance(value, float) and math.isinf(value):
        return "inf"
    if isinstance(value, float):
        # no exponent: what is read takes none, as 1e3 is text for one YAML and a number for another
        return format(Decimal(repr(value)), "f")
    return str(value)


def _boolean(raw: Any) -> bool:
    text = str(raw).strip().lower() if isinstance(raw, (str, int)) else ""
    if text not in (*_TRUE, *_FALSE):
        raise UnacceptableValue("true or false")
    return text in _TRUE


def _range_in_words(spec: Limits) -> str:
    noun = "a whole number" if spec.type == "integer" else "a number"
    words = []
    if spec.minimum is not None:
        words.append(f"at least {spec.minimum}")
    if spec.exclusive_minimum is not None:
        words.append(f"more than {spec.exclusive_minimum}")
    if spec.maximum is not None:
        words.append(f"at most {spec.maximum}")
    if spec.nonzero:
        words.append("not 0")
    text = f"{noun}, {' and '.join(words)}" if words else noun
    return f"{text}, or 0" if spec.or_zero else text


def _in_range(spec: Limits, value: float) -> bool:
    if spec.or_zero and value == 0:
        return True
    return (
        (spec.minimum is None or value >= spec.minimum)
        and (spec.exclusive_minimum is None or value > spec.exclusive_minimum)
        and (spec.maximum is None or value <= spec.maximum)
        and not (spec.nonzero and value == 0)
    )


def _integer(spec: Limits, raw: Any) -> int:
    text = str(raw).strip() if isinstance(raw, (int, str)) and not isinstance(raw, bool) else ""
    if _INTEGER.match(text) and len(text) <= 19 and _in_range(spec, int(text)):
        return int(text)
    raise UnacceptableValue(_range_in_words(spec) + ", written without leading zeros")


def _number(spec: Limits, raw: Any) -> float:
    if spec.infinite and str(raw).strip().lower().lstrip(".") in ("inf", "infinity"):
        return math.inf
    usable = isinstance(raw, (int, float, str)) and not isinstance(raw, bool)
    text = env_text(raw).strip() if usable else ""
    if _NUMBER.match(text) and len(text) <= _LONGEST_NUMBER and math.isfinite(float(text)):
        number = float(text)
        # beyond that not every whole number is one of the bot's
        if "." not in text and not isinstance(raw, float) and abs(number) <= _LARGEST_EXACT:
            number = int(text)
        if _in_range(spec, number):
            return number
    raise UnacceptableValue(_range_in_words(spec))


def _choice(choices: list[str], raw: Any) -> str:
    text = raw.strip().lower() if isinstance(raw, str) else None
    if text in choices:
        return str(text)
    raise UnacceptableValue("one of " + ", ".join(choices))


def _text(contract: Contract, spec: Limits, raw: Any) -> str:
    if spec.from_number and isinstance(raw, (int, float)) and not isinstance(raw, bool):
        raw = str(raw)
    if not isinstance(raw, str):
        raise UnacceptableValue("text; put it in quotes")
    kind = spec.type
    fault = fault_of_value(raw) or fault_of_placeholder(raw, secret=spec.secret)
    if kind == "account":
        fault = fault_of_account(raw)
    elif kind in ("path", "directory"):
        fault = fault_of_path(raw)
        if kind == "directory" and raw != raw.strip():
            fault = fault or "begins or ends with a blank, which Kai strips"
    elif kind == "source":
        fault = fault or fault_of_source(raw)
    elif kind == "url" and not _URL.match(raw):
        fault = "does not begin with https:// and a host"
    elif kind == "model" and not raw.strip():
        fault = "is blank"
    elif kind == "bootstrap_plan":
        fault = fault or fault_of_plan(raw)
    if fault:
        raise UnacceptableValue(f"{describe(contract, spec)}; this one {fault}")
    pattern = spec.pattern
    if pattern and not re.fullmatch(pattern, raw):
        raise UnacceptableValue(spec.pattern_help or f"text that matches {pattern}")
    return raw


def _list(contract: Contract, spec: Limits, raw: Any) -> list[Any]:
    if not isinstance(raw, (list, tuple)):
        raise UnacceptableValue("a list")
    item = Limits(spec.items, pattern=spec.item_pattern, pattern_help=spec.pattern_help)
    return [read_value(contract, item, part) for part in raw]


def _directory_list(raw: Any) -> list[str]:
    # the blanks that users type beside a comma; any other blank belongs to a path
    parts = [part.strip(" \t\n") for part in raw.split(",")] if isinstance(raw, str) else raw
    if not isinstance(parts, (list, tuple)) or not all(isinstance(part, str) for part in parts):
        raise UnacceptableValue("paths, separated by commas")
    paths = [part for part in parts if part]
    for path in paths:
        fault = fault_of_path(path) or ("has a comma" if "," in path else None)
        if path != path.strip():
            # the bot splits at commas and strips, so it would look for another directory
            fault = fault or "begins or ends with a blank"
        if fault:
            raise UnacceptableValue(
                f"absolute paths, separated by commas; {shortened(repr(path))} {fault}"
            )
    return paths
