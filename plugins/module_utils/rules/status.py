# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evaluate the health of a host from one probe and host_vars."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .agent_starts import late_starts, start_faults
from .binaries import agent_account, backends_in_use, runners
from .deployed_users import deployed_configuration, pending
from .drift import (
    REPAIR,
    WantedEnv,
    files_drift,
    layout_drift,
    lines_of,
    rules_of,
    unseen,
    variables_of,
)
from .installs import FLAT, UNKNOWN_STATE, advised, judged
from .line_status import UNKNOWN, deployed_profiles, profile_of, tree_of, unknown_workshop
from .logins import login_notice, logins
from .operator_files import fields_of_users
from .overrides import effective_values, limits, override_problems, unseen_overrides
from .preflight import missing_models, unseen_models, without_privilege
from .problems import Problem
from .program_trust import in_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .configuration import Configuration
    from .desired import ChosenBinary, Desired
    from .file_state import FileState
    from .probe import Candidate, Installed, InstalledProbe
    from .status_report import BackendStatus, LastInstall, StatusReport, UserStatus

LOGGED_IN = {True: "yes", False: "no", None: "unknown"}


def host_status(
    configuration: Configuration,
    probe: InstalledProbe,
    desired: Desired | None,
    files: Sequence[FileState],
) -> StatusReport:
    """Return the status of a host, as docs/status.schema.json describes it.

    probe: the result of kai_probe with ``installed``. desired: None for a configuration that is not
    valid. files: as an install wants them.
    """
    contract = configuration.contract
    installed = probe["installed"]
    places = advised(installed, _places(probe))
    problems = [*configuration.problems, *places, *service_problems(installed)]
    unknown = [*_unknown(installed, probe)]
    drift: list[Problem] = []
    if desired is not None:
        problems += [Problem(**problem) for problem in desired["problems"]]
        problems += [Problem(**problem) for problem in desired.get("without_profile", [])]
        # before an installation, and before an adoption, nothing is as it should be
        if is_comparable(configuration, probe):
            drift, unseen_parts = _drift(configuration, installed, desired, files)
            unknown += unseen_parts
            drift += override_problems(contract, probe, desired)
            unknown += unseen_overrides(probe)
        problems += missing_models(configuration, probe)
        unknown += map(unseen, unseen_models(configuration, probe))
    wanted: Desired = desired or {"problems": [], "notes": []}
    backends = _backends(configuration, probe, wanted.get("binaries", {}))
    problems += agent_problems(backends, probe)
    for backend in backends:
        seen = _candidate(probe, backend["backend"], backend["path"])
        unknown += late_starts(seen) if seen else []
    unknown += unknown_workshop(contract, probe)
    deployed = deployed_configuration(configuration, probe)
    notice = wanted.get("login_notice", [])
    needed = wanted.get("logins", [])
    changes: list[str] = []
    if deployed is not None:
        backends = _deployed_backends(deployed, probe, backends)
        paths = {entry["backend"]: entry["path"] for entry in backends if entry["path"]}
        needed = logins(deployed, paths, probe["logins"])
        changes = pending(configuration, deployed) if desired is not None else []
        # what nobody asked for is not missing
        asked = {(login["account"], login["backend"]) for login in probe["logins"]}
        notice = login_notice(one for one in needed if (one["account"], one["backend"]) in asked)
    known = {(one["account"], one["backend"]): LOGGED_IN[one["logged_in"]] for one in needed}
    users = _users(deployed or configuration, known, probe, configuration)
    unknown += [
        Problem(
            f"the login of {user['account']}",
            f"whether {user['account']} is logged in to {user['backend']} is unknown",
            *(
                ("an answer of the host", "kai-ansible logins --check")
                if probe["privileged"]
                else ("a probe as root", "kai-ansible status --ask-become-pass, or through sudo")
            ),
        )
        for user in users
        if user["logged_in"] == "unknown"
    ]
    # drift may be the install that was just rolled back; problems of host_vars are not
    drift = advised(installed, drift)
    # an account that is not root takes for broken what it cannot see
    problems = without_privilege(probe) or problems
    # the probe, the desired state and the service may report the same fault
    problems = list(dict.fromkeys(problems))
    is_ready = all(user["logged_in"] in ("yes", "not needed") for user in users)
    return {
        "healthy": not (problems or drift or unknown) and is_ready,
        "line": contract.release,
        "as_root": probe["privileged"],
        "system": {
            **probe["system"],
            "sudo": probe["sudo"]["version"] or None,
            "manager_version": probe["manager_version"],
        },
        "service": {**installed["service"], "health": installed["health"]},
        "live": installed["live"],
        "unfinished": installed["unfinished"],
        "releases": installed["releases"],
        "installs": installed["installs"],
        "last_install": _last_install(installed),
        "drift": [problem.as_dict() for problem in drift],
        "problems": [problem.as_dict() for problem in problems],
        "unknown": [problem.as_dict() for problem in dict.fromkeys(unknown)],
        "backends": backends,
        "users": users,
        "users_from": "host_vars" if deployed is None else "host",
        "pending": changes,
        "limits": limits(probe),
        "login_notice": notice,
        "free_space": installed["free_space"],
    }


