"""The command ``doctor``: why a bot is silent, and what mends it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kai_ansible.commands.target import (
    RunOptions,
    Target,
    checked_target,
    raise_unless_succeeded,
    run_role,
)
from kai_ansible.errors import CommandError, ExitCode
from kai_ansible.rules.configuration import variable
from kai_ansible.rules.diagnosis import Finding
from kai_ansible.rules.redact import masked
from kai_ansible.telegram import SETTING, ask, checked_api

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kai_ansible.ansible.runner import Outcome
    from kai_ansible.terminal.screen import Screen


@dataclass(frozen=True)
class DoctorOptions(RunOptions):
    """What was asked of ``doctor``. telegram_api: where to ask about tokens, None for nowhere."""

    telegram_api: str | None = None


def examine(options: DoctorOptions, screen: Screen) -> None:
    """Tell what keeps the bot of each host from its work, what blocks the rest first.

    Raises CommandError when something was found, and when a host could not be looked at.
    """
    api = checked_api(options.telegram_api) if options.telegram_api else None
    target = checked_target(options, valid=False)
    outcome = run_role(target, "doctor", options, screen)
    found = {host: _findings(host, target, outcome, api) for host in outcome.reports}
    for host, findings in found.items():
        _tell(screen, host, findings)
    screen.document(
        {
            "hosts": {
                host: {"findings": [finding.as_dict() for finding in findings]}
                for host, findings in found.items()
            },
            "failures": [failure.as_dict() for failure in outcome.failures],
            "log": str(outcome.log) if outcome.log else None,
        }
    )
    raise_unless_succeeded(outcome)
    if any(found.values()):
        raise CommandError("Not everything is well.", code=ExitCode.NOT_READY)
    screen.good("Nothing was found.")


def _findings(host: str, target: Target, outcome: Outcome, api: str | None) -> list[Finding]:
    findings = [
        # a log may hold what is a secret in host_vars, and not on the host any more
        Finding(**{name: masked(text, target.secrets) for name, text in told.items()})
        for told in outcome.reports[host]["findings"]
    ]
    return findings + (about_token(_token(host, target), api) if api else [])


def _token(host: str, target: Target) -> Any:
    try:
        variables: Mapping[str, Any] = target.inventory.variables(host, target.password)
    except CommandError:
        # a vault that cannot be opened is told by the run
        return None
    return variables.get(variable(SETTING))


def about_token(token: Any, api: str) -> list[Finding]:
    """Return what Telegram has against a token. api: the base URL of the Bot API."""
    if not isinstance(token, str) or not token:
        return []
    answer = ask(api, token)
    where = variable(SETTING)
    if answer.refused:
        return [
            Finding(
                "telegram",
                where,
                f"Telegram refuses it ({answer.refused})",
                "the token was mistyped, or @BotFather has given out a new one since",
                "kai-ansible config --section telegram, then kai-ansible install",
            )
        ]
    if answer.silence:
        return [
            Finding(
                "telegram",
                where,
                f"Telegram could not be asked about it from here: {answer.silence}",
                "no network, a proxy or a firewall",
                f"see whether the host itself reaches it: curl --head {api}",
            )
        ]
    return []


def _tell(screen: Screen, host: str, findings: Sequence[Finding]) -> None:
    if not findings:
        screen.say(f"{host}: nothing was found")
        return
    screen.bad(f"{host}: {len(findings)} found; what comes first may be why the others are there")
    for number, finding in enumerate(findings, start=1):
        screen.say(f"{number}. {finding.where}")
        screen.say(f"   evidence: {finding.evidence}")
        screen.say(f"   cause:    {finding.cause}")
        screen.say(f"   fix:      {finding.fix}")
