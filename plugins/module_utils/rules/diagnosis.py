# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a bot is silent: what a person would look for by hand, in the order in which it matters."""

from __future__ import annotations

import re
import shlex
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from .agent_commands import command_of_agent, commands_of_rules
from .binaries import backends_in_use, choose_binary
from .configuration import variable
from .drift import REPAIR
from .installs import not_enabled, rolled_back, without_repeating
from .problems import Problem
from .status import agent_problems, foreign_listener, outdated, service_problems

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from .configuration import Configuration
    from .contract import Contract

# What does not work. Nothing of a later stage can be trusted while an earlier one is not well.
STAGES = (
    "host_vars",
    "host",
    "install",
    "sudo",
    "files",
    "service",
    "agents",
    "logins",
    "telegram",
)
MOST_PARTS = 6
LAST_WORDS = 3
_CAUSES = {
    "host_vars": "host_vars say what cannot work, so no install can bring it to the host",
    "host": "the host is no longer as it was when the bot was installed",
    "install": "no install came to its end, or what it made was removed by hand",
    "files": "it was changed by hand, or host_vars were and no install followed",
    "agents": "the program of the agent was moved, removed or replaced",
}
_NOT_RESTARTED = "another release was put in place without a restart"
_OF_SYSTEMD = re.compile(r"^\S+ (systemd|sudo)(\[\d+\])?: ")
# what sudo logs of a command that it runs (sudoers(5), "Event log")
_SUDO_RAN = re.compile(r"\bsudo(\[\d+\])?: +\S+ : (TTY=\S+ ; )?PWD=")


@dataclass(frozen=True)
class Finding:
    """Something that keeps a bot from its work.

    stage: one of STAGES. where: the file, unit, account or program. evidence: what was seen.
    cause: why that is likely so. fix: the command that mends it.
    """

    stage: str
    where: str
    evidence: str
    cause: str
    fix: str

    def as_dict(self) -> dict[str, str]:
        """Return the fields by name."""
        return asdict(self)


