"""What a look at hosts told, and the words for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kai_ansible.ansible.failures import FailedTask
from kai_ansible.errors import ExitCode


@dataclass(frozen=True)
class Look:
    """What one look at the hosts told.

    reports: as docs/status.schema.json describes them, by host. failures: why there is no report.
    """

    taken: datetime
    reports: Mapping[str, Mapping[str, Any]]
    failures: Sequence[FailedTask]
    interrupted: bool

    @property
    def code(self) -> ExitCode:
        """How a command ends that has nothing better to tell."""
        if self.failures:
            return ExitCode.FAILED
        well = all(report["well"] for report in self.reports.values())
        return ExitCode.DONE if well else ExitCode.NOT_READY

    def as_dict(self) -> dict[str, Any]:
        """Return the document of the command."""
        return {
            "taken": f"{self.taken:%Y-%m-%dT%H:%M:%SZ}",
            "hosts": dict(self.reports),
            "failures": [failure.as_dict() for failure in self.failures],
        }


def state_of(report: Mapping[str, Any]) -> str:
    """Return in a word how a host is: unknown when nothing is known to be wrong, but not all."""
    if report["well"]:
        return "well"
    known = report["drift"] or report["problems"] or missing_logins(report)
    return "not well" if known else "UNKNOWN"


def missing_logins(report: Mapping[str, Any]) -> list[str]:
    """Return who has to log in to what."""
    found = [
        f"{person['account']}: {person['backend']}"
        for person in report["people"]
        if person["logged_in"] == "no"
    ]
    return list(dict.fromkeys(found))


def facts(report: Mapping[str, Any], taken: datetime) -> list[tuple[str, str]]:
    """Return the lines that every report begins with: what of the host, and how it is."""
    return [
        ("Service", in_words(report["service"], taken)),
        ("Release", release_in_words(report)),
        *(("Room", room_in_words(room)) for room in report["room"]),
    ]


def in_words(service: Mapping[str, Any], taken: datetime) -> str:
    """Return how a service is."""
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
    """Return what is live, and how it came there."""
    last = report["last_install"]
    if not last:
        return report["live"] or "none"
    by = f" by {last['by']}" if last["by"] else ""
    number = f"install {last['number']}, " if last["number"] else ""
    return f"{report['live']}; {number}{last['outcome']} {last['time']}{by}"


def room_in_words(room: Mapping[str, Any]) -> str:
    """Return how much room a file system has."""
    text = f"{room['path']} has {room['free_mb']} of {room['size_mb']} MB free"
    if room["files"]:
        text += f", {100 * room['free_files'] // room['files']} % of its inodes"
    return text


def age(since: str, taken: datetime) -> str:
    """Return how long ago a time in UTC was, in the one unit that matters."""
    begun = datetime.strptime(since, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    seconds = max(int((taken - begun).total_seconds()), 0)
    for unit, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= unit:
            return f"{seconds // unit} {name}"
    return f"{seconds} s"


def trust_of(backend: Mapping[str, Any]) -> str:
    """Return who besides root may change an agent's binary."""
    if backend["changed_by"] is None:
        return "unknown"
    return "; ".join(backend["changed_by"]) or "root alone"
