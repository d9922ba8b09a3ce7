# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide what a run does on a host: everything that the tasks of the role read.

The action plugin kai_plan calls these functions. It reads the variables and renders the templates;
every decision is made here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import diagnosis, drift, status
from .configuration import is_secret
from .desired_state import desired_state, others_of_host
from .enrolment import enrolment_plan, no_workshop, who_may_enrol
from .env_file import env_line
from .file_state import FileState, wanted_states
from .host_record import recorded
from .identities import identities_request, identity_findings
from .installs import choose
from .interpreters import choose_interpreter
from .line_status import deployed_source
from .logins import deployed_logins
from .network_environment import as_words
from .overrides import limits, masks, override_problems, unseen_overrides
from .preflight import without_privilege
from .probe_requests import installed_request, least_request, probe_request
from .problems import Problem
from .releases import modules_of_extras
from .source_features import feature_problems
from .sudoers import written_rules
from .typed_data import as_data
from .unit import unit_argument, unit_path, unit_word
from .user_directories import Other
from .users import os_users
from .variable_names import variable
from .yaml_text import MANAGED, yaml_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .checkup import Checkup
    from .configuration import Configuration
    from .contract import ProtectedFile, Record, Sudoers, Unit
    from .desired import Desired
    from .module_arguments import FileData, ProbeRequest
    from .plans import (
        Agreed,
        CheckupPlan,
        FindingsPlan,
        HostPlan,
        InstallPlan,
        LoginsPlan,
        NewAccounts,
        RollbackPlan,
        RollbackTarget,
        Source,
        StatusPlan,
    )
    from .probe import InstalledProbe, Probe, WorkshopSeen
    from .problems import ProblemData
    from .status_report import StatusReport

# an account that an install made and did not finish is known again by its comment
SERVICE_COMMENT, AGENT_COMMENT = "Kai bot", "Agents of Kai bot"
_HOW_KAI_READS = "# Kai reads each line as it stands: no escapes, no comments behind a value.\n"
# what every run has to know, whether or not the rest of the configuration is valid
PLACES = ("service_user", "install_dir", "data_dir", "keep_releases", "health_timeout")


@dataclass(frozen=True)
class Subject:
    """The subject of a plan.

    given: the variables of the role by name. texts: of the operator's own files by setting; a file
    that is not given has none. render: returns the text of a template of the role.
    """

    configuration: Configuration
    given: Mapping[str, Any]
    texts: Mapping[str, str | None]
    render: Callable[[str, Mapping[str, Any]], str]


def use_usual_places(configuration: Configuration) -> None:
    """Replace refused places by the usual ones, because these may hold a bot."""
    settings = configuration.contract.host.items()
    usual = {name: spec.default for name, spec in settings if spec.default is not None}
    configuration.host = {**usual, **configuration.host}


def refusals(subject: Subject, purpose: str) -> list[Problem]:
    """Return the problems of a configuration that keep a run from being planned.

    An install and a list of logins need a valid configuration, any other run only PLACES. A status
    reports the others.
    """
    configuration = subject.configuration
    if purpose in ("install", "logins"):
        return configuration.problems
    refused = {variable(name) for name in PLACES if name not in configuration.host}
    named = [problem for problem in configuration.problems if problem.where in refused]
    return named or (configuration.problems if refused else [])