def _places(probe: InstalledProbe) -> list[Problem]:
    """Return the places of root and the programs of the bot that others can change."""
    problems = [Problem(**problem) for problem in probe["places"]]
    live = probe["live_python"]
    if live and live["changers"]:
        problems.append(
            Problem(
                live["path"],
                f"a Python that can be changed by {in_words(*live['changers'])}",
                "one that only root can change",
                REPAIR,
            )
        )
    return problems


def is_comparable(configuration: Configuration, probe: InstalledProbe) -> bool:
    """Return whether the desired state is known and was ever installed."""
    installed = probe["installed"]
    was_installed = installed["live"] not in (None, FLAT) or bool(installed["installs"])
    return not configuration.problems and not probe["faults"] and was_installed


def service_problems(installed: Installed) -> list[Problem]:
    """Return the problems of the service, its release and their records."""
    if installed["fault"]:
        damaged = [Problem(**entry["problem"]) for entry in installed["damaged"]]
        return [Problem(**installed["fault"]), *damaged]
    if installed["live"] is None and installed["installs"] is None:
        # nothing was seen, so nothing is missing
        return []
    problems = advised(installed, judged(installed))
    service = installed["service"]
    others = installed["strangers"]
    if service["active"] and others:
        problems.append(foreign_listener(installed))
    if service["release"] and service["release"] != installed["live"]:
        problems.append(outdated(installed))
    return problems


def foreign_listener(installed: Installed) -> Problem:
    """Return the problem of a port on which other processes listen too."""
    return Problem(
        f"the port of {installed['service']['unit']}.service",
        f"held by {'; '.join(installed['strangers'] or ())}, so the answer may not be the bot's",
        "a port that only the bot listens on",
        "stop that process on the host",
    )


def outdated(installed: Installed) -> Problem:
    """Return the problem of a bot that was started from another release than the live one."""
    service = installed["service"]
    return Problem(
        f"{service['unit']}.service",
        f"a process of release {service['release']}",
        f"one of the live release {installed['live']}",
        f"systemctl restart {service['unit']}.service",
    )


def _unknown(installed: Installed, probe: InstalledProbe) -> Iterator[Problem]:
    if installed["installs"] is None and not installed["fault"]:
        yield unseen("the records of installs")
    service = installed["service"]
    if service["state"] == UNKNOWN_STATE:
        yield Problem(
            f"{service['unit']}.service",
            "unknown: systemd does not answer",
            "the state of the unit",
            f"systemctl status {service['unit']}.service",
        )
    if probe["privileged"] and installed["strangers"] is None:
        yield unseen(f"which process listens on the port of {service['unit']}.service")
    if service["active"] and not probe["privileged"]:
        yield unseen(f"whether {service['unit']}.service itself gives the answer")
    elif service["pid"] and not service["release"]:
        yield Problem(
            f"process {service['pid']} of {service['unit']}.service",
            "a process that may be older than the live release",
            "one that was started from the live release",
            f"systemctl restart {service['unit']}.service",
        )


def _drift(
    configuration: Configuration,
    installed: Installed,
    desired: Desired,
    files: Sequence[FileState],
) -> tuple[list[Problem], list[Problem]]:
    contract = configuration.contract
    protected = contract.protected_files
    drift = [
        Problem(f"the account {name}", "no account", "an account of the host", REPAIR)
        for name in desired["missing_accounts"]
        # otherwise an install makes none, and the problems report the reason
        if configuration.host["create_os_users"]
    ]
    drift += _current(installed)
    differing, unknown = files_drift(
        files,
        installed["files"],
        installed["key"],
        {
            protected["users"].path: fields_of_users,
            desired["sudo"]["path"]: rules_of,
            desired["unit"]["path"]: lines_of,
            contract.record.path: variables_of,
        },
        WantedEnv(protected["env"].path, desired["env"], contract.open_variables),
    )
    layout, unseen_paths = layout_drift(installed["layout"])
    return [*drift, *differing, *layout], [*unknown, *unseen_paths]


def _current(installed: Installed) -> list[Problem]:
    records = installed["installs"]
    if not records or installed["unfinished"] or records[-1]["release"] == installed["live"]:
        return []
    if any(entry["needed"] for entry in installed["damaged"]):
        # the last record may be the damaged one
        return []
    return [
        Problem(
            "the link current",
            f"release {installed['live']}",
            f"release {records[-1]['release']}, the last verified one",
            REPAIR,
        )
    ]


