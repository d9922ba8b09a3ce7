# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the problems that block an installation on a host, before any change."""

from __future__ import annotations

import posixpath
import shlex
from typing import TYPE_CHECKING, Literal

from .binaries import agent_account
from .configuration import applies
from .problems import Problem, listed
from .sudoers import sudo_version
from .users import os_users
from .variable_names import variable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .configuration import Configuration
    from .contract import Contract, Model, Program
    from .probe import About, AccessRequest, Probe

SLOW_SECONDS = 5
TEMPORARY = "/tmp"  # noqa: S108 # read, not written
# a run that is not root sees almost nothing else, so that is its only problem
NOT_ROOT = Problem(
    "the privilege of Ansible on the host",
    "an account that is not root",
    "root: only root sees and changes an installation",
    "remove ansible_become: false and ansible_become_user from the inventory, as these playbooks "
    "become root by themselves; where sudo wants a password, add --ask-become-pass (-K)",
)


def without_privilege(probe: About) -> list[Problem]:
    """Return the problem of a run that is not root; nothing where the host is not supported.

    probe: the result of kai_probe.
    """
    return [NOT_ROOT] if probe.get("platform") and not probe["privileged"] else []


def wanted_access(configuration: Configuration) -> list[AccessRequest]:
    """Return the directories that an account must enter (path, account) and write to (write).

    The bot changes into a workspace before sudo makes it the agent's account, so both have to enter
    it (Kai runtime contract, section 0, trap 8). What the role makes itself only needs its parents.
    """
    service_user = configuration.host["service_user"]
    # the wizard probes before every answer is valid
    data_dir = configuration.host.get("data_dir", "/")
    agents = list(dict.fromkeys(agent_account(configuration, one) for one in configuration.users))
    everybody = list(dict.fromkeys([service_user, *agents]))
    wanted: dict[tuple[str, str], bool] = {}

    def add(path: str, accounts: list[str], writer: str | None = None) -> None:
        for account in accounts:
            wanted[path, account] = wanted.get((path, account), False) or account == writer

    add(posixpath.dirname(configuration.host["install_dir"]), [service_user])
    add(posixpath.dirname(data_dir), everybody)
    base = configuration.settings.get("WORKSPACE_BASE")
    for path in [*filter(None, [base]), *configuration.settings.get("ALLOWED_WORKSPACES", [])]:
        add(path, everybody)
    # Kai itself looks for a workspace of its file; who is to work there is not said
    for path, kind in configuration.named_paths.items():
        if kind == "directory":
            add(path, [service_user])
    for entry, user in zip(configuration.entries, configuration.users):
        agent = agent_account(configuration, user)
        pair = [service_user, agent]
        home = entry.get("home_workspace")
        if home and not home.startswith(data_dir + "/"):
            add(home, pair, writer=agent)
        for path in [
            *filter(None, [entry.get("workspace_base")]),
            *entry.get("allowed_workspaces", []),
        ]:
            add(path, pair)
    return [
        {"path": path, "account": account, "write": write}
        for (path, account), write in wanted.items()
    ]


def written_places(configuration: Configuration) -> list[str]:
    """Return the directories to which an installation writes on any operating system."""
    return [
        configuration.host["install_dir"],
        configuration.host.get("data_dir", "/"),
        configuration.contract.config_dir.path,
        posixpath.dirname(configuration.contract.sudoers.path),
        TEMPORARY,
    ]


def programs_in_use(configuration: Configuration) -> dict[str, Program]:
    """Return the programs of the contract that this configuration needs."""
    known = configuration.contract.programs.items()
    return {name: program for name, program in known if applies(program, configuration)}


def slow_sudo(probe: Probe) -> list[str]:
    """Return a note if sudo starts slowly, which delays each start of an agent."""
    seconds, host = probe["sudo"].get("seconds", 0), probe["sudo"].get("host")
    if seconds < SLOW_SECONDS:
        return []
    return [
        f"sudo took {seconds} s to start, which delays each start of an agent: sudo looks up the "
        f"name of the host. Check it: getent hosts {host}. Without an answer, add the line "
        f"127.0.1.1 {host} to /etc/hosts."
    ]


def missing_programs(configuration: Configuration, probe: Probe) -> list[str]:
    """Return a note for each missing program without which a chosen feature does not work."""
    return [
        f"The host has no {name}: {program.use}. Install {program.package or name} there."
        for name, program in _missing(configuration, probe)
        if program.optional
    ]


def models_in_use(configuration: Configuration) -> dict[str, Model]:
    """Return the large files that this configuration needs, by path on the host."""
    contract = configuration.contract
    directory = contract.models_dir.format(install_dir=configuration.host["install_dir"])
    return {
        posixpath.join(directory, model.file): model
        for model in contract.models
        if applies(model, configuration)
    }


