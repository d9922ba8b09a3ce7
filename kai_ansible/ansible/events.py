"""The job events of ansible-runner as types, as far as this package reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from kai_ansible.rules.problems import ProblemData

# each module has keys of its own
Result = Mapping[str, Any]


class Published(TypedDict, total=False):
    """The custom stats of the role, by host. A report has the form that its playbook gives it."""

    kai_install_reports: Mapping[str, Any]
    kai_install_obstacles: Mapping[str, Sequence[ProblemData]]


class EventData(TypedDict, total=False):
    """What an event is about. res: the result of a task. artifact_data: at the end of a run."""

    host: str
    task: str
    task_action: str
    task_path: str
    ignore_errors: bool | None
    res: Result
    artifact_data: Published


class Event(TypedDict, total=False):
    """An event. event: its kind. created: its time."""

    event: str
    created: str
    event_data: EventData