def _last_install(installed: Installed) -> LastInstall | None:
    unfinished = installed["unfinished"]
    if unfinished:
        return {
            "number": None,
            "release": unfinished["release"],
            "time": unfinished["opened"],
            "by": None,
            "outcome": "unfinished",
        }
    records = installed["installs"]
    if not records:
        return None
    last = records[-1]
    outcome = "verified" if last["rolled_back_to"] is None else "rolled back"
    return {
        "number": last["number"],
        "release": last["release"],
        "time": last["time"],
        "by": last["by"],
        "outcome": outcome,
    }


def _backends(
    configuration: Configuration, probe: InstalledProbe, chosen: Mapping[str, ChosenBinary]
) -> list[BackendStatus]:
    found: list[BackendStatus] = []
    for backend in backends_in_use(configuration):
        binary = chosen.get(backend)
        path = binary["path"] if binary else None
        seen = _candidate(probe, backend, path)
        found.append(
            {
                "backend": backend,
                "path": path,
                "source": binary["source"] if binary else None,
                "version": (seen.get("version") if seen else None) or None,
                "accounts": runners(configuration, backend),
                "changed_by": _changed_by(binary),
                # what was deployed and no longer works
                "faults": [
                    f"{entry['path']}: {entry['fault']}"
                    for entry in probe["binaries"].get(backend, [])
                    if entry["fault"] and entry["source"] in ("host_vars", "deployed")
                ],
            }
        )
    return found


def _deployed_backends(
    deployed: Configuration, probe: InstalledProbe, wanted: Sequence[BackendStatus]
) -> list[BackendStatus]:
    """Return the agents that the bot of a host starts. wanted: those of host_vars."""
    of_host_vars = {entry["backend"]: entry for entry in wanted}
    found: list[BackendStatus] = []
    for backend in backends_in_use(deployed):
        path = deployed.chosen.get(deployed.contract.backends[backend].binary.setting)
        accounts = runners(deployed, backend)
        same = of_host_vars.get(backend)
        if same and path in (None, same["path"]):
            found.append({**same, "accounts": accounts})
            continue
        seen = _candidate(probe, backend, path)
        found.append(
            {
                "backend": backend,
                "path": path,
                "source": "deployed" if path else None,
                "version": (seen.get("version") if seen else None) or None,
                "accounts": accounts,
                "changed_by": None,
                "faults": [],
            }
        )
    return found


def _candidate(probe: InstalledProbe, backend: str, path: str | None) -> Candidate | None:
    candidates = probe["binaries"].get(backend, [])
    return next((entry for entry in candidates if entry["path"] == path), None)


def _changed_by(chosen: ChosenBinary | None) -> list[str] | None:
    changers = chosen["changers"] if chosen else None
    return None if changers is None else [in_words(entry) for entry in changers]


def agent_problems(backends: Sequence[BackendStatus], probe: InstalledProbe) -> list[Problem]:
    """Return the problems of the agents' programs. backends: as a report has them."""
    problems = []
    for backend in backends:
        problems += [
            Problem(
                fault.partition(": ")[0],
                fault.partition(": ")[2],
                "a program that every account which needs it can execute",
                f"fix it on the host, or {REPAIR}",
            )
            for fault in backend["faults"]
        ]
        # one that no account can run safely was not asked, and one that was late said nothing
        seen = _candidate(probe, backend["backend"], backend["path"])
        broken = start_faults(seen) if seen else []
        problems += broken
        says_nothing = seen is not None and seen.get("version") == "" and not broken
        if backend["path"] and probe["privileged"] and says_nothing:
            account = backend["accounts"][0]
            problems.append(
                Problem(
                    backend["path"],
                    f"a program that reports no version to {account}",
                    f"{backend['backend']}, which starts",
                    f"reinstall {backend['backend']} on the host",
                )
            )
    return advised(probe["installed"], problems)


def _users(
    shown: Configuration,
    known: Mapping[tuple[str, str], str],
    probe: InstalledProbe,
    configuration: Configuration,
) -> list[UserStatus]:
    """Return the users of a configuration. known: the state of a login, by account and backend.

    configuration: of host_vars, with which the host was compared.
    """
    contract = shown.contract
    effective = effective_values(probe)
    profiles, is_known = deployed_profiles(contract, probe), is_comparable(configuration, probe)
    found: list[UserStatus] = []
    for entry, user in zip(shown.entries, shown.users):
        account = agent_account(shown, user)
        found.append(
            {
                "name": user.name,
                "telegram_id": user.telegram_id,
                "os_user": user.os_user,
                "backend": user.backend,
                "provider": user.provider,
                # a value wins where it wins
                "model": effective.get("DEFAULT_MODEL", user.model)
                if user.model_from == "global"
                else user.model,
                "account": account,
                "profile": profile_of(profiles, entry, user),
                "tree": tree_of(contract, entry, user, probe) if is_known else UNKNOWN,
                "logged_in": known.get((account, user.backend), "not needed"),
            }
        )
    return found
