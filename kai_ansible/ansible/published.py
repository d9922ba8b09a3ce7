"""What the tasks of a run publish about their own host, from its events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import UnionType
from typing import (
    Any,
    Literal,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from kai_ansible.ansible.events import Event

Kind = TypeVar("Kind")

# they run on the controller; the answer of a host may claim stats as well, about any host
_PUBLISHERS = ("ansible.builtin.set_stats", "kai.bot.kai_report")
# statvfs(2) has numbers of 64 bits, and Python cannot divide every larger one
_LARGEST = 2**64


def published(events: Iterable[Event], name: str) -> dict[str, Any]:
    """Return what was published under a name, by host."""
    found: dict[str, Any] = {}
    for event in events:
        data = event.get("event_data", {})
        host = data.get("host", "")
        if event["event"] == "runner_on_ok" and data.get("task_action") in _PUBLISHERS:
            stats = data.get("res", {}).get("ansible_stats", {}).get("data", {})
            found.update({host: stats[name][host]} if host in stats.get(name, {}) else {})
    return found


def fitting(kind: type[Kind], found: Mapping[str, Any]) -> tuple[dict[str, Kind], dict[str, str]]:
    """Return what is of its type, by host, and why the others are not, by host.

    found: what was published, which holds answers of its host, so it may be anything.
    """
    places = {host: misfit(kind, value, host) for host, value in found.items()}
    fit = {host: value for host, value in found.items() if not places[host]}
    return fit, {host: f"{place}: not as expected" for host, place in places.items() if place}


def misfit(kind: Any, value: Any, place: str) -> str:
    """Return the place of the first part of a value that is not of its type, empty without one.

    kind: a TypedDict, or a type in one. value: of JSON. place: of the value, such as
    ``service.since``.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is UnionType:
        found = [misfit(one, value, place) for one in arguments]
        return "" if "" in found else found[0]
    if origin is Literal:
        return "" if value in arguments else place
    if kind in (int, float):
        return "" if type(value) in (int, kind) and abs(value) < _LARGEST else place
    if is_typeddict(kind) or origin is dict:
        if type(value) is not dict:
            return place
        hints = get_type_hints(kind) if is_typeddict(kind) else dict.fromkeys(value, arguments[1])
        lacking = sorted(getattr(kind, "__required_keys__", frozenset()) - value.keys())
        if lacking:
            return f"{place}.{lacking[0]}"
        parts = [(hints[name], value[name], f"{place}.{name}") for name in hints if name in value]
    elif origin in (list, tuple):
        kinds = arguments * len(value) if origin is list and type(value) is list else arguments
        if type(value) is not list or len(kinds) != len(value):
            return place
        parts = [
            (*pair, f"{place}[{at}]") for at, pair in enumerate(zip(kinds, value, strict=True))
        ]
    else:
        return "" if type(value) is kind else place
    return next(filter(None, (misfit(*part) for part in parts)), "")
