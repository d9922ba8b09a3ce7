# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find out why a bot is silent, with the causes in order of importance."""

from __future__ import annotations

import re
import shlex
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from .binaries import backends_in_use, choose_binary
from .drift import REPAIR
from .installs import not_enabled, rolled_back, without_repeating
from .preflight import without_privilege
from .problems import Problem
from .proof_arguments import command_of_agent, commands_of_rules
from .readiness import LIKELY_CAUSE, LOG_OF_START
from .status import agent_problems, foreign_listener, outdated, service_problems
from .variable_names import variable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from .checkup import Check, Checkup, CheckupRequest
    from .configuration import Configuration
    from .contract import Contract
    from .desired import Desired
    from .probe import Installed, InstalledProbe, InstalledService
    from .problems import ProblemData
    from .proof_arguments import AgentProof
    from .status_report import StatusReport

# The stages of a finding. A finding of a later stage may follow from one of an earlier stage.
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
MOST_PARTS = 3
LAST_WORDS = 3
_CAUSES = {
    "host_vars": "host_vars are invalid, so no install can apply them",
    "host": "the host has changed since the install",
    "install": "no install has completed, or its files were removed afterwards",
    "files": "it was changed outside kai-ansible, or host_vars changed and no install followed",
    "agents": "the program of the agent was moved, removed or replaced",
}
_BLIND = "the inventory keeps Ansible from becoming root, so nothing else can be judged"
_NOT_RESTARTED = "another release went live without a restart"
# sudo's log line of a command that it runs (sudoers(5), "Event log")
_SUDO_RAN = re.compile(r"\bsudo(\[\d+\])?: +\S+ : (TTY=\S+ ; )?PWD=")


# journalctl --output=short-iso --no-hostname: the time, the program, perhaps its process
_PROGRAM = re.compile(r"^\d{4}-\S+ (?P<name>[^\s:\[]+)(\[\d+\])?: (?P<words>.*)", re.DOTALL)
_OWNERS = {
    "sudo": "sudo",
    "sudo-rs": "sudo",
    "su": "PAM",
    "systemd": "systemd",
    "kernel": "the kernel",
}
# what sudo prints, in a line of the bot that quotes it
_QUOTED_SUDO = re.compile(r"(^|[\s:'\"(])sudo(-rs)?: ")
# symptoms of these stages are words of the bot; in another program's they mean something else
_WORDS_OF_BOT = ("telegram", "logins", "agents")
BOT = "the bot"


@dataclass(frozen=True)
class Finding:
    """Something that keeps a bot from its work.

    stage: one of STAGES. where: the file, unit, account or program. evidence: the observed fault.
    cause: its likely cause. fix: the command that fixes it.
    """

    stage: str
    where: str
    evidence: str
    cause: str
    fix: str

    def as_dict(self) -> dict[str, str]:
        """Return the fields by name."""
        return asdict(self)


def agent_checks(proofs: Iterable[AgentProof]) -> Iterator[Check]:
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
            "what": f"the bot may end processes of {account}",
            "argv": commands["end"],
        }


def checkup_request(
    configuration: Configuration,
    probe: InstalledProbe,
    desired: Desired | None,
    extra_secrets: Iterable[str] = (),
) -> CheckupRequest:
    """Return the arguments of kai_checkup.

    desired: None for an invalid configuration. extra_secrets: env keys that the contract does not
    know, and whose values are secret.
    """
    contract = configuration.contract
    service_user = configuration.host["service_user"]
    there = {name for name, account in probe["accounts"].items() if account}
    if without_privilege(probe):
        # only root tries what others may do
        there = set()
    # where nothing is installed, nothing works yet
    wanted: Desired = {"problems": [], "notes": []}
    if there and desired and probe["installed"]["live"]:
        wanted = desired
    proofs: list[Check] = [{"stage": "sudo", **proof} for proof in wanted.get("proofs", [])]
    return {
        "service_user": service_user if service_user in there else None,
        "unit": contract.platforms["linux"].unit.name,
        "env_file": contract.protected_files["env"].path,
        "secret_keys": sorted(
            {key for key, spec in contract.settings.items() if spec.secret} | set(extra_secrets)
        ),
        "environment": wanted["unit"]["environment"] if "unit" in wanted else {},
        "commands": [*proofs, *agent_checks(wanted.get("agent_proofs", []))],
        "private_directories": [
            entry for entry in wanted.get("private_directories", []) if entry["account"] in there
        ],
        "visudo": None if without_privilege(probe) else probe["tools"].get("visudo"),
    }


