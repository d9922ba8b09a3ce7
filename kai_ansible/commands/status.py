"""The command ``status``: report whether hosts are healthy, once or repeatedly."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from kai_ansible.commands.options import HostOptions
from kai_ansible.commands.status_probe import probe_status
from kai_ansible.commands.target import Target, checked_target
from kai_ansible.errors import CommandError, ExitCode, attention_error, usage_error
from kai_ansible.files import write_files
from kai_ansible.host.symlink_guard import kind_of
from kai_ansible.operator import at_terminal
from kai_ansible.rules.problems import Problem, listed
from kai_ansible.rules.status_report import StatusReport
from kai_ansible.terminal.login_view import login_lines
from kai_ansible.terminal.screen import Screen
from kai_ansible.terminal.status_view import (
    StatusProbe,
    by_attention,
    facts,
    few_of_each,
    missing_logins,
    state_of,
    summary_of,
    summary_of_all,
    trust_of,
    users_table,
    users_title,
)

# between two probes
MOST_SECONDS = 86400


@dataclass(frozen=True)
class StatusOptions(HostOptions):
    """Options of ``status``.

    watch: seconds between two probes, None to probe once. page: HTML file to write.
    """

    watch: float | None = None
    page: Path | None = None


def report_status(options: StatusOptions, screen: Screen) -> None:
    """Report what is installed on each host, and whether it is healthy.

    With ``watch``, repeat until Ctrl-C, which then is a normal end.
    Raises CommandError if a host is unhealthy or cannot be probed.
    """
    if options.watch is not None and screen.as_json:
        raise usage_error("--watch", "--json too", "one of the two", "leave out one of them")
    # NaN is no pause either
    if options.watch is not None and not options.watch <= MOST_SECONDS:
        limit = f"at most {MOST_SECONDS}"
        raise usage_error("--interval", f"{options.watch:g}", limit, "give fewer seconds")
    if options.page:
        _check_page(options.page)
    # without a terminal, a probe without root still shows something
    asks = at_terminal() and not screen.as_json
    target = checked_target(options, valid=False, as_root=options.ask_become_pass or asks)
    if options.watch is not None:
        try:
            _watch(target, options, screen)
        except KeyboardInterrupt:
            screen.say()
        return
    with screen.waiting(f"Probing {listed(target.hosts)}"):
        probe = probe_status(target)
    show(probe, options, screen, target.inventory.ssh_commands)
    if probe.code == ExitCode.FAILED:
        raise CommandError("Some hosts could not be probed.", code=probe.code)
    if probe.code == ExitCode.NOT_READY:
        named = [host for host, report in probe.reports.items() if not report["healthy"]]
        raise attention_error(named)


def _check_page(path: Path) -> None:
    """Raise CommandError unless a path leads to a file, or to a directory for a new one.

    A device would be replaced by a file as well.
    """
    found = None
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            found = kind_of(status)
    except FileNotFoundError:
        if not path.parent.is_dir():
            found = f"no directory {path.parent}"
        elif not os.access(path.parent, os.W_OK | os.X_OK):
            found = f"a directory {path.parent} that you cannot write to"
    except OSError as error:
        found = str(error.strerror)
    if found:
        raise usage_error(
            f"--html {path}",
            found,
            "a file, or a name in a directory that you can write to",
            "name another place",
        )


def _watch(target: Target, options: StatusOptions, screen: Screen) -> None:
    while True:
        probe = probe_status(target)
        screen.clear()
        show(probe, options, screen, target.inventory.ssh_commands)
        screen.say(
            f"Probed at {probe.taken:%H:%M:%S} UTC, every {options.watch:g} s; Ctrl-C to stop."
        )
        time.sleep(options.watch or 0)


def show(
    probe: StatusProbe,
    options: StatusOptions,
    screen: Screen,
    ssh: Mapping[str, Sequence[str]],
) -> None:
    """Print the result of a probe: the answer in one line, then the details.

    Of several hosts, a line for each, and the unhealthy ones in full. ssh: the commands that log
    in, by host.
    """
    several = len(probe.reports) + len(probe.failures) > 1
    if several:
        say = screen.good if probe.code == ExitCode.DONE else screen.bad
        say(summary_of_all(probe))
    if len(probe.reports) > 1:
        _report_fleet(screen, by_attention(probe.reports))
    for host, report in by_attention(probe.reports).items():
        if not several or not report["healthy"]:
            words = options.words(host)
            report_host(screen, host, report, probe.taken, ssh.get(host), words)
    failures = [failure.problem for failure in probe.failures]
    _report_findings(screen, "could not be probed", failures)
    if options.page:
        from kai_ansible.terminal.status_page import render

        write_files({options.page: render(probe, ssh, options.words)})
        screen.say(f"Written: {options.page}")
    screen.document(probe.as_dict())


def _report_fleet(screen: Screen, reports: Mapping[str, StatusReport]) -> None:
    screen.table(
        "Hosts",
        ("Host", "State", "Release", "Health", "Drift", "Problems", "Unknown", "Logins"),
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


def report_host(
    screen: Screen,
    host: str,
    report: StatusReport,
    taken: datetime,
    ssh: Sequence[str] | None,
    words: Sequence[str],
) -> None:
    """Print what is installed on a host, and what needs attention.

    ssh: the command that logs in on the host, None for this machine. words: what names the host in
    a command to print.
    """
    say = screen.good if report["healthy"] else screen.bad
    say(f"{host}: {summary_of(report)}")
    for name, text in facts(report, taken):
        screen.say(f"  {name:8} {text}")
    for title, findings in (
        ("needs attention", report["problems"]),
        ("drift from host_vars", report["drift"]),
        # without root nearly everything is unknown, and one command answers all of it
        ("unknown", report["unknown"] if report["as_root"] or screen.verbose else ()),
    ):
        shown, left = (findings, {}) if screen.verbose else few_of_each(findings)
        _report_findings(screen, f"{host}: {title}", [Problem(**finding) for finding in shown])
        for path, count in left.items():
            screen.say(f"   and {count} more in {path}; add -v to list them")
    if report["unknown"] and not (report["as_root"] or screen.verbose):
        screen.command(
            f"{len(report['unknown'])} facts are only for root. To read them too",
            "kai-ansible",
            "status",
            *words,
            "--ask-become-pass",
        )
    for line in login_lines(report["login_notice"], ssh):
        screen.say(line)
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
    screen.table(f"{host}: {users_title(report)}", *users_table(report["users"]))
    screen.lines(f"{host}: pending in host_vars, until the next install", report["pending"])
    screen.lines(f"{host}: your own limits of the service", report["limits"])
    screen.table(
        f"{host}: releases",
        ("Release", "State", "Verified installs"),
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


def _report_findings(screen: Screen, title: str, findings: Sequence[Problem]) -> None:
    if not findings:
        return
    screen.bad(title)
    last_fix = ""
    for number, finding in enumerate(findings, start=1):
        screen.say(f"{number}. {finding.where}")
        screen.say(f"   found:    {finding.found}")
        screen.say(f"   expected: {finding.expected}")
        # the same command fixes most drift
        if finding.fix != last_fix:
            screen.say(f"   fix:      {finding.fix}")
        last_fix = finding.fix
