"""The command ``doctor``: find out why a bot is silent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kai_ansible.ansible.playbooks import DOCTOR
from kai_ansible.ansible.runner import Outcome
from kai_ansible.commands.options import RunOptions
from kai_ansible.commands.role_run import ended, raise_unless_succeeded, run_role
from kai_ansible.commands.target import Target, checked_target
from kai_ansible.errors import CommandError, attention_error
from kai_ansible.rules.diagnosis import Finding
from kai_ansible.rules.redact import masked
from kai_ansible.rules.reports import DoctorReport
from kai_ansible.rules.variable_names import variable
from kai_ansible.telegram import SETTING, ask, checked_api
from kai_ansible.terminal.login_view import on_host
from kai_ansible.terminal.screen import Screen


def diagnose(options: RunOptions, screen: Screen, telegram_api: str | None) -> None:
    """Report the faults of each host's bot, the most basic first.

    telegram_api: base URL of the Bot API to check tokens with, None to skip the check.
    Raises CommandError for any fault, and for a host that could not be probed.
    """
    api = checked_api(telegram_api) if telegram_api else None
    target = checked_target(options, valid=False)
    outcome = run_role(target, DOCTOR, options, screen)
    found = {host: _findings(host, target, outcome, api) for host in outcome.reports}
    for host, findings in found.items():
        report_findings(screen, host, findings, target.inventory.ssh_commands.get(host))
    screen.document(
        {
            "hosts": {
                host: {"findings": [finding.as_dict() for finding in findings]}
                for host, findings in found.items()
            },
            **ended(outcome),
        }
    )
    raise_unless_succeeded(outcome, screen)
    faulty = [host for host, findings in found.items() if findings]
    if faulty:
        raise attention_error(faulty)


def _findings(
    host: str, target: Target, outcome: Outcome[DoctorReport], api: str | None
) -> list[Finding]:
    findings = [
        # a log on the host may hold a secret that only host_vars still know
        Finding(**{name: masked(text, target.secrets) for name, text in finding.items()})
        for finding in outcome.reports[host]["findings"]
    ]
    return findings + (about_token(_token(host, target), api) if api else [])


def _token(host: str, target: Target) -> Any:
    try:
        return target.inventory.variables(host).get(variable(SETTING))
    except CommandError:
        # the run reports a vault that cannot be opened
        return None


def about_token(token: Any, api: str) -> list[Finding]:
    """Return what Telegram finds wrong with a token. api: the base URL of the Bot API."""
    if not isinstance(token, str) or not token:
        return []
    answer = ask(api, token)
    if answer.refused:
        evidence = f"Telegram rejects the token ({answer.refused})"
        cause = "the token is mistyped, or @BotFather has issued a new one"
        fix = "kai-ansible config --section telegram, then kai-ansible install"
    elif answer.silence:
        evidence = f"Telegram could not be reached from here: {answer.silence}"
        cause = "no network, a proxy or a firewall"
        fix = f"check whether the host reaches it: curl --head {api}"
    else:
        return []
    return [Finding("telegram", variable(SETTING), evidence, cause, fix)]


def report_findings(
    screen: Screen, host: str, findings: Sequence[Finding], ssh: Sequence[str] | None
) -> None:
    """Print the findings on a host. ssh: the command that logs in there, None for this machine."""
    if not findings:
        screen.good(f"{host}: no faults found")
        return
    several = len(findings) > 1
    count = f"{len(findings)} faults; the first ones may cause the others" if several else "1 fault"
    screen.bad(f"{host}: {count}")
    numbers: dict[tuple[str, str], int] = {}
    for number, finding in enumerate(findings, start=1):
        screen.say(f"{number}. {finding.where}")
        screen.say(f"   evidence: {finding.evidence}")
        first = numbers.setdefault((finding.cause, finding.fix), number)
        if first < number:
            screen.say(f"   cause:    as for {first}, and so is the fix")
            continue
        screen.say(f"   cause:    {finding.cause}")
        screen.say(f"   fix:      {on_host(finding.fix, ssh)}")
