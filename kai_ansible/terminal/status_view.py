"""The result of a status probe, and the words for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kai_ansible.ansible.failures import FailedTask
from kai_ansible.calling import command_line
from kai_ansible.errors import ExitCode
from kai_ansible.rules.probe import FreeSpace
from kai_ansible.rules.problems import ProblemData
from kai_ansible.rules.status_report import (
    BackendStatus,
    ServiceHealth,
    StatusReport,
    UserStatus,
)
from kai_ansible.terminal.login_view import on_host

# of the differences in one file, at a terminal
MOST_OF_A_FILE = 3


@dataclass(frozen=True)
class StatusProbe:
    """The result of one probe of the hosts.

    reports: as docs/status.schema.json describes them, by host.
    failures: why a host has no report.
    """

    taken: datetime
    reports: Mapping[str, StatusReport]
    failures: Sequence[FailedTask]

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


def state_of(report: StatusReport) -> str:
    """Return the state of a host; ``UNKNOWN`` if no fault is known, but not all was checked."""
    if report["healthy"]:
        return "healthy"
    known = report["drift"] or report["problems"] or missing_logins(report)
    return "unhealthy" if known else "UNKNOWN"


def summary_of(report: StatusReport) -> str:
    """Return the state of a host with the number of findings of each kind."""
    counts = [
        (len(report["problems"]), "problem", "problems"),
        (len(report["drift"]), "difference from host_vars", "differences from host_vars"),
        (len(missing_logins(report)), "missing login", "missing logins"),
        (len(report["unknown"]), "unknown fact", "unknown facts"),
    ]
    found = [f"{count} {one if count == 1 else many}" for count, one, many in counts if count]
    return f"{state_of(report)}: {', '.join(found)}" if found else state_of(report)


def summary_of_all(probe: StatusProbe) -> str:
    """Return the state of a fleet in one line."""
    states = [state_of(report) for report in probe.reports.values()]
    known = [
        (states.count("healthy"), "healthy"),
        (states.count("unhealthy"), "unhealthy"),
        (states.count("UNKNOWN"), "unknown"),
        (len(probe.failures), "not reached"),
    ]
    hosts = len(states) + len(probe.failures)
    return f"{hosts} hosts: {', '.join(f'{count} {name}' for count, name in known if count)}"


def by_attention(reports: Mapping[str, StatusReport]) -> dict[str, StatusReport]:
    """Return the reports by host, those that need attention first."""
    rank = {"unhealthy": 0, "UNKNOWN": 1, "healthy": 2}

    def key(host: str) -> tuple[int, int, int, str]:
        report = reports[host]
        others = len(missing_logins(report)) + len(report["drift"])
        return rank[state_of(report)], -len(report["problems"]), -others, host

    return {host: reports[host] for host in sorted(reports, key=key)}


def next_commands(
    report: StatusReport, words: Sequence[str], ssh: Sequence[str] | None = None
) -> list[tuple[str, str]]:
    """Return the commands to run next on a host in their order, each with its reason.

    words: what names the host in a command. ssh: the command that logs in there, None for this
    machine.
    """

    def named(verb: str, *more: str) -> str:
        return command_line(["kai-ansible", verb, *words, *more])

    found = []
    if report["problems"]:
        found.append((named("doctor"), "Find the cause of what needs attention."))
    if report["drift"]:
        command = named("install")
        found.append((command, "Apply host_vars to what differs; it shows the changes first."))
    found += [
        (on_host(line.strip(), ssh), "Log in once.")
        for line in report["login_notice"]
        if line.startswith("  sudo ")
    ]
    if report["unknown"] and not report["as_root"]:
        command = named("status", "--ask-become-pass")
        found.append((command, "Read what only root can read."))
    return found


def missing_logins(report: StatusReport) -> list[str]:
    """Return the missing logins, as "account: agent"."""
    found = [
        f"{user['account']}: {user['backend']}"
        for user in report["users"]
        if user["logged_in"] == "no"
    ]
    return list(dict.fromkeys(found))


def users_title(report: StatusReport) -> str:
    """Return whose users a report lists."""
    if report["users_from"] == "host":
        return "users"
    return "users of host_vars, as those of the host are not known"


def few_of_each(
    findings: Sequence[ProblemData],
) -> tuple[list[ProblemData], dict[str, int]]:
    """Return the findings without most of a file that differs much, and how many are left out.

    The second result is by file.
    """
    counts = Counter(_file_of(finding) for finding in findings)
    shown: list[ProblemData] = []
    seen: Counter[str] = Counter()
    for finding in findings:
        path = _file_of(finding)
        seen[path] += 1
        if counts[path] <= MOST_OF_A_FILE + 1 or seen[path] <= MOST_OF_A_FILE:
            shown.append(finding)
    left = {
        path: count - MOST_OF_A_FILE for path, count in counts.items() if count > MOST_OF_A_FILE + 1
    }
    return shown, left


def _file_of(finding: ProblemData) -> str:
    """Return the file of a finding, whose place begins with it; a place alone stands for itself."""
    path, _sign, key = finding["where"].partition(": ")
    return path if key else finding["where"]


def users_table(users: Sequence[UserStatus]) -> tuple[list[str], list[list[str]]]:
    """Return the columns and rows of the users; those of profiles only where there are any."""
    of_line = any(user["profile"] for user in users)
    columns = ["Name", "OS user", "Agent", "Model", "Logged in"]
    rows = [
        [one["name"], one["account"], one["backend"], one["model"] or "", one["logged_in"]]
        for one in users
    ]
    if of_line:
        columns += ["Profile", "Directories"]
        for row, one in zip(rows, users, strict=True):
            row += ["yes" if one["profile"] else "none", one["tree"]]
    return columns, rows


def facts(report: StatusReport, taken: datetime) -> list[tuple[str, str]]:
    """Return the first lines of a report, each with its label."""
    rollback = rollback_in_words(report)
    return [
        ("Service", in_words(report["service"], taken)),
        ("Release", release_in_words(report)),
        *([("Rollback", rollback)] if rollback else []),
        *(("Disk", text) for text in free_space_in_words(report["free_space"])),
    ]


def in_words(service: ServiceHealth, taken: datetime) -> str:
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


def release_in_words(report: StatusReport) -> str:
    """Return the live release, and the install that brought it."""
    last = report["last_install"]
    if not last:
        return report["live"] or "none"
    by = f" by {last['by']}" if last["by"] else ""
    number = f"install {last['number']}, " if last["number"] else ""
    return f"{report['live']}; {number}{last['outcome']} {last['time']}{by}"


def rollback_in_words(report: StatusReport) -> str | None:
    """Return what a rollback went back to, and whether host_vars still name something else.

    None unless the last install was a rollback.
    """
    last, installs = report["last_install"], report["installs"]
    if not (last and installs and last["outcome"] == "rolled back"):
        return None
    text = f"to install {installs[-1]['rolled_back_to']}"
    return f"{text}; host_vars differ" if report["drift"] else text


def free_space_in_words(places: Sequence[FreeSpace]) -> list[str]:
    """Return the free space of each file system, after the paths that lie on it."""
    by_space: dict[str, list[str]] = {}
    for place in places:
        text = f"{_in_gb(place['free_mb'])} of {_in_gb(place['size_mb'])} free"
        if place["files"]:
            text += f", {100 * place['free_files'] // place['files']} % of its inodes"
        by_space.setdefault(text, []).append(place["path"])
    return [f"{', '.join(paths)}: {text}" for text, paths in by_space.items()]


def _in_gb(megabytes: int) -> str:
    return f"{megabytes / 1024:.1f} GB" if megabytes >= 1024 else f"{megabytes} MB"


def age(since: str, taken: datetime) -> str:
    """Return how long ago a UTC time was, in its largest unit; other text of a host as it is."""
    try:
        begun = datetime.strptime(since, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return repr(since)
    seconds = max(int((taken - begun).total_seconds()), 0)
    for unit, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= unit:
            return f"{seconds // unit} {name}"
    return f"{seconds} s"


def trust_of(backend: BackendStatus) -> str:
    """Return who besides root can change an agent's binary."""
    if backend["changed_by"] is None:
        return "unknown"
    return "; ".join(backend["changed_by"]) or "root only"