def host_plan(
    subject: Subject,
    purpose: str,
    probe: InstalledProbe | None = None,
    source: Source | None = None,
    *,
    with_data: bool = False,
) -> HostPlan:
    """Return what is known before the host is probed, and the arguments for that as ``probe``.

    probe, source: what kai_probe and kai_source returned, None before that. With users whom only
    the host knows it is to be probed again, for their accounts and directories. with_data: as for
    ``install_plan``.
    """
    contract, configuration = subject.configuration.contract, subject.configuration
    found = _before_restore(probe) if probe and with_data else probe
    others = _others(subject, purpose, found, source) if found else []
    host, service = configuration.host, contract.service
    linux, protected = contract.platforms["linux"], contract.protected_files
    port_key = service.port_setting
    config_files = {entry.path: entry.mode for entry in protected.values()}
    closed = no_workshop(configuration)
    return {
        "probe": PROBES[purpose](configuration, others),
        "probes_others": bool(others),
        "host": host,
        "module": service.module,
        "unit": {"name": linux.unit.name, "path": linux.unit.path},
        "wait": {
            "unit": linux.unit.name,
            "host": service.health_host,
            "health_path": service.health_path,
            "port_key": port_key,
            "default_port": contract.settings[port_key].default,
            "env_file": protected["env"].path,
            "final_lines": [one.pattern for one in contract.symptoms if one.final],
            # today's, also for the proof of an earlier install
            "timeout": host["health_timeout"],
            "accounts": [host["service_user"], *os_users(configuration.users)],
        },
        "env_file": protected["env"].path,
        "opaque_files": [one.path for one in protected.values() if one.from_ in contract.host],
        "config_files": config_files,
        "sudoers_file": contract.sudoers.path,
        # the bot runs a helper anew each time
        "unread_files": [contract.record.path, *(one.path for one in contract.helpers)],
        "backup_files": [
            *config_files,
            contract.sudoers.path,
            linux.unit.path,
            contract.record.path,
            *(helper.path for helper in contract.helpers),
        ],
        # files of the bot and models, which go with the data
        "bot_files": [
            *(entry.path for entry in protected.values() if entry.from_ == "bot"),
            contract.models_dir.format(install_dir=host["install_dir"]),
        ],
        "shown_variables": [key for key, spec in contract.settings.items() if not spec.secret],
        "database": service.database.format(data_dir=host["data_dir"]),
        "turns": _turns_directory(subject),
        "records": f"{host['install_dir']}/installs",
        "visudo": list(linux.visudo),
        "proofs_file": linux.proofs,
        "constraints_path": contract.package.constraints,
        "own_installer_parts": list(contract.own_installer.parts),
        "build_environment": as_words(host.get("environment", {})),
        "line": contract.release,
        "extra_features": dict(contract.extra_features),
        "workshop": {
            "problem": closed.as_dict() if closed else None,
            "plan": enrolment_plan(configuration),
        },
    }


def _turns_directory(subject: Subject) -> str:
    return subject.configuration.contract.service.turns.format(
        data_dir=subject.configuration.host["data_dir"]
    )


def _others(
    subject: Subject, purpose: str, probe: InstalledProbe, source: Source | None
) -> list[Other]:
    """Return the users whom only the host knows, for a run that compares what they have."""
    if purpose not in ("install", "status", "doctor"):
        return []
    features = source or deployed_source(subject.configuration.contract, probe)
    return others_of_host(subject.configuration, probe, features["features"])


def _before_restore(probe: InstalledProbe) -> InstalledProbe:
    """Return a probe that knows no workshop: the data of a backup bring another one."""
    if not probe.get("workshop"):
        return probe
    unknown: WorkshopSeen = {"id": None, "assigned": None, "owners": {}, "fault": None}
    return {**probe, "workshop": unknown}


def _rollback_probe(configuration: Configuration, _others: Sequence[Other] = ()) -> ProbeRequest:
    installed = installed_request(configuration, detailed=False)
    return {
        **least_request(configuration),
        "installed": {**installed, "files": [], "directories": [], "seeds": [], "free_space": []},
    }


def _install_probe(configuration: Configuration, others: Sequence[Other] = ()) -> ProbeRequest:
    return {
        **probe_request(configuration, others),
        "identities": identities_request(configuration),
        # an agent that does not start is reported before anything is built
        "versions": True,
        "installed": installed_request(configuration, others, detailed=False),
    }


def _status_probe(configuration: Configuration, others: Sequence[Other] = ()) -> ProbeRequest:
    return {
        **probe_request(configuration, others),
        "versions": True,
        "deployed_logins": deployed_logins(configuration.contract),
        "installed": installed_request(configuration, others),
    }


# the arguments of kai_probe for each purpose of a plan
PROBES = {
    "install": _install_probe,
    "logins": probe_request,
    "status": _status_probe,
    "doctor": _status_probe,
    "rollback": _rollback_probe,
    "uninstall": least_request,
    "host": least_request,
}


def uninstall_problems(probe: Probe) -> list[ProblemData]:
    """Return the problems that hide the changes of installs from an uninstall."""
    damaged = [entry["problem"] for entry in probe["damaged"] if entry["number"] is None]
    return [*bars(probe), *([] if without_privilege(probe) else damaged)]


def bars(probe: Probe) -> list[ProblemData]:
    """Return the problems that block any change of a host: another run, unsafe places.

    A run that is not root has that problem alone.
    """
    blind = without_privilege(probe)
    if blind:
        return [problem.as_dict() for problem in blind]
    return [*probe["lock"]["problems"], *probe["places"]]


