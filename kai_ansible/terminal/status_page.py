"""The HTML page of ``status``, in one file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from kai_ansible.calling import as_called
from kai_ansible.rules.sanitize import MOST_ON_A_SCREEN, printable
from kai_ansible.terminal import status_view
from kai_ansible.terminal.status_view import StatusProbe


def render(
    probe: StatusProbe,
    ssh: Mapping[str, Sequence[str]],
    words: Callable[[str], Sequence[str]],
) -> str:
    """Return the page of a status probe; text from hosts is escaped.

    ssh: the commands that log in, by host. words: what names a host in a command to paste.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_steering_nothing,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("status_page.html.j2").render(
        probe=probe,
        states=[status_view.state_of(report) for report in probe.reports.values()],
        view=status_view,
        as_called=as_called,
        ssh=ssh,
        words=words,
    )


def _steering_nothing(value: Any) -> Any:
    """Return text of a host without what turns its direction, and what no file can carry."""
    is_text = isinstance(value, str) and not hasattr(value, "__html__")
    return printable(value, MOST_ON_A_SCREEN) if is_text else value
