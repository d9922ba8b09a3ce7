"""The job events of ansible-runner as types, as far as this package reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

# each module has keys of its own
Result = Mapping[str, Any]


class EventData(TypedDict, total=False):
    """What an event is about. res: the result of a task."""

    host: str
    task: str
    task_action: str
    task_path: str
    ignore_errors: bool | None
    res: Result


class Event(TypedDict, total=False):
    """An event. event: its kind. created: its time."""

    event: str
    created: str
    event_data: EventData


def task_of(data: EventData) -> str:
    """Return the name of the task of an event, without that of its role."""
    return str(data.get("task", "")).rpartition(" : ")[2]