def desired_files(subject: Subject, desired: Desired) -> tuple[list[FileData], dict[str, str]]:
    """Return the files of an install and the texts with secrets by path, as kai_switch takes them.

    desired: what ``desired_state`` returned.
    """
    contract, texts = subject.configuration.contract, subject.texts
    protected, unit = contract.protected_files, contract.platforms["linux"].unit
    host = subject.configuration.host
    service_user, current = host["service_user"], f"{host['install_dir']}/current"
    rules = {"sudo": written_rules(desired["sudo"]), "service_user": service_user}
    definition = {
        "service": as_data(contract.service),
        "service_user": service_user,
        "directory": unit_path(current),
        "program": unit_argument(f"{current}/venv/bin/python"),
        "environment": [
            unit_word(f"{key}={value}") for key, value in desired["unit"]["environment"].items()
        ],
    }
    users = texts.get("users_file")
    if users is None:
        users = MANAGED + yaml_text({"users": desired["users"]})
    env = "".join(f"{env_line(key, value)}\n" for key, value in desired["env"].items())
    record = recorded(subject.configuration, subject.given)
    files: list[FileData] = [
        {"path": protected["env"].path, "mode": protected["env"].mode},
        _file(protected["users"], users),
        *(_file(protected[name], content) for name, content in desired["documents"].items()),
        *helper_files(subject, desired),
        _file(contract.sudoers, subject.render("sudoers.j2", rules)),
        _file(unit, subject.render("kai.service.j2", definition)),
        _file(contract.record, json.dumps(record, indent=4, sort_keys=True) + "\n"),
    ]
    # the operator's own files, deployed byte for byte where they are given
    for entry in protected.values():
        if entry.from_ in contract.host:
            text = texts.get(entry.from_)
            files.append({**_file(entry, text or ""), "given": text is not None})
    return files, {protected["env"].path: f"{MANAGED}{_HOW_KAI_READS}\n{env}"}


def helper_files(subject: Subject, desired: Desired) -> list[FileData]:
    """Return the programs that root runs for the bot."""
    return [
        {
            "path": helper["path"],
            "mode": helper["mode"],
            "content": subject.render(helper["template"], helper["literals"]),
            "absent": not helper["given"],
        }
        for helper in desired["helpers"]
    ]


def _file(entry: ProtectedFile | Sudoers | Unit | Record, content: str) -> FileData:
    return {"path": entry.path, "mode": entry.mode, "content": content}


def install_plan(
    subject: Subject,
    probe: InstalledProbe,
    source: Source,
    *,
    check: bool = False,
    agreed: Agreed | None = None,
    workshop: WorkshopSeen | None = None,
    with_data: bool = False,
) -> InstallPlan:
    """Return the plan of an install, and its preflight problems.

    probe, source: what kai_probe and kai_source returned. check: whether the run only reports.
    agreed: the plan that an earlier check has shown, None without one. workshop: what the database
    says after the first start, None before it. with_data: whether the data of a backup goes live,
    and with it another workshop.
    Returns problems alone where the run is not root, or the operating system is not supported.
    """
    contract, configuration = subject.configuration.contract, subject.configuration
    host, release = configuration.host, source["release"]
    blind = without_privilege(probe)
    if blind:
        return {"problems": [problem.as_dict() for problem in blind]}
    if with_data:
        probe = _before_restore(probe)
    if workshop:
        probe = {**probe, "workshop": workshop}
    desired = desired_state(configuration, probe, source)
    if "env" not in desired:
        return {"problems": desired["problems"]}
    files, secret_contents = desired_files(subject, desired)
    is_built = release in probe["release"]["complete"]
    python, faults = choose_interpreter(
        probe["interpreters"],
        source["requires_python"] or contract.service.requires_python,
        host.get("python") or "",
    )
    of_users = {one["path"] for one in desired["helpers"] if one["given"] and one["names_users"]}
    digest = hashlib.sha256(json.dumps([files, secret_contents]).encode()).hexdigest()
    shown: Agreed = {"release": release, "files": digest}
    faults = [] if is_built else faults
    faults += masks(contract, probe)
    faults += feature_problems(configuration, source["features"])
    faults += _changed_since_check(agreed, shown, host["source"])
    identity_faults, identity_notes = (
        identity_findings(configuration, probe)
        if workshop or (desired["awaits_workshop"] and not with_data)
        else ([], [])
    )
    # with a workshop the bot has started, and its homes are copied
    faults += [] if workshop else identity_faults
    changes = not drift.is_as_wanted(probe, wanted_states(files, secret_contents), release)
    [rules] = [file for file in files if file["path"] == contract.sudoers.path]
    digest_of_rules = hashlib.sha256(rules["content"].encode()).hexdigest()
    parents = [host["install_dir"], f"{host['install_dir']}/releases"]
    return {
        "problems": [*desired["problems"], *(fault.as_dict() for fault in faults)],
        "changes": changes,
        "modules": modules_of_extras(contract, source["extras"]),
        "files": files,
        "files_of_users": [file for file in files if file["path"] in of_users] if workshop else [],
        "secret_contents": secret_contents,
        "restart": probe["installed"]["hangs"],
        "release": {
            "name": release,
            "line": contract.release,
            "is_built": is_built,
            "path": f"{host['install_dir']}/releases/{release}",
            "archive": f"{host['install_dir']}/releases/.{release}.tar.gz",
            "python": python,
            "directories": [entry for entry in desired["directories"] if entry["path"] in parents],
        },
        "policy": {
            "files": [rules],
            "is_new": changes
            and "visudo" in probe["tools"]
            and digest_of_rules != probe["sudoers_sha256"],
        },
        "new_accounts": _new_accounts(host["service_user"], desired, probe),
        "awaits_workshop": desired["awaits_workshop"],
        "directories": desired["directories"],
        "seeds": desired["seeds"],
        "private_directories": desired["private_directories"],
        "proof": {
            "service_user": host["service_user"],
            "timeout": host["health_timeout"],
            "environment": desired["unit"]["environment"],
            "secret_keys": _secret_keys(subject),
            "commands": desired["proofs"],
            "agents": desired["agent_proofs"],
            "private_directories": desired["private_directories"],
            "search_path": desired["sudo"]["secure_path"],
            "readiness": _readiness(subject),
        },
        "report": {
            "release": release,
            "plan": shown if check else None,
            "changes": changes or with_data,
            "notes": [
                *(_running_turns(subject, probe) if check and changes else ()),
                *configuration.notes,
                *desired["notes"],
                *identity_notes,
                *map(str, override_problems(contract, probe, desired)),
                *map(str, unseen_overrides(probe)),
                *limits(probe),
                *_unconstrained(subject, source),
            ],
            "binaries": desired["binaries"],
            "logins": desired["logins"],
            "login_notice": desired["login_notice"],
            "enrol": who_may_enrol(configuration),
            "turns": _turns_directory(subject),
            "source": host["source"],
        },
    }


