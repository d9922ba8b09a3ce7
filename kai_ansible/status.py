"""The command ``status``: whether hosts are well, once or again and again."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kai_ansible.apply import ApplyOptions, Target, checked_target
from kai_ansible.errors import CommandError, ExitCode, refusal
from kai_ansible.failures import FailedTask
from kai_ansible.files import write_private
from kai_ansible.invoker import may_become_root
from kai_ansible.rules.problems import Problem, listed
from kai_ansible.runner import Outcome, Run, run_playbook

if TYPE_CHECKING:
    from kai_ansible.report import Screen


@dataclass(frozen=True)
class StatusOptions(ApplyOptions):
    """What was asked of ``status``.

    watch: seconds between two looks, None for a single one. page: where a web page is written.
    """

    watch: float | None = None
    page: Path | None = None


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


def tell_status(options: StatusOptions, screen: Screen) -> None:
    """Tell what is installed on each host, and whether it is well.

    With ``watch`` it is told anew until Ctrl-C, which then is a good end.
    Raises CommandError when a host is not well, or cannot be looked at.
    """
    if options.watch is not None and screen.as_json:
        raise refusal("--watch", "--json as well", "one of them", "ask for --json once at a time")
    # without privilege there is still something to see, so nobody is asked who did not ask for it
    target = checked_target(options, valid=False, as_root=options.ask_become_pass)
    if options.watch is not None:
        try:
            _watch(target, options, screen)
        except KeyboardInterrupt:
            screen.say()
        return
    with screen.waiting(f"Looking at {listed(target.hosts)}"):
        look = take_look(target)
    if look.interrupted:
        raise KeyboardInterrupt
    show(look, options, screen)
    if look.code == ExitCode.FAILED:
        raise CommandError("Not every host could be looked at.", code=look.code)
    if look.code == ExitCode.NOT_READY:
        raise CommandError("Not everything is well.", code=look.code)
    screen.good("Everything is well.")


def take_look(target: Target) -> Look:
    """Look at every host, as root where that is possible without asking."""
    password = target.become_password
    plain = [] if password is not None or may_become_root() else _local(target)
    rooted = [host for host in target.hosts if host not in plain]
    outcomes = [_run(target, rooted, password, become=True)] if rooted else []
    # it wants a password, does not serve this account, or is not there
    refused = [
        failure.host
        for outcome in outcomes
        for failure in outcome.failures
        if "sudo" in failure.message and password is None
    ]
    if plain or refused:
        outcomes.append(_run(target, [*plain, *refused], None, become=False))
    return Look(
        datetime.now(UTC),
        {
            host: outcome.reports[host]
            for host in target.hosts
            for outcome in outcomes
            if host in outcome.reports
        },
        [
            failure
            for outcome in outcomes
            for failure in outcome.failures
            # that look was taken once more
            if failure.host not in refused or outcome is outcomes[-1]
        ],
        any(outcome.interrupted for outcome in outcomes),
    )


def _local(target: Target) -> list[str]:
    return [host for host in target.hosts if target.inventory.is_local(host)]


def _run(target: Target, hosts: Sequence[str], password: str | None, *, become: bool) -> Outcome:
    return run_playbook(
        Run(
            "status",
            target.inventory.path,
            hosts,
            variables={"kai_become": become},
            vault_password=None if target.password.made else target.password,
            become_password=password,
            known_secrets=target.secrets,
        ),
        lambda event: None,
    )


def _watch(target: Target, options: StatusOptions, screen: Screen) -> None:
    while True:
        look = take_look(target)
        if look.interrupted:
            return
        screen.clear()
        show(look, options, screen)
        screen.say(
            f"Looked at {look.taken:%H:%M:%S} UTC, every {options.watch:g} s; Ctrl-C ends this."
        )
        time.sleep(options.watch or 0)


def show(look: Look, options: StatusOptions, screen: Screen) -> None:
    """Print what a look told: of several hosts a line each, then those that are not well."""
    if len(look.reports) > 1:
        _tell_fleet(screen, look.reports)
    for host, report in look.reports.items():
        if len(look.reports) == 1 or not report["well"]:
            tell_host(screen, host, report, look.taken)
    failures = [failure.problem for failure in look.failures]
    _tell_findings(screen, "could not be looked at", failures)
    if options.page:
        from kai_ansible.page import render

        write_private({options.page: render(look)})
        screen.say(f"Written: {options.page}")
    screen.document(look.as_dict())


def _tell_fleet(screen: Screen, reports: Mapping[str, Mapping[str, Any]]) -> None:
    screen.table(
        "Hosts",
        ("Host", "", "Release", "Health", "Drift", "Problems", "Unknown", "Logins"),
        [
            (
                host,
                state_of(report),
                report["live"] or "none",
                str(report["service"]["health"] or "no answer"),
                str(len(report["drift"])),
                str(len(report["problems"])),
                str(len(report["unknown"])),
                str(len(missing_logins(report))),
            )
            for host, report in reports.items()
        ],
    )


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


def tell_host(screen: Screen, host: str, report: Mapping[str, Any], taken: datetime) -> None:
    """Print what is installed on a host, and what is not well."""
    screen.say(f"{host}: {state_of(report)}")
    for name, text in facts(report, taken):
        screen.say(f"  {name:8} {text}")
    screen.table(
        f"{host}: agents",
        ("Agent", "Version", "Binary", "Can be changed by"),
        [
            (
                backend["backend"],
                backend["version"] or "unknown",
                backend["path"] or "none",
                trust_of(backend),
            )
            for backend in report["backends"]
        ],
    )
    screen.table(
        f"{host}: people",
        ("Name", "Account", "Agent", "Model", "Logged in"),
        [
            (
                person["name"],
                person["account"],
                person["backend"],
                person["model"] or "",
                person["logged_in"],
            )
            for person in report["people"]
        ],
    )
    screen.table(
        f"{host}: releases",
        ("Release", "State", "Proven installs"),
        [
            (
                release["id"],
                release["state"] + (", live" if release["live"] else ""),
                listed(
                    f"{install['number']} ({install['time']})"
                    for install in report["installs"] or ()
                    if install["release"] == release["id"]
                ),
            )
            for release in report["releases"] or ()
        ],
    )
    for title, findings in (
        ("not what host_vars say", report["drift"]),
        ("not well", report["problems"]),
        ("unknown", report["unknown"]),
    ):
        _tell_findings(screen, f"{host}: {title}", [Problem(**finding) for finding in findings])
    for line in report["login_notice"]:
        screen.say(line)


def _tell_findings(screen: Screen, title: str, findings: Sequence[Problem]) -> None:
    if not findings:
        return
    screen.bad(title)
    last_fix = ""
    for number, finding in enumerate(findings, start=1):
        screen.say(f"{number}. {finding.where}")
        screen.say(f"   found:    {finding.found}")
        screen.say(f"   expected: {finding.expected}")
        # most drift is mended by the same command
        if finding.fix != last_fix:
            screen.say(f"   fix:      {finding.fix}")
        last_fix = finding.fix
