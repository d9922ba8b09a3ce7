# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compose the contract of a release line from its difference to another line.

docs/contract.md, "Another release line", explains based_on, renamed, without, changes, after and
adds. A mapping in ``changes`` is merged, unless it is empty or a condition; any other value
replaces the former one. A place is written with dots, or as a list of its steps; the name or the
path of an entry identifies it in a list.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PARTS = ("line", "based_on", "renamed", "without", "changes", "after", "adds")
_NAMES = ("name", "path", "file")
_CONDITIONS = ("required", "applies", "asked_when", "conflicts", "feature")


class BadDifference(ValueError):
    """A difference that does not fit the line that it is based on."""


def composed(line: str, documents: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the whole contract of a line. Raises BadDifference.

    documents: whole contracts and differences by line.
    """
    chain = [line]
    while "based_on" in documents.get(chain[-1], {}):
        base = documents[chain[-1]]["based_on"]
        if base in chain:
            raise BadDifference(f"{base} is based on itself")
        chain.append(base)
    if chain[-1] not in documents:
        raise BadDifference(f"{chain[-1]} is no line")
    found = copy.deepcopy(dict(documents[chain.pop()]))
    for name in reversed(chain):
        found = _applied(found, documents[name])
    return found


def _applied(base: dict[str, Any], difference: Mapping[str, Any]) -> dict[str, Any]:
    unknown = sorted(set(difference) - set(PARTS))
    if unknown:
        raise BadDifference(f"{unknown[0]} is none of {', '.join(PARTS)}")
    for part, names in difference.get("renamed", {}).items():
        base[part] = _renamed(base[part], names, part)
    for place in difference.get("without", ()):
        _remove(base, place)
    _change(base, difference.get("changes", {}))
    for part, orders in difference.get("after", {}).items():
        for name, before in orders.items():
            base[part] = _moved(base[part], name, before, part)
    for part, entries in difference.get("adds", {}).items():
        if not isinstance(base.get(part), list):
            raise BadDifference(f"adds.{part} is for a list")
        base[part] = [*base[part], *copy.deepcopy(entries)]
    return base


def _renamed(part: dict[str, Any], names: Mapping[str, str], where: str) -> dict[str, Any]:
    missing = sorted(set(names) - set(part))
    if missing:
        raise BadDifference(f"renamed.{where}: there is no {missing[0]}")
    taken = sorted(set(names.values()) & set(part))
    if taken:
        raise BadDifference(f"renamed.{where}: there is a {taken[0]} already")
    found = {}
    for name, entry in part.items():
        if name in names:
            entry = {**entry, "old_names": [name, *entry.get("old_names", ())]}
        found[names.get(name, name)] = entry
    return found


def _remove(base: Any, place: str | Sequence[str]) -> None:
    *way, last = place.split(".") if isinstance(place, str) else place
    holder = base
    for step in way:
        holder = _entry(holder, step, place)
    if isinstance(holder, list):
        holder.remove(_entry(holder, last, place))
        return
    _entry(holder, last, place)
    del holder[last]


def _entry(holder: Any, step: str, place: str | Sequence[str]) -> Any:
    if isinstance(holder, dict) and step in holder:
        return holder[step]
    for one in holder if isinstance(holder, list) else ():
        if one == step or (isinstance(one, dict) and step in [one.get(name) for name in _NAMES]):
            return one
    raise BadDifference(f"without: there is no {place}")


def _change(base: dict[str, Any], changes: Mapping[str, Any]) -> None:
    for key, value in changes.items():
        is_in_both = isinstance(value, dict) and isinstance(base.get(key), dict)
        if is_in_both and value and key not in _CONDITIONS:
            _change(base[key], value)
        else:
            base[key] = copy.deepcopy(value)


def _moved(part: dict[str, Any], name: str, before: str | None, where: str) -> dict[str, Any]:
    for one in (name, before):
        if one is not None and one not in part:
            raise BadDifference(f"after.{where}: there is no {one}")
    found: dict[str, Any] = {name: part[name]} if before is None else {}
    for key, entry in part.items():
        if key != name:
            found[key] = entry
        if key == before:
            found[name] = part[name]
    return found