def _readiness(subject: Subject) -> list[str]:
    """Return the places of the health page that must be true; nothing where 200 says enough."""
    readiness = subject.configuration.contract.service.readiness
    if readiness is None:
        return []
    enabled = str(subject.configuration.settings.get(readiness.adapters_setting, "")).split(",")
    more = [f"{place}.ready" for name, place in readiness.adapter_places.items() if name in enabled]
    return [*readiness.places, *more]


def _secret_keys(subject: Subject) -> list[str]:
    """Return the keys of the environment file whose values are secrets."""
    contract, configuration = subject.configuration.contract, subject.configuration
    extra = subject.given.get(variable("secret_extra_env"))
    chosen = {key for key in configuration.chosen if is_secret(contract, key)}
    return sorted(chosen | (set(extra or ()) & set(configuration.extra_env)))


def _new_accounts(service_user: str, desired: Desired, probe: InstalledProbe) -> NewAccounts:
    agents = desired["missing_accounts"]
    service = [service_user] if probe["accounts"][service_user] is None else []
    return {
        "service": service,
        "agents": agents,
        "comments": {"service": SERVICE_COMMENT, "agents": AGENT_COMMENT},
        "recorded": [
            {"name": name, "comment": comment}
            for names, comment in ((service, SERVICE_COMMENT), (agents, AGENT_COMMENT))
            for name in names
        ],
    }


def _changed_since_check(agreed: Agreed | None, shown: Agreed, source: str) -> list[Problem]:
    if agreed is None or agreed == shown:
        return []
    if agreed["release"] != shown["release"]:
        where, found = variable("source"), f"release {shown['release']} at {source}"
        expected = f"release {agreed['release']}, which you have confirmed"
    else:
        where, found = "host_vars", "other changes than those that you have confirmed"
        expected = "the changes that you have confirmed"
    fix = "run the same command again, and check the changes that it shows"
    return [Problem(where, found, expected, fix)]


def unknown_turns(turns: str) -> str:
    """Return the note that the users whom the bot is answering cannot be counted.

    turns: the directory in which the bot has a file for each.
    """
    return f"The number of running turns is unknown: {turns} is not a readable directory."