def diagnosis(
    configuration: Configuration,
    probe: InstalledProbe,
    desired: Desired | None,
    status: StatusReport,
    checkup: Checkup,
) -> list[Finding]:
    """Return what keeps the bot from its work, what blocks the rest first.

    status: what ``host_status`` says. checkup: the result of kai_checkup.
    """
    blind = without_privilege(probe)
    if blind:
        return [_of_problem("host", problem, _BLIND) for problem in blind]
    installed = probe["installed"]
    findings = [
        *_problems(configuration, probe, status),
        *_drift(status, rolled_back(installed)),
        *_checked(configuration.contract, status, checkup),
        *_logins(desired or {"problems": [], "notes": []}, probe),
        *shown_in(configuration.contract, checkup["log"]),
    ]
    findings += _service(installed, status["unknown"], findings, checkup["log"])
    findings = [
        replace(finding, fix=without_repeating(installed, finding.fix)) for finding in findings
    ]
    return sorted(dict.fromkeys(findings), key=lambda finding: STAGES.index(finding.stage))


def _problems(
    configuration: Configuration, probe: InstalledProbe, status: StatusReport
) -> Iterator[Finding]:
    about_service = service_problems(probe["installed"])
    about_agents = agent_problems(status["backends"], probe)
    for backend in backends_in_use(configuration):
        candidates = probe["binaries"].get(backend, [])
        about_agents += choose_binary(configuration, backend, candidates)[1]
    for data in status["problems"]:
        problem = Problem(**data)
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
    installed: Installed,
    unknown: Sequence[ProblemData],
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
            cause = "it was disabled, so the bot does not start after a boot"
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
    for data in unknown:
        problem = Problem(**data)
        if problem.where.startswith("process "):
            yield _of_problem("service", problem, _NOT_RESTARTED)


def _why(service: InstalledService, *, explained: bool) -> tuple[str, str]:
    """Return why a bot does not run or answer, and the fix."""
    unit = f"{service['unit']}.service"
    if explained:
        again = f"fix that first; then systemctl restart {unit}"
        return "another finding in this list", again
    if service["state"] == "inactive":
        # systemd restarts a bot that ends by itself
        return "it was stopped", f"systemctl start {unit}"
    look = f"journalctl --unit {unit}; then systemctl restart {unit}"
    return "the bot ends, hangs or fails by itself, which its log may explain", look


def _words(problem: Problem, service: InstalledService, log: Sequence[str]) -> str:
    """Return the evidence for a bot that does not run or answer, its last messages included."""
    said = [line for line in log if not _is_of_another(line)][-LAST_WORDS:]
    restarts = service["restarts"]
    again = f", and was restarted {restarts} times" if restarts else ""
    last = "; its last messages: " + " / ".join(said) if said else ""
    return f"{problem.found}{again}{last}"


def _drift(status: StatusReport, past: str) -> Iterator[Finding]:
    """Yield one finding for each file, and one for all other drift that the same command fixes.

    past: which install was rolled back last, empty when none was.
    """
    cause = (
        f"{past}, and host_vars may still ask for it; or {_CAUSES['files']}"
        if past
        else _CAUSES["files"]
    )
    groups: dict[tuple[str, str], list[str]] = {}
    for data in status["drift"]:
        path, _colon, part = data["where"].partition(": ")
        text = f"{data['found']}, expected {data['expected']}"
        groups.setdefault((path, data["fix"]), []).append(f"{part}: {text}" if part else text)
    for (path, fix), parts in groups.items():
        yield Finding("files", path, _joined(parts), cause, fix)


def _checked(contract: Contract, status: StatusReport, checkup: Checkup) -> Iterator[Finding]:
    if checkup["policy"]:
        yield Finding(
            "sudo",
            "the sudo policy of the host",
            f"visudo: {checkup['policy']}",
            "a file of the policy was edited without visudo, so sudo may ignore it or all of them",
            "fix the file that visudo names; visudo --check checks it again",
        )
    refused = [fault for fault in checkup["faults"] if fault["stage"] == "sudo"]
    if refused:
        failures = [f"{fault['what']}: {fault['said']}" for fault in refused]
        yield Finding(
            "sudo",
            contract.sudoers.path,
            f"failed: {_joined(failures)} (tried: {' '.join(refused[0]['argv'])})",
            "a rule for it is missing, or another one overrides it",
            REPAIR,
        )
    for fault in checkup["faults"]:
        if fault not in refused:
            where = fault["argv"][1].partition("=")[2]
            evidence = f"failed: {fault['what']}: {fault['said']}"
            yield Finding("files", where, evidence, _CAUSES["files"], REPAIR)
    if checkup["trespasses"]:
        cause, fix = _CAUSES["files"], REPAIR
        drifted = [entry["where"] for entry in status["drift"]]
        if not any(path in fault for path in drifted for fault in checkup["trespasses"]):
            cause = "owners and modes are right, so a group or a directory above lets them in"
            fix = "check the groups of that account (id) and the directories above (namei -l)"
        yield Finding("files", "directories of users", _joined(checkup["trespasses"]), cause, fix)