def missing_models(configuration: Configuration, probe: Probe) -> list[Problem]:
    """Return a problem for each large file without which a chosen feature does not work."""
    problems = []
    for path, model in models_in_use(configuration).items():
        state = probe["models"].get(path, "unseen")
        if state == "absent":
            directory, file = shlex.quote(posixpath.dirname(path)), shlex.quote(path)
            problems.append(
                Problem(
                    path,
                    "no such file",
                    f"a model: {model.use}",
                    f"sudo install -d -m 0755 {directory} && "
                    f"sudo curl --fail --location --output {file} {model.url} && "
                    f"sudo chmod 0644 {file}",
                )
            )
        elif state == "unreadable":
            problems.append(
                Problem(
                    path,
                    f"a file that {configuration.host['service_user']} cannot read",
                    f"a model that it can read: {model.use}",
                    f"sudo chmod a+rX {shlex.quote(posixpath.dirname(path))} {shlex.quote(path)}",
                )
            )
    return problems


def unseen_models(configuration: Configuration, probe: Probe) -> list[str]:
    """Return the large files that a chosen feature needs and the probe could not see."""
    wanted = models_in_use(configuration)
    return [path for path in wanted if probe["models"].get(path, "unseen") == "unseen"]


def host_problems(configuration: Configuration, probe: Probe) -> list[Problem]:
    """Return everything about a host that keeps an installation from working.

    probe: the result of kai_probe. Binaries of agents and keys of the deployed file are judged by
    those who choose them.
    """
    if probe["platform"] not in configuration.contract.platforms:
        # nothing else was probed
        return [Problem(**fault) for fault in probe["faults"]]
    return [
        *(Problem(**fault) for fault in probe["faults"]),
        *(Problem(**entry["problem"]) for entry in probe["damaged"] if entry["needed"]),
        *(Problem(**problem) for problem in probe["lock"]["problems"]),
        *(Problem(**problem) for problem in probe["places"]),
        *_halves(configuration.contract, probe),
        *_accounts(configuration, probe),
        *_directories(configuration, probe),
        *_access(probe),
        *_space(configuration, probe),
        *_port(configuration, probe),
        *_addresses(configuration, probe),
        *_programs(configuration, probe),
        *_sudo(configuration, probe),
    ]


def _halves(contract: Contract, probe: Probe) -> Iterator[Problem]:
    files, sizes = contract.protected_files, probe["file_sizes"]
    for entry in files.values():
        needed = files.get(entry.nothing_without or "")
        if needed and entry.path in sizes and not sizes.get(needed.path):
            yield Problem(
                needed.path,
                f"{'an empty file' if needed.path in sizes else 'nothing'}, although "
                f"{entry.path} exists: the bot would ask no user for a code",
                "both files, or neither",
                f"restore {needed.path} from a backup, or remove {entry.path} to continue "
                "without TOTP",
            )


def _accounts(configuration: Configuration, probe: Probe) -> Iterator[Problem]:
    service_user = configuration.host["service_user"]
    service_account = probe["accounts"].get(service_user)
    if service_account and service_account["uid"] == 0:
        yield Problem(
            variable("service_user"),
            f"{service_user!r}, whose UID is 0",
            "an account without privilege",
            f"set {variable('service_user')} to another account",
        )
    where, create = f"{variable('users')}: os_user", configuration.host["create_os_users"]
    fix = f"set {variable('create_os_users')} to true, or fix os_user"
    before = [service_user]
    for name in os_users(configuration.users):
        if probe["accounts"].get(name) or not create:
            yield from account_problems(probe, where, name, before, fix, "name another account")
        before.append(name)


def account_problems(
    probe: Probe, where: str, name: str, others: Sequence[str], create: str, fix: str
) -> Iterator[Problem]:
    """Yield why an account is not a user's own.

    where: its place in the configuration. others: accounts of the bot and of other users. create:
    what else helps than creating a missing one. fix: of one that is not the user's own.
    """
    account = probe["accounts"].get(name)
    if account is None:
        yield Problem(
            where,
            f"{name!r}, which is no account on the host",
            "an existing account",
            f"create it on the host (useradd --create-home {name}), {create}",
        )
        return
    uids = {0: "root"}
    for other in others:
        seen = probe["accounts"].get(other)
        if seen:
            uids.setdefault(seen["uid"], other)
    if account["uid"] in uids:
        yield Problem(
            where,
            f"{name!r}, which has the same UID as {uids[account['uid']]}",
            "an account of its own",
            fix,
        )
    if account["home_kind"] not in ("directory", "unseen"):
        home = shlex.quote(account["home"])
        owner = f"-o {shlex.quote(name)} -g {account['gid']}"
        yield Problem(
            f"the home of {name}",
            f"{account['home']}, which is {account['home_kind']}",
            f"a directory for the logins and files of the agents of {name}",
            f"create it on the host: sudo install -d -m 0700 {owner} {home}"
            if account["home_kind"] == "absent"
            else f"check it on the host: ls -ld {home}",
        )


def _directories(configuration: Configuration, probe: Probe) -> Iterator[Problem]:
    for path, state in probe["directories"].items():
        expected = configuration.named_paths.get(path, "directory")
        if state != expected and not path.startswith(configuration.host["data_dir"] + "/"):
            yield Problem(
                f"a {expected} that the configuration names",
                f"{path}, which is {state}",
                f"an existing {expected}",
                "create it on the host, or remove it from the configuration"
                + (f": mkdir -p {path}" if expected == "directory" else ""),
            )


