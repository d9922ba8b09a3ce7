"""The command ``logins``: list the missing agent logins."""

from __future__ import annotations

from kai_ansible.ansible.playbooks import LOGINS
from kai_ansible.commands.options import RunOptions
from kai_ansible.commands.role_run import ended, raise_unless_succeeded, run_role
from kai_ansible.commands.target import checked_target
from kai_ansible.errors import CommandError, ExitCode
from kai_ansible.rules.plans import LoginsReport
from kai_ansible.terminal.login_view import login_lines
from kai_ansible.terminal.screen import Screen

ANSWERS = {True: "yes", False: "no", None: "unknown"}


def report_logins(options: RunOptions, screen: Screen, *, ask: bool) -> None:
    """Report the missing logins and keys of each host. ask: ask the agents themselves.

    Raises CommandError for an invalid configuration, for a run that fails and, with ``ask``, for a
    login that is missing or unknown.
    """
    asked = {"kai_logins_check": ask}
    target = checked_target(options)
    outcome = run_role(target, LOGINS, options, screen, asked, refuses=False)
    for host, report in outcome.reports.items():
        if ask:
            screen.table(f"{host}: logins", ("OS user", "Agent", "Logged in"), _rows(report))
        ssh = target.inventory.ssh_commands.get(host)
        lines = [*login_lines(report["login_notice"], ssh)] or ["All users are logged in."]
        for line in [f"{host}:", *lines] if len(outcome.reports) > 1 else lines:
            screen.say(line)
        for entry in report["logins_by_key"]:
            if not entry["is_there"]:
                screen.bad(
                    f"{host}: {entry['backend']} of {entry['account']} needs {entry['key']}, which "
                    f"is not on the host. Deploy it with: kai-ansible install"
                )
    screen.document(
        {
            "hosts": {
                host: {name: report[name] for name in ("logins", "logins_by_key")}
                for host, report in outcome.reports.items()
            },
            **ended(outcome),
        }
    )
    raise_unless_succeeded(outcome, screen)
    if ask and not all(_is_ready(report) for report in outcome.reports.values()):
        raise CommandError("Some logins are missing.", code=ExitCode.NOT_READY)


def _rows(report: LoginsReport) -> list[tuple[str, str, str]]:
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


def _is_ready(report: LoginsReport) -> bool:
    return all(login["logged_in"] for login in report["logins"]) and all(
        entry["is_there"] for entry in report["logins_by_key"]
    )