def _joined(parts: Sequence[str]) -> str:
    more = len(parts) - MOST_PARTS
    return "; ".join([*parts[:MOST_PARTS], *([f"and {more} more"] if more > 0 else [])])


def _logins(desired: Desired, probe: InstalledProbe) -> Iterator[Finding]:
    for login in desired.get("logins", []):
        where = f"the login of {login['account']}"
        if login["logged_in"] is None and probe["accounts"].get(login["account"]):
            evidence = f"{login['backend']} does not report whether {login['account']} is logged in"
            cause = "its program does not run, or hangs"
            yield Finding("logins", where, evidence, cause, "kai-ansible logins --check")
        elif login["logged_in"] is False:
            evidence = f"{login['backend']} says that {login['account']} is not logged in"
            cause = "that account has never logged in, or its login has expired"
            yield Finding("logins", where, evidence, cause, login["line"])
    for entry in desired.get("logins_by_key", []):
        if entry["is_there"] is False:
            yield Finding(
                "logins",
                f"the key {entry['key']}",
                f"{entry['backend']} of {entry['account']} requires it, and the host lacks it",
                "host_vars got it after the last install, or it was removed from the host",
                REPAIR,
            )


def shown_in(contract: Contract, log: Sequence[str]) -> Iterator[Finding]:
    """Yield what the lines of a log show, each with the last line that shows it."""
    seen: dict[Finding, list[str]] = {}
    for line in log:
        owner = owner_of(line)
        finding = _explained(contract, line, owner)
        if finding:
            shown = line if owner == BOT else f"{owner} says: {line}"
            seen.setdefault(finding, []).append(shown)
    for finding, lines in seen.items():
        times = f" ({len(lines)} lines like this)" if len(lines) > 1 else ""
        yield replace(finding, evidence=f"{lines[-1]}{times}")


def causes_in(contract: Contract, failure: str) -> list[str]:
    """Return what the log of the bot shows that a failure ends with, as lines."""
    log = failure.partition(LOG_OF_START)[2]
    return in_lines(list(shown_in(contract, log.splitlines())))


def owner_of(line: str) -> str:
    """Return whose words a line of the log of a unit has: the bot's, sudo's, PAM's, systemd's."""
    found = _PROGRAM.match(line)
    name, words = (found["name"], found["words"]) if found else ("", line)
    if re.match(r"pam_\w+\(", words):
        return "PAM"
    if name.startswith("("):
        # systemd's own process, before it becomes the program of the unit
        return "systemd"
    if name in _OWNERS:
        return _OWNERS[name]
    return "sudo" if _QUOTED_SUDO.search(words) else BOT


def _is_of_another(line: str) -> bool:
    found = _PROGRAM.match(line)
    return bool(found and (found["name"] in _OWNERS or found["name"].startswith("(")))


def _explained(contract: Contract, line: str, owner: str) -> Finding | None:
    """Return the finding of the first symptom that a line shows, without evidence."""
    if _SUDO_RAN.search(line):
        # it names files and programs of which nothing is wrong
        return None
    for symptom in contract.symptoms:
        if owner != BOT and symptom.stage in _WORDS_OF_BOT:
            continue
        match = re.search(symptom.pattern, line)
        if match:
            words = {name: value or "" for name, value in match.groupdict().items()}
            if "setting" in words:
                words["variable"] = _variable(contract, words["setting"])
            # users and their agents have a say in what is logged, and a fix is pasted into a shell
            quoted = {name: shlex.quote(value) for name, value in words.items()}
            return Finding(
                symptom.stage,
                (symptom.where or f"the log of {owner}").format(**words),
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
    """Return findings as lines for the output of Ansible."""
    return [
        f"{finding.where}: {finding.evidence.rstrip('.')}. {LIKELY_CAUSE}{finding.cause}. "
        f"Fix: {finding.fix}"
        for finding in findings
    ]