def _access(probe: Probe) -> Iterator[Problem]:
    for entry in probe["access"]:
        # a path that is no directory has its own problem
        state = probe["directories"].get(entry["path"], "directory")
        if entry["fault"] is None or state != "directory":
            continue
        account, place = entry["account"], entry["place"]
        bits = "rwx" if entry["write"] else "x"
        yield Problem(
            entry["path"],
            f"{account} {entry['fault']} {place}",
            f"a directory that {account} can enter" + (" and write in" * entry["write"]),
            f"let {account} in on the host (setfacl --modify u:{account}:{bits} {place}), or name "
            "another directory",
        )


UNITS: tuple[Literal["MB", "inodes"], ...] = ("MB", "inodes")
_DF = {"MB": "-h", "inodes": "-i"}


def _space(configuration: Configuration, probe: Probe) -> Iterator[Problem]:
    contract = configuration.contract
    release = probe["release"]
    by_device: dict[int, list[str]] = {}
    for path, target in probe["targets"].items():
        nearest = target["nearest"]
        if not target["directory"]:
            yield Problem(
                path,
                f"{nearest}, which is no directory",
                "a directory",
                f"move it away on the host: mv {nearest} {nearest}.old",
            )
        elif not target["writable"]:
            yield Problem(
                path,
                f"{nearest}, where not even root can write",
                "a file system that is mounted for writing",
                f"check how it is mounted: findmnt --target {nearest}",
            )
        by_device.setdefault(target["device"], []).append(path)
    for paths in by_device.values():
        for unit in UNITS:
            free, live = probe["targets"][paths[0]]["free"][unit], release["size"]
            space = contract.space.MB if unit == "MB" else contract.space.inodes
            needed = space.files
            if release["missing"] and configuration.host["install_dir"] in paths:
                needed += max(space.release, live[unit] if live else 0)
            if release["missing"] and TEMPORARY in paths:
                needed += space.building
            if posixpath.dirname(contract.platforms[probe["platform"]].lock) in paths:
                needed += space.manager
            if free is not None and free < needed:
                yield Problem(
                    listed(paths),
                    f"{free} {unit} free",
                    f"{needed} {unit} free",
                    f"free some space on that file system: df {_DF[unit]} {paths[0]}",
                )


def _port(configuration: Configuration, probe: Probe) -> Iterator[Problem]:
    setting = configuration.contract.service.port_setting
    for holder in probe["port"]:
        yield Problem(
            variable(setting),
            f"port {configuration.settings[setting]} held by {holder}",
            "a port that only the bot listens on",
            f"stop it on the host, or set {variable(setting)} to another port",
        )


def _addresses(configuration: Configuration, probe: Probe) -> Iterator[Problem]:
    workshop = configuration.contract.workshop
    if workshop is None:
        return
    where = variable(workshop.lan_setting)
    for address in probe["foreign_addresses"]:
        yield Problem(
            where,
            f"{address}, which no interface of the host has",
            "an address of the host: the bot does not start without it",
            f"set {where} to one of the addresses that the host has: ip -4 address",
        )


def _missing(configuration: Configuration, probe: Probe) -> list[tuple[str, Program]]:
    return [
        (name, program)
        for name, program in programs_in_use(configuration).items()
        if probe["platform"] in (program.platforms or [probe["platform"]])
        and not probe["programs"][name]
    ]


def _programs(configuration: Configuration, probe: Probe) -> Iterator[Problem]:
    for name, program in _missing(configuration, probe):
        if not program.optional:
            fix = f"install {program.package or name} on the host"
            yield Problem("the host", f"no {name}", f"{name}: {program.use}", fix)
    platform = configuration.contract.platforms[probe["platform"]]
    version, minimum = probe["manager_version"], platform.minimum_manager_version
    if version is not None and minimum is not None and version < minimum:
        yield Problem(
            "the host",
            f"{platform.manager} {version}",
            f"{platform.manager} {minimum} or newer",
            "upgrade the host's operating system",
        )


def _sudo(configuration: Configuration, probe: Probe) -> Iterator[Problem]:
    rules, sudo = configuration.contract.sudoers, probe["sudo"]
    minimum = rules.minimum_version
    if sudo["version"] and (sudo_version(sudo["version"]) or (0,)) < tuple(
        map(int, minimum.split("."))
    ):
        yield Problem(
            "sudo on the host",
            sudo["version"],
            f"sudo {minimum} or newer, of sudo.ws",
            "install the package sudo, or choose it with update-alternatives --config sudo",
        )
    user = configuration.host["service_user"]
    for flag, reason in rules.harmful_defaults.items():
        if flag in sudo["flags"]:
            yield Problem(
                "the sudo policy of the host",
                f"Defaults {flag} for {user}",
                f"a policy without it: {reason}",
                f"add this line with visudo: Defaults:{user} !{flag}",
            )
