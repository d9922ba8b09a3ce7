"""What the tasks of a run publish about their own host, from its events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kai_ansible.ansible.events import Event

# they run on the controller; the answer of a host may claim stats as well, about any host
_PUBLISHERS = ("ansible.builtin.set_stats", "kai.bot.kai_report")


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