def agent_checks(proofs: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield commands by which the service user learns whether it could start and end each agent.

    No agent is started. proofs: as module_utils/rules/proofs.py makes them.
    """
    for proof in proofs:
        directory = proof["directory"]
        yield {
            "stage": "files",
            "what": f"the bot can enter {directory}, where an agent starts",
            "argv": ["env", f"--chdir={directory}", "true"],
        }
        if not proof["kill"]:
            continue
        account, commands = proof["account"], commands_of_rules(proof)
        yield {
            "stage": "sudo",
            "what": f"the bot may start {command_of_agent(proof)[0]} as {account}",
            "argv": commands["start"],
        }
        yield {
            "stage": "sudo",
            "what": f"the bot may end what runs as {account}",
            "argv": commands["end"],
        }


def checkup_request(
    contract: Contract,
    configuration: Configuration,
    probe: Mapping[str, Any],
    desired: Mapping[str, Any] | None,
    extra_secrets: Iterable[str] = (),
) -> dict[str, Any]:
    """Return the arguments of kai_checkup.

    desired: None for an invalid configuration. extra_secrets: env keys that the contract does not
    know, and whose values are secret.
    """
    service_user = configuration.host["service_user"]
    there = {name for name, account in probe["accounts"].items() if account}
    # where nothing is installed, nothing works yet
    desired = (desired if probe["installed"]["live"] else None) or {}
    request: dict[str, Any] = {
        "unit": contract.platforms["linux"].unit.name,
        "env_file": contract.protected_files["env"].path,
        "secret_keys": sorted(
            {key for key, spec in contract.settings.items() if spec.secret} | set(extra_secrets)
        ),
        "environment": desired.get("unit", {}).get("environment", {}),
        "commands": [
            *({"stage": "sudo", **proof} for proof in desired.get("proofs", ())),
            *agent_checks(desired.get("agent_proofs", ())),
        ],
        "private_directories": [
            entry for entry in desired.get("private_directories", ()) if entry["account"] in there
        ],
        "visudo": probe["tools"].get("visudo"),
    }
    return {**request, "service_user": service_user} if service_user in there else request


def diagnosis(
    contract: Contract,
    configuration: Configuration,
    probe: Mapping[str, Any],
    desired: Mapping[str, Any] | None,
    status: Mapping[str, Any],
    checkup: Mapping[str, Any],
) -> list[Finding]:
    """Return what keeps the bot from its work, what blocks the rest first.

    status: what ``host_status`` says. checkup: the result of kai_checkup.
    """
    installed = probe["installed"]
    findings = [
        *_problems(contract, configuration, probe, status),
        *_drift(status, rolled_back(installed)),
        *_checked(contract, status, checkup),
        *_logins(desired or {}, probe),
        *shown_in(contract, checkup["log"]),
    ]
    findings += _service(installed, status["unknown"], findings, checkup["log"])
    findings = [
        replace(finding, fix=without_repeating(installed, finding.fix)) for finding in findings
    ]
    return sorted(dict.fromkeys(findings), key=lambda finding: STAGES.index(finding.stage))


def _problems(
    contract: Contract,
    configuration: Configuration,
    probe: Mapping[str, Any],
    status: Mapping[str, Any],
) -> Iterator[Finding]:
    about_service = service_problems(probe["installed"])
    about_agents = agent_problems(status["backends"], probe)
    for backend in backends_in_use(configuration):
        candidates = probe["binaries"].get(backend, [])
        about_agents += choose_binary(contract, configuration, backend, candidates)[1]
    for told in status["problems"]:
        problem = Problem(**told)
        if problem in about_service:
            continue
        stage = "host"
        if problem in configuration.problems:
            stage = "host_vars"
        elif problem in about_agents:
            stage = "agents"
        yield _of_problem(stage, problem)


def _of_problem(stage: str, problem: Problem, cause: str = "") -> Finding:
    evidence = f"{problem.found}; expected {problem.expected}"
    return Finding(stage, problem.where, evidence, cause or _CAUSES[stage], problem.fix)


def _service(
    installed: Mapping[str, Any],
    unknown: Sequence[Mapping[str, str]],
    others: Sequence[Finding],
    log: Sequence[str],
) -> Iterator[Finding]:
    service = installed["service"]
    unit = f"{service['unit']}.service"
    explained = any(
        STAGES.index(finding.stage) <= STAGES.index("service") for finding in others
    ) or bool(installed["unfinished"])
    for problem in service_problems(installed):
        if problem == not_enabled(service):
            cause = "somebody disabled it, so the bot does not come back after a boot"
            yield _of_problem("service", problem, cause)
        elif problem == outdated(installed):
            yield _of_problem("service", problem, _NOT_RESTARTED)
        elif problem == foreign_listener(installed):
            cause = "another process has taken the port of the bot"
            yield _of_problem("host", problem, cause)
        elif problem.where == unit:
            cause, fix = _why(service, explained=explained)
            yield Finding("service", unit, _words(problem, service, log), cause, fix)
        else:
            yield _of_problem("install", problem)
    for told in unknown:
        problem = Problem(**told)
        if problem.where.startswith("process "):
            yield _of_problem("service", problem, _NOT_RESTARTED)


def _why(service: Mapping[str, Any], *, explained: bool) -> tuple[str, str]:
    """Return why a bot does not run or answer, and what mends it."""
    unit = f"{service['unit']}.service"
    if explained:
        again = f"mend that first; then systemctl restart {unit}"
        return "what stands elsewhere in this list", again
    if service["state"] == "inactive":
        # however the bot ends by itself, systemd starts it again
        return "somebody stopped it", f"systemctl start {unit}"
    look = f"journalctl --unit {unit}; then systemctl restart {unit}"
    return "the bot ends, hangs or fails by itself, which its log may explain", look


def _words(problem: Problem, service: Mapping[str, Any], log: Sequence[str]) -> str:
    """Return what was seen of a bot that does not run or answer, its last words included."""
    said = [line for line in log if not _OF_SYSTEMD.match(line)][-LAST_WORDS:]
    restarts = service["restarts"]
    again = f", and was started again {restarts} times" if restarts else ""
    last = "; it said last: " + " / ".join(said) if said else ""
    return f"{problem.found}{again}{last}"


def _drift(status: Mapping[str, Any], past: str) -> Iterator[Finding]:
    """Yield one finding for each file, and one for everything else that the same command mends.

    past: which install was rolled back last, empty when none was.
    """
    cause = (
        f"{past}, and host_vars may still ask for it; or {_CAUSES['files']}"
        if past
        else _CAUSES["files"]
    )
    groups: dict[tuple[str, str], list[str]] = {}
    for told in status["drift"]:
        path, _colon, part = told["where"].partition(": ")
        text = f"{told['found']}, expected {told['expected']}"
        groups.setdefault((path, told["fix"]), []).append(f"{part}: {text}" if part else text)
    for (path, fix), parts in groups.items():
        yield Finding("files", path, _joined(parts), cause, fix)


def _checked(
    contract: Contract, status: Mapping[str, Any], checkup: Mapping[str, Any]
) -> Iterator[Finding]:
    if checkup["policy"]:
        yield Finding(
            "sudo",
            "the sudo policy of the host",
            f"visudo: {checkup['policy']}",
            "a file of the policy was edited without visudo, so sudo may ignore it or all of them",
            "mend what visudo names; visudo --check judges it again",
        )
    refused = [fault for fault in checkup["faults"] if fault["stage"] == "sudo"]
    if refused:
        told = [f"{fault['what']}: {fault['said']}" for fault in refused]
        yield Finding(
            "sudo",
            contract.sudoers.path,
            f"not so: {_joined(told)} (tried: {' '.join(refused[0]['argv'])})",
            "a rule for it is missing, or another one overrides it",
            REPAIR,
        )
    for fault in checkup["faults"]:
        if fault not in refused:
            where = fault["argv"][1].partition("=")[2]
            evidence = f"not so: {fault['what']}: {fault['said']}"
            yield Finding("files", where, evidence, _CAUSES["files"], REPAIR)
    if checkup["trespasses"]:
        evidence = _joined(checkup["trespasses"])
        where, cause = "directories of people", _CAUSES["files"]
        drifted = [entry["where"] for entry in status["drift"]]
        if any(path in fault for path in drifted for fault in checkup["trespasses"]):
            yield Finding("files", where, evidence, cause, REPAIR)
        else:
            cause = "owners and modes are right, so a group or a directory above lets them in"
            fix = "look at the groups of that account (id) and at what is above (namei -l)"
            yield Finding("files", where, evidence, cause, fix)


def _joined(parts: Sequence[str]) -> str:
    more = len(parts) - MOST_PARTS
    return "; ".join([*parts[:MOST_PARTS], *([f"and {more} more"] if more > 0 else [])])


def _logins(desired: Mapping[str, Any], probe: Mapping[str, Any]) -> Iterator[Finding]:
    for login in desired.get("logins", ()):
        where = f"the login of {login['account']}"
        if login["logged_in"] is None and probe["accounts"].get(login["account"]):
            evidence = f"{login['backend']} does not tell whether {login['account']} is logged in"
            cause = "its program does not run, or hangs"
            yield Finding("logins", where, evidence, cause, "kai-ansible logins --check")
        elif login["logged_in"] is False:
            evidence = f"{login['backend']} says that {login['account']} is not logged in"
            cause = "nobody ever logged in as that account, or its login has ended"
            yield Finding("logins", where, evidence, cause, login["line"])
    for entry in desired.get("logins_by_key", ()):
        if entry["is_there"] is False:
            yield Finding(
                "logins",
                f"the key {entry['key']}",
                f"{entry['backend']} of {entry['account']} needs it, and the host does not have it",
                "host_vars got it later than the last install, or it was removed by hand",
                REPAIR,
            )


def shown_in(contract: Contract, log: Sequence[str]) -> Iterator[Finding]:
    """Yield what the lines of a log show, each with the last line that shows it."""
    seen: dict[Finding, list[str]] = {}
    for line in log:
        finding = _explained(contract, line)
        if finding:
            seen.setdefault(finding, []).append(line)
    for finding, lines in seen.items():
        times = f" ({len(lines)} lines like this)" if len(lines) > 1 else ""
        yield replace(finding, evidence=f"{lines[-1]}{times}")


def _explained(contract: Contract, line: str) -> Finding | None:
    """Return the finding of the first symptom that a line shows, without evidence."""
    if _SUDO_RAN.search(line):
        # it names files and programs of which nothing is wrong
        return None
    for symptom in contract.symptoms:
        match = re.search(symptom.pattern, line)
        if match:
            words = {name: value or "" for name, value in match.groupdict().items()}
            if "setting" in words:
                words["variable"] = _variable(contract, words["setting"])
            # users and their agents have a say in what is logged, and a fix is pasted into a shell
            quoted = {name: shlex.quote(value) for name, value in words.items()}
            return Finding(
                symptom.stage,
                (symptom.where or "the log of the bot").format(**words),
                "",
                symptom.cause.format(**words),
                symptom.fix.format(**quoted),
            )
    return None


def _variable(contract: Contract, key: str) -> str:
    """Return the variable of host_vars that gives an env key."""
    known = key in contract.settings
    return variable(key) if known else f"{variable('secret_extra_env')}.{key}"


def in_lines(findings: Sequence[Finding]) -> list[str]:
    """Return findings for whoever reads what Ansible prints."""
    return [
        f"{finding.where}: {finding.evidence}. Likely cause: {finding.cause}. Fix: {finding.fix}"
        for finding in findings
    ]
