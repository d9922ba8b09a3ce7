"""The result of a status probe, and the words for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kai_ansible.ansible.failures import FailedTask
from kai_ansible.errors import ExitCode


@dataclass(frozen=True)
class StatusProbe:
    """The result of one probe of the hosts.

    reports: as docs/status.schema.json describes them, by host.
    failures: why a host has no report.
    """

    taken: datetime
    reports: Mapping[str, Mapping[str, Any]]
    failures: Sequence[FailedTask]
    interrupted: bool

    @property
    def code(self) -> ExitCode:
        """The exit code of ``status`` for this result."""
        if self.failures:
            return ExitCode.FAILED
        are_healthy = all(report["healthy"] for report in self.reports.values())
        return ExitCode.DONE if are_healthy else ExitCode.NOT_READY

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON document of the command."""
        return {
            "taken": f"{self.taken:%Y-%m-%dT%H:%M:%SZ}",
            "hosts": dict(self.reports),
            "failures": [failure.as_dict() for failure in self.failures],
        }


def state_of(report: Mapping[str, Any]) -> str:
    """Return the state of a host; ``UNKNOWN`` if no fault is known, but not all was checked."""
    if report["healthy"]:
        return "healthy"
    known = report["drift"] or report["problems"] or missing_logins(report)
    return "unhealthy" if known else "UNKNOWN"


def missing_logins(report: Mapping[str, Any]) -> list[str]:
    """Return the missing logins, as "account: agent"."""
    found = [
        f"{person['account']}: {person['backend']}"
        for person in report["people"]
        if person["logged_in"] == "no"
    ]
    return list(dict.fromkeys(found))


def users_table(people: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Return the columns and rows of the users; those of profiles only where there are any."""
    of_line = any(person["profile"] for person in people)
    columns = ["Name", "Account", "Agent", "Model", "Logged in"]
    rows = [
        [one["name"], one["account"], one["backend"], one["model"] or "", one["logged_in"]]
        for one in people
    ]
    if of_line:
        columns += ["Profile", "Directories"]
        for row, one in zip(rows, people, strict=True):
            row += ["yes" if one["profile"] else "none", one["tree"]]
    return columns, rows


def facts(report: Mapping[str, Any], taken: datetime) -> list[tuple[str, str]]:
    """Return the first lines of a report, each with its label."""
    return [
        ("Service", in_words(report["service"], taken)),
        ("Release", release_in_words(report)),
        *(("Disk", room_in_words(room)) for room in report["room"]),
    ]


def in_words(service: Mapping[str, Any], taken: datetime) -> str:
    """Return the state of a service."""
    runs = service["state"]
    if service["since"]:
        runs += f" for {age(service['since'], taken)}"
    answer = "no answer" if service["health"] is None else f"answers {service['health']}"
    return ", ".join(
        [
            f"{service['unit']}.service {runs}",
            "starts at boot" if service["enabled"] else "does not start at boot",
            *([f"pid {service['pid']}", answer] if service["pid"] else []),
            *([f"restarted {service['restarts']} times"] if service["restarts"] else []),
        ]
    )


def release_in_words(report: Mapping[str, Any]) -> str:
    """Return the live release, and the install that brought it."""
    last = report["last_install"]
    if not last:
        return report["live"] or "none"
    by = f" by {last['by']}" if last["by"] else ""
    number = f"install {last['number']}, " if last["number"] else ""
    return f"{report['live']}; {number}{last['outcome']} {last['time']}{by}"


def room_in_words(room: Mapping[str, Any]) -> str:
    """Return the free space of a file system."""
    text = f"{room['path']} has {room['free_mb']} of {room['size_mb']} MB free"
    if room["files"]:
        text += f", {100 * room['free_files'] // room['files']} % of its inodes"
    return text


def age(since: str, taken: datetime) -> str:
    """Return how long ago a UTC time was, in its largest unit."""
    begun = datetime.strptime(since, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    seconds = max(int((taken - begun).total_seconds()), 0)
    for unit, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= unit:
            return f"{seconds // unit} {name}"
    return f"{seconds} s"


def trust_of(backend: Mapping[str, Any]) -> str:
    """Return who besides root can change an agent's binary."""
    if backend["changed_by"] is None:
        return "unknown"
    return "; ".join(backend["changed_by"]) or "root only"
