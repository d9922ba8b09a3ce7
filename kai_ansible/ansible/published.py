"""What the tasks of a run publish about their own host, from its events."""

from __future__ import annotations

from types import UnionType
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints, is_typeddict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kai_ansible.ansible.events import Event

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


def misfit(kind: Any, value: Any, place: str) -> str:
    """Return the part of a report that is not of its type, empty if every part is.

    A report has answers of its host, which may be anything. kind: a TypedDict, or a type in one.
    place: of the value, such as ``service.since``.
    """
    arguments = get_args(kind)
    if get_origin(kind) is UnionType:
        found = [misfit(one, value, place) for one in arguments]
        return "" if "" in found else found[0]
    if is_typeddict(kind):
        if not isinstance(value, dict):
            return place
        hints = get_type_hints(kind)
        lacking = sorted(kind.__required_keys__ - value.keys())
        parts = [(hints[name], value[name], f"{place}.{name}") for name in hints if name in value]
        faults = [*(f"{place}.{name}" for name in lacking), *(misfit(*part) for part in parts)]
        return next(filter(None, faults), "")
    if get_origin(kind) is list:
        if not isinstance(value, list):
            return place
        items = (misfit(arguments[0], item, f"{place}[{at}]") for at, item in enumerate(value))
        return next(filter(None, items), "")
    if kind is int and type(value) is int and abs(value) >= _LARGEST:
        return place
    return "" if type(value) is kind else place