def _running_turns(subject: Subject, probe: InstalledProbe) -> list[str]:
    count = probe["service"]["turns"]
    if count is None:
        return [unknown_turns(_turns_directory(subject))]
    if not count:
        return []
    limit = subject.configuration.contract.service.stop_seconds
    return [
        f"{count} running turn(s): the bot has {limit} s to finish them when it stops; later ones "
        "are cut off."
    ]


def _unconstrained(subject: Subject, source: Source) -> list[str]:
    if source["constrained"]:
        return []
    read = subject.configuration
    return [
        f"{read.host['source']} has no {read.contract.package.constraints}, so two builds may not "
        f"install the same packages; {variable('constraints')} can name a file."
    ]


def logins_plan(subject: Subject, probe: Probe) -> LoginsPlan:
    """Return the missing logins, with account and command.

    Returns problems alone where the operating system of the host is not supported.
    """
    desired = desired_state(subject.configuration, probe)
    if "logins" not in desired:
        return {"problems": desired["problems"]}
    return {
        "problems": [],
        "logins_report": {
            "logins": desired["logins"],
            "logins_by_key": desired["logins_by_key"],
            "login_notice": desired["login_notice"],
        },
    }


def files_to_compare(subject: Subject, desired: Desired, probe: Probe) -> list[FileState]:
    """Return the files of an install, without those that follow from a workshop that is unknown."""
    files = wanted_states(*desired_files(subject, desired))
    workshop = probe.get("workshop")
    if workshop and workshop["id"]:
        return files
    names_users = {one["path"] for one in desired["helpers"] if one["names_users"]}
    return [file for file in files if file.path not in names_users]


def _status(subject: Subject, probe: InstalledProbe) -> tuple[Desired | None, StatusReport]:
    """Return the desired state, None for an invalid configuration, and the status of the host."""
    contract, configuration = subject.configuration.contract, subject.configuration
    desired: Desired | None = None
    files: list[FileState] = []
    if not configuration.problems:
        source = deployed_source(contract, probe)
        desired = desired_state(configuration, probe, source)
        if status.is_comparable(configuration, probe):
            files = files_to_compare(subject, desired, probe)
    found = status.host_status(configuration, probe, desired, files)
    return desired, found


def status_plan(subject: Subject, probe: InstalledProbe) -> StatusPlan:
    """Return the status of a host, as data and in lines."""
    _desired, found = _status(subject, probe)
    differing = [*found["drift"], *found["problems"], *found["unknown"]]
    lines = [*(str(Problem(**problem)) for problem in differing), *found["login_notice"]]
    return {"status": found, "lines": lines}


def checkup_plan(subject: Subject, probe: InstalledProbe) -> CheckupPlan:
    """Return the arguments of kai_checkup.

    Returns problems alone where the operating system of the host is not supported.
    """
    contract, configuration = subject.configuration.contract, subject.configuration
    if probe["platform"] not in contract.platforms:
        return {"problems": probe["faults"]}
    source = deployed_source(contract, probe)
    valid = not configuration.problems
    desired = desired_state(configuration, probe, source) if valid else None
    # a value that is no mapping is among the problems
    extra = subject.given.get(variable("secret_extra_env"))
    secrets = extra if isinstance(extra, dict) else ()
    request = diagnosis.checkup_request(configuration, probe, desired, secrets)
    return {"problems": [], "checkup": request}


def findings_plan(subject: Subject, probe: InstalledProbe, checkup: Checkup) -> FindingsPlan:
    """Return the findings of doctor, as data and in lines.

    checkup: what kai_checkup returned.
    """
    desired, found = _status(subject, probe)
    findings = diagnosis.diagnosis(subject.configuration, probe, desired, found, checkup)
    return {
        "findings": [finding.as_dict() for finding in findings],
        "lines": diagnosis.in_lines(findings),
    }


def rollback_plan(probe: InstalledProbe, to: str, *, with_database: bool) -> RollbackPlan:
    """Return the target of a rollback as ``rollback``, and its preflight problems.

    probe: what kai_probe returned, with ``installed``. to, with_database: as for ``choose``.
    """
    problems, installed = bars(probe), probe["installed"]
    if without_privilege(probe) or probe["places"]:
        # do not even read files that other accounts can change
        return {"problems": problems}
    if installed["fault"]:
        return {"problems": [*problems, installed["fault"]]}
    choice = choose(installed, to, with_database=with_database)
    problems += [problem.as_dict() for problem in choice.problems]
    target: RollbackTarget = {"number": choice.number}
    if choice.with_database:
        # an install without a snapshot had no database
        target["database"] = choice.snapshot or 0
    return {"problems": problems, "rollback": target}
