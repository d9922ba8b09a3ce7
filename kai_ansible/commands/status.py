"""The command ``status``: whether hosts are well, once or again and again."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kai_ansible.ansible.status_view import Look, facts, missing_logins, state_of, trust_of
from kai_ansible.commands.target import RunOptions, Target, checked_target
from kai_ansible.errors import CommandError, ExitCode, refusal
from kai_ansible.files import write_private
from kai_ansible.rules.problems import Problem, listed

if TYPE_CHECKING:
    from kai_ansible.terminal.screen import Screen


from kai_ansible.commands.probe import take_look


@dataclass(frozen=True)
class StatusOptions(RunOptions):
    """What was asked of ``status``.

    watch: seconds between two looks, None for a single one. page: where a web page is written.
    """

    watch: float | None = None
    page: Path | None = None


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
        from kai_ansible.terminal.status_page import render

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
