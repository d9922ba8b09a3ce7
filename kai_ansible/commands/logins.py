"""The command ``logins``: who still has to log in, where and how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kai_ansible.commands.target import RunOptions, checked_target, raise_unless_succeeded, run_role
from kai_ansible.errors import CommandError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kai_ansible.terminal.screen import Screen

ANSWERS = {True: "yes", False: "no", None: "unknown"}


@dataclass(frozen=True)
class LoginsOptions(RunOptions):
    """What was asked of ``logins``. ask: whether the agents themselves are asked."""

    ask: bool = False


def tell_logins(options: LoginsOptions, screen: Screen) -> None:
    """Tell who has to log in on each host, or has no key.

    Raises CommandError for an invalid configuration, for a run that failed and, when the agents
    themselves were asked, for a login that is missing or unknown.
    """
    asked = {"kai_logins_check": options.ask}
    outcome = run_role(checked_target(options), "logins", options, screen, asked)
    for host, report in outcome.reports.items():
        if options.ask:
            screen.table(f"{host}: logins", ("Account", "Agent", "Logged in"), _rows(report))
        lines = report["login_notice"] or ["Everybody is logged in."]
        for line in [f"{host}:", *lines] if len(outcome.reports) > 1 else lines:
            screen.say(line)
        for entry in report["logins_by_key"]:
            if not entry["is_there"]:
                screen.bad(
                    f"{host}: {entry['backend']} of {entry['account']} needs {entry['key']}, which "
                    f"the host does not have: kai-ansible install brings it there."
                )
    screen.document(
        {
            host: {name: report[name] for name in ("logins", "logins_by_key")}
            for host, report in outcome.reports.items()
        }
    )
    raise_unless_succeeded(outcome)
    if options.ask and not all(_is_ready(report) for report in outcome.reports.values()):
        raise CommandError("Not everybody is logged in.", code=ExitCode.NOT_READY)


def _rows(report: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    return [
        *(
            (login["account"], login["backend"], ANSWERS[login["logged_in"]])
            for login in report["logins"]
        ),
        *(
            (entry["account"], entry["backend"], f"by {entry['key']}")
            for entry in report["logins_by_key"]
            if entry["is_there"]
        ),
    ]


def _is_ready(report: Mapping[str, Any]) -> bool:
    return all(login["logged_in"] for login in report["logins"]) and all(
        entry["is_there"] for entry in report["logins_by_key"]
    )
