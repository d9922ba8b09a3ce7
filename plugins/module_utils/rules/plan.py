# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compute the desired state of a host from the contract, the configuration and one probe."""

from __future__ import annotations

import hashlib
import itertools
import json
import posixpath
from typing import TYPE_CHECKING, Any, NamedTuple

from .adoption import adoption_notes, lost_rules
from .agent_starts import late_starts, start_faults, starts_elsewhere
from .binaries import (
    agent_account,
    backends_in_use,
    choose_binary,
    notes_on_trust,
    resolvers,
    runners,
)
from .configuration import applies, canonical_key, env_of, named_homes, variable
from .contract import Directory, Seed
from .enrolment import workshop_request
from .helper_programs import helper_programs, helper_proofs, known_users
from .homes import Home, home_problems
from .human_handles import handle_problems
from .logins import login_check, login_files, login_notice, login_of, logins, logins_by_key
from .people import inherits_provider, os_users
from .preflight import (
    account_problems,
    host_problems,
    missing_models,
    missing_programs,
    models_in_use,
    programs_in_use,
    slow_sudo,
    wanted_access,
    written_places,
)
from .problems import Problem
from .profiles_of_host import ProfilesOfHost, correct, profiles_of_host, registry_text
from .proofs import agent_proofs, file_proofs, kill_proofs
from .source_features import unmade_users
from .sudoers import kill_arguments
from .typed_data import as_data
from .user_places import is_marked, known_places, marks, placed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from .configuration import Configuration
    from .contract import ConfigDirectory, Contract, ServiceSeed
    from .desired import (
        Desired,
        SudoAgent,
        SudoCall,
        SudoEnvironment,
        SudoRules,
    )
    from .module_arguments import (
        BinaryRequest,
        DirectoryData,
        FileRequest,
        InstalledRequest,
        ProbeRequest,
        SeedData,
    )
    from .people import Person
    from .plans import SourceFacts
    from .probe import Candidate, Probe, WorkshopSeen
    from .proof_arguments import PrivateDirectory
    from .runtime_profiles import Profile
    from .user_places import UserKey

# the database may assign any number
_MOST_NAMED = 10


def probe_request(
    configuration: Configuration, others: Sequence[Other] = (), release: str = ""
) -> ProbeRequest:
    """Return the arguments with which kai_probe collects every fact for a decision.

    others: users whom only the host knows, as a former probe found them. release: the one that is
    wanted, empty when nothing is to be installed.
    """
    contract = configuration.contract
    host = configuration.host
    accounts = [*os_users(configuration.people), *(one.tenant.account for one in others)]
    # the wizard probes before every answer is valid
    data_dir = host.get("data_dir")
    directories = [
        user[name]
        for user in configuration.users
        for name in ("home_workspace", "workspace_base")
        if name in user
    ]
    directories += configuration.settings.get("ALLOWED_WORKSPACES", [])
    for user in configuration.users:
        directories += user.get("allowed_workspaces", [])
    directories += configuration.named_paths
    if "wheelhouse" in host:
        directories.append(host["wheelhouse"])
    return {
        "service_user": host["service_user"],
        "os_users": list(dict.fromkeys(accounts)),
        "install_dir": host["install_dir"],
        "data_dir": data_dir,
        "wheelhouse": host.get("wheelhouse"),
        "python": host.get("python", ""),
        "trust_user_binaries": host.get("trust_user_binaries", False),
        "directories": list(dict.fromkeys(directories)),
        "access": wanted_access(configuration),
        "targets": written_places(configuration),
        "files": [
            *(entry.path for entry in contract.protected_files.values()),
            *(helper.path for helper in contract.helpers),
            contract.sudoers.path,
            contract.record.path,
        ],
        "texts": [
            contract.protected_files[name].path
            for name in ([contract.profiles, "users"] if contract.profiles else [])
        ],
        "workshop": workshop_request(configuration),
        "release": release,
        "turns": contract.service.turns.format(data_dir=data_dir) if data_dir else None,
        "port": configuration.settings.get(contract.service.port_setting),
        "programs": list(programs_in_use(configuration)),
        "models": list(models_in_use(configuration)),
        "env_file": contract.protected_files["env"].path,
        "sudoers_file": contract.sudoers.path,
        "platforms": as_data(contract.platforms),
        "binaries": [
            _binary_request(configuration, backend) for backend in backends_in_use(configuration)
        ],
    }


def installed_request(
    configuration: Configuration, others: Sequence[Other] = (), *, detailed: bool = True
) -> InstalledRequest:
    """Return the option ``installed`` of kai_probe: what is compared with what should be.

    configuration: one with problems is compared with nothing, so only the service is asked for.
    others: users whom only the host knows. detailed: whether the differences are reported, and not
    only whether there are any.
    """
    contract = configuration.contract
    service, platform = contract.service, contract.platforms["linux"]
    port_key = service.port_setting
    host = configuration.host
    valid = not configuration.problems
    # only the host knows that home
    places = {**host, "service_home": "{service_home}"}
    apart = [one.tenant for one in others if one.is_apart]
    tenants = [*_tenants(configuration, places), *apart] if valid else []
    protected = contract.protected_files
    env, shown = ("env", "shown") if detailed else ("sealed", "sealed")
    names = ["users", *filter(None, (contract.registry, contract.profiles))]
    own = [protected[name].path for name in names]
    own += [helper.path for helper in contract.helpers]
    own += [contract.sudoers.path, platform.unit.path, contract.record.path]
    # named by a setting of the installation, deployed as they are
    given = [entry for entry in protected.values() if entry.from_ in contract.host]
    files: list[FileRequest] = [{"path": protected["env"].path, "content": env}]
    files += [{"path": path, "content": shown} for path in own]
    files += [{"path": entry.path, "content": "sealed"} for entry in given]
    return {
        "unit": platform.unit.name,
        "host": service.health_host,
        "health_path": service.health_path,
        "port_key": port_key,
        "default_port": contract.settings[port_key].default,
        "data_dir": host.get("data_dir"),
        "patience": host.get("health_timeout", contract.host["health_timeout"].default),
        "settings": {
            **dict.fromkeys(contract.settings, False),
            **dict.fromkeys(contract.open_variables, True),
        },
        "files": files,
        "directories": _directories(configuration, places, tenants) if valid else [],
        "seeds": _seeds(configuration, places, tenants) if valid else [],
        "room": [host[name] for name in ("install_dir", "data_dir") if name in host],
    }


def _binary_request(configuration: Configuration, backend: str) -> BinaryRequest:
    binary = configuration.contract.backends[backend].binary
    return {
        "backend": backend,
        "name": binary.name,
        "env_key": binary.setting if binary.started_by == "setting" else "",
        "wanted": configuration.chosen.get(binary.setting, ""),
        "usual_places": as_data(binary.usual_places),
        "version": list(configuration.contract.backends[backend].version),
        "accounts": runners(configuration, backend),
        "resolvers": resolvers(configuration, backend),
        "login_files": login_files(configuration, backend) or [],
        "login_check": login_check(configuration, backend),
    }


def desired_state(
    configuration: Configuration, probe: Probe, source: SourceFacts | None = None
) -> Desired:
    """Return the desired state, and the preflight problems.

    probe: the result of kai_probe for ``probe_request``. source: that of kai_source, or
    what a status knows of it; None where nothing is installed.
    Returns problems, notes, env, users, missing_accounts, sudo, unit, directories, seeds, logins,
    login_notice and logins_by_key.
    """
    contract = configuration.contract
    platform = contract.platforms.get(probe["platform"])
    problems = host_problems(configuration, probe)
    if platform is None:
        return {"problems": [problem.as_dict() for problem in problems], "notes": []}
    binaries: dict[str, Candidate] = {}
    notes = []
    for backend in backends_in_use(configuration):
        chosen, faults = choose_binary(configuration, backend, probe["binaries"].get(backend, []))
        problems += faults
        if chosen:
            binaries[backend] = chosen
            if chosen["source"] == "usual":
                notes.append(
                    f"Using {chosen['path']} for {backend}, found in a usual place: host_vars, the "
                    f"deployed files and the users' PATH have none."
                )
            notes += notes_on_trust(configuration, backend, chosen)
            notes += map(str, late_starts(chosen))
            if starts_elsewhere(chosen) and probe["release"]["live"] is not None:
                notes += map(str, start_faults(chosen))
            else:
                problems += start_faults(chosen)
    paths = {backend: binary["path"] for backend, binary in binaries.items()}
    places = {
        "install_dir": configuration.host["install_dir"],
        "data_dir": configuration.host["data_dir"],
        "service_home": probe["service_home"],
    }
    usual = [directory.format(**places) for directory in platform.search_path]
    places["search_path"] = ":".join(dict.fromkeys([*_started_by_name(contract, paths), *usual]))
    notes += missing_programs(configuration, probe)
    notes += slow_sudo(probe)
    notes += [str(problem) for problem in missing_models(configuration, probe)]
    features = source["features"] if source else []
    profiles = ProfilesOfHost()
    seen = probe.get("workshop")
    if contract.profiles and not configuration.problems:
        profiles = _profiles(configuration, probe, features)
        problems += profiles.problems
        problems += unmade_users(configuration, features, profiles.ids, seen)
        notes += profiles.notes
    without_profile = list(_without_profile(contract, profiles.missing, seen))
    notes += map(str, without_profile)
    if "handles" in features:
        users = variable("users_file" if configuration.users_file else "users")
        problems += handle_problems(
            [(f"{users}[{index}]", one.name) for index, one in enumerate(configuration.people)]
        )
    tenants = _tenants(configuration, places)
    others = _tenants_of_the_workshop(contract, places, profiles.entries)
    problems += _accounts_of_others(configuration, probe, profiles.entries)
    owners = [
        *((one.name, one.os_user) for one in configuration.people),
        *((one.display_name, one.os_user) for one in profiles.entries.values() if one.os_user),
    ]
    problems += home_problems(
        contract,
        places,
        [*named_homes(configuration), *profiles.homes],
        [
            Home(where="", name=name, account=account or "", path=home, fix="")
            for (name, account), one in zip(owners, (*tenants, *others))
            for home in [placed(one.home, seen)]
            if home is not None
        ],
    )
    tenants, shared = _apart(tenants, others, seen)
    notes += [
        f"No directories for {profiles.entries[name].display_name} (profile {name}): the database "
        "assigns that profile the data of another user."
        for name in shared
    ]
    directories = _directories(configuration, places, tenants, features)
    seeds = _seeds(configuration, places, tenants)
    homes = {tenant.key: placed(tenant.home, seen) for tenant in tenants}
    known = known_users(configuration, places, homes, seen, profiles.entries)
    helpers = helper_programs(configuration, places, known, features)
    given = [helper["path"] for helper in helpers if helper["given"]]
    sudo = _sudo(configuration, probe, paths, profiles.kept, given)
    kill = probe["tools"].get("kill", "")
    needed = logins(configuration, paths, probe["logins"])
    problems += _lost_keys(configuration, probe)
    problems += lost_rules(configuration, probe, given)
    notes += adoption_notes(configuration, probe)
    notes += [str(Problem(**one["problem"])) for one in probe["damaged"] if not one["needed"]]
    env_file = contract.protected_files["env"].path
    notes += [
        f"{env_file}: {key} is not kept: {contract.retired[key]}."
        for key in probe["env_keys"]
        if key in contract.retired
    ]
    return {
        "problems": [problem.as_dict() for problem in problems],
        "notes": notes,
        "without_profile": [problem.as_dict() for problem in without_profile],
        "binaries": {
            name: {"path": one["path"], "source": one["source"], "changers": one["changers"]}
            for name, one in binaries.items()
        },
        "env": _env(configuration, paths),
        "users": _users(configuration, places),
        "documents": _documents(configuration, paths, profiles.text),
        "helpers": helpers,
        "missing_accounts": [
            name for name in os_users(configuration.people) if probe["accounts"].get(name) is None
        ],
        "sudo": sudo,
        "unit": {
            "name": platform.unit.name,
            "path": platform.unit.path,
            "mode": platform.unit.mode,
            "environment": {
                **{
                    key: value.format(**places)
                    for key, value in contract.process_environment.items()
                },
                **_mode_of_deployment(contract, source),
            },
        },
        "awaits_workshop": any(placed(one["path"], seen) is None for one in directories),
        "directories": known_places(directories, seen),
        "seeds": known_places(seeds, seen),
        "proofs": [
            *file_proofs(contract),
            *kill_proofs(sudo["kill_accounts"], kill),
            *helper_proofs(helpers),
        ],
        "agent_proofs": agent_proofs(
            configuration,
            paths,
            {key: home for key, home in homes.items() if home is not None},
            places,
            kill,
        ),
        "private_directories": _private_directories(
            configuration, places, known_places(directories, seen)
        ),
        "logins": needed,
        "login_notice": login_notice(needed),
        "logins_by_key": logins_by_key(
            configuration, probe["env_keys"] if probe["privileged"] else None
        ),
    }


def others_of_host(
    configuration: Configuration, probe: Probe, features: Collection[str]
) -> list[Other]:
    """Return the users whom only the deployed profiles and the database know.

    features: what the source has.
    """
    contract = configuration.contract
    if not contract.profiles or configuration.problems:
        return []
    places = {**configuration.host, "service_home": probe["service_home"]}
    found = _profiles(configuration, probe, features)
    tenants = _tenants(configuration, places)
    others = _tenants_of_the_workshop(contract, places, found.entries)
    shared = _apart(tenants, others, probe.get("workshop"))[1]
    return [Other(one, is_apart=one.key not in shared) for one in others]


def _profiles(
    configuration: Configuration, probe: Probe, features: Collection[str]
) -> ProfilesOfHost:
    contract, texts, seen = configuration.contract, probe["texts"], probe.get("workshop")
    return profiles_of_host(
        configuration,
        texts.get(contract.protected_files[contract.profiles or ""].path),
        seen["assigned"] if seen else [],
        features,
        texts.get(contract.protected_files["users"].path),
    )


def _without_profile(
    contract: Contract, missing: Sequence[str], seen: WorkshopSeen | None
) -> Iterator[Problem]:
    """Yield the problem of each user whose profile is gone, whom the bot alone does not answer.

    The service user writes the database, so this must not keep an install from the other users, nor
    bury other notes.
    """
    if not missing:
        return
    path = contract.protected_files[contract.profiles or ""].path
    expected = "an entry for every profile that the database assigns"
    for profile in missing[:_MOST_NAMED]:
        owner = seen["owners"].get(profile) if seen else None
        who = f"the user {owner['principal']}" if owner else "an unknown user"
        yield Problem(
            f"{path}: {profile}",
            f"no such profile, but the database assigns it to {who}, whom the bot therefore does "
            "not answer",
            expected,
            "add that user to kai_install_users again (kai-ansible users add), or restore the "
            f"profile from a backup (sudoedit {path}); then run kai-ansible install",
        )
    more = len(missing) - _MOST_NAMED
    if more > 0:
        fix = "restore the profiles listed above; kai-ansible status then lists the others"
        yield Problem(path, f"{more} more profiles missing", expected, fix)


def _accounts_of_others(
    configuration: Configuration, probe: Probe, kept: Mapping[str, Profile]
) -> Iterator[Problem]:
    """Yield the problems of accounts of users whom only the host knows, as far as it was asked."""
    contract = configuration.contract
    before = [configuration.host["service_user"], *os_users(configuration.people)]
    for name, entry in kept.items():
        account, path = entry.os_user, contract.protected_files[contract.profiles or ""].path
        # one by the name of another user has its own problem
        if account in (None, "root", *before) or account not in probe["accounts"]:
            continue
        where, fix = f"{path}: {name}.os_user", correct(path)
        yield from account_problems(probe, where, str(account), before, f"or {fix}", fix)
        before.append(str(account))


def _documents(
    configuration: Configuration, paths: Mapping[str, str], profiles: str | None
) -> dict[str, str]:
    """Return the texts of the files that only some lines have, by name."""
    contract = configuration.contract
    found = {}
    if contract.registry:
        found[contract.registry] = registry_text(configuration, paths)
    if contract.profiles and profiles is not None:
        found[contract.profiles] = profiles
    return found


def _mode_of_deployment(contract: Contract, source: SourceFacts | None) -> dict[str, str]:
    mode, variable_of_mode = contract.deployment_mode, source and source["mode_variable"]
    return {variable_of_mode: mode.value} if mode and variable_of_mode else {}


def _lost_keys(configuration: Configuration, probe: Probe) -> Iterator[Problem]:
    contract = configuration.contract
    kept = set(configuration.extra_env) | configuration.cleared | set(configuration.chosen)
    for key in probe["env_keys"]:
        known = canonical_key(contract, key)
        spec = contract.settings.get(known)
        if (
            known in kept
            or known in contract.retired
            or known in contract.process_environment
            or known in contract.systemd_environment
        ):
            continue
        if spec and (spec.written == "always" or not applies(spec, configuration)):
            continue
        place = variable(known) if spec else f"{variable('extra_env')}.{key}"
        yield Problem(
            f"{contract.protected_files['env'].path}: {key}",
            "a value on the host that host_vars do not have",
            f"{place} in host_vars",
            f"set {place} to keep it, or to null to drop it",
        )


def _started_by_name(contract: Contract, paths: Mapping[str, str]) -> list[str]:
    """Return where the backends are that the bot starts by bare name: they must be found first."""
    return [
        posixpath.dirname(path)
        for backend, path in paths.items()
        if contract.backends[backend].binary.started_by == "name"
    ]


def _env(configuration: Configuration, paths: Mapping[str, str]) -> dict[str, str]:
    contract = configuration.contract
    env = env_of(configuration)
    for backend, path in paths.items():
        binary = contract.backends[backend].binary
        is_written = contract.settings[binary.setting].written != "never"
        if binary.started_by == "setting" and (is_written or not contract.registry):
            env[binary.setting] = path
    return dict(sorted(env.items()))


def _users(configuration: Configuration, places: Mapping[str, str]) -> list[dict[str, Any]]:
    contract = configuration.contract
    filled = []
    for user, person in zip(configuration.users, configuration.people):
        entry = dict(user)
        if person.model and (person.model_from == "default" or "model" in entry):
            entry["model"] = person.model
        if inherits_provider(contract, configuration.settings, user, person):
            entry[contract.agent_choice.provider.field] = person.provider
        # the bot opens its own home, which no entry names, to every account
        if agent_account(configuration, person) == configuration.host["service_user"]:
            entry["home_workspace"] = _home_of(contract, user, person, places)
        filled.append(entry)
    return filled


def _sudo(
    configuration: Configuration,
    probe: Probe,
    paths: Mapping[str, str],
    kept: Sequence[tuple[str, str]],
    helpers: list[str],
) -> SudoRules:
    contract = configuration.contract
    service_user = configuration.host["service_user"]
    reads = [entry.path for entry in contract.protected_files.values()]
    writes = [entry.path for entry in contract.protected_files.values() if "write" in entry.access]
    agents: list[SudoAgent] = [
        {"account": account, "command": path, "backend": backend}
        for backend, path in paths.items()
        for account in runners(configuration, backend)
        if account != service_user
    ]
    agents += [
        {"account": account, "command": paths[backend], "backend": backend}
        for account, backend in dict.fromkeys(kept)
        if backend in paths and account not in runners(configuration, backend)
    ]
    behind_sudo = {agent["backend"]: agent["command"] for agent in agents}
    # sudo gives this PATH to the agents too, so nothing of the service user's own belongs there
    usual = [
        place for place in contract.platforms[probe["platform"]].search_path if place[0] == "/"
    ]
    return {
        "path": contract.sudoers.path,
        "mode": contract.sudoers.mode,
        "secure_path": list(dict.fromkeys([*_started_by_name(contract, behind_sudo), *usual])),
        "env_keep": list(
            dict.fromkeys(
                key for backend in behind_sudo for key in _preserved(configuration, backend)
            )
        ),
        "environments": _environments(configuration, behind_sudo),
        "reads": reads,
        "writes": writes,
        "helpers": helpers,
        "agents": agents,
        "kill_accounts": list(dict.fromkeys(agent["account"] for agent in agents)),
        "kill_arguments": kill_arguments(contract.sudoers.kill_arguments, probe["sudo"]["version"]),
        "tools": probe["tools"],
        "enters": contract.sudoers.enters,
    }


def _preserved(configuration: Configuration, backend: str) -> list[str]:
    chat = configuration.contract.backends[backend].spawn["chat"]
    providers = [person.provider for person in configuration.people if person.backend == backend]
    more = [key for one in providers for key in chat.provider_env.get(one or "", ())]
    return [*chat.preserve_env, *more]


def _environments(configuration: Configuration, paths: Mapping[str, str]) -> list[SudoEnvironment]:
    """Return which variables pass sudo only in certain calls: alias, command, arguments, env_keep.

    arguments: how those of such a call begin, empty when every call is meant.
    """
    found: list[SudoEnvironment] = []
    for backend, path in paths.items():
        entry = configuration.contract.backends[backend]
        login, chat = login_of(configuration, backend), entry.spawn["chat"]
        calls: dict[str, tuple[list[str], list[str]]] = {
            "login": ([], list(login.env_keep) if login else []),
            "chat": ([], list(chat.env_keep)),
        }
        for purpose, spawn in entry.spawn.items():
            if purpose != "chat":
                fixed = itertools.takewhile(lambda word: "{" not in word, spawn.arguments)
                # what a conversation is given passes in every call
                more = [key for key in spawn.preserve_env if key not in chat.preserve_env]
                calls[purpose] = (list(fixed), more)
        for purpose, (arguments, keys) in calls.items():
            if keys:
                words = " ".join(arguments)
                call: SudoCall = {"command": path, "arguments": words, "env_keep": keys}
                # during a switch sudo has the rules of two installs, and no alias may repeat
                digest = hashlib.sha256(json.dumps(call).encode()).hexdigest()[:8]
                found.append({**call, "alias": f"KAI_{backend}_{purpose}_{digest}".upper()})
    return found


def _private_directories(
    configuration: Configuration, places: Mapping[str, str], directories: Sequence[DirectoryData]
) -> list[PrivateDirectory]:
    """Return each directory of a user or an OS user, and the account that owns it.

    None is the service user alone. Nothing where all agents run as it, which sees everything.
    """
    service_user = configuration.host["service_user"]
    shared = {entry.path.format(**places) for entry in configuration.contract.directories}
    # what the bot itself reads of an agent is that agent's
    readers = [
        entry["reader"] if entry["reader"] != service_user else None for entry in directories
    ]
    found: list[PrivateDirectory] = [
        {
            "path": entry["path"],
            "account": reader or (entry["owner"] if entry["owner"] != service_user else None),
            "only_reads": reader is not None,
        }
        for entry, reader in zip(directories, readers)
        if entry["path"] not in shared
        and entry["mode"] is not None
        and entry["owner"] != "root"
        # what every account may pass through protects its files alone
        and not int(entry["mode"], 8) & 0o001
    ]
    return found if any(entry["account"] for entry in found) else []


def _owned(
    entry: Directory | ConfigDirectory, path: str, agent: str, service_user: str
) -> DirectoryData:
    names = {"root": "root", "service": service_user, "agent": agent}
    granted = getattr(entry, "grants", None)
    owner, reader = names[entry.owner], names.get(granted or getattr(entry, "reader", None) or "")
    found: DirectoryData = {
        "path": path,
        "owner": owner,
        "group_of": "root" if owner == "root" else service_user,
        "mode": entry.mode,
        "reader": None if reader == owner else reader,
    }
    return {**found, "listed": True} if granted and reader != owner else found


class Tenant(NamedTuple):
    """A user who has directories. names: by which the paths of the contract name the user.

    has_former: whether directories of an earlier line may be the user's.
    """

    key: UserKey
    names: Mapping[str, Any]
    account: str
    backend: str
    home: str
    has_former: bool

    def has(self, path: str, places: Mapping[str, str]) -> bool:
        """Return whether a path is the user's: a home elsewhere is the operator's own."""
        return "{home}" not in path or self.home.startswith(places["data_dir"] + "/")


class Other(NamedTuple):
    """A user whom only the host knows. is_apart: whether the directories are the user's alone."""

    tenant: Tenant
    is_apart: bool


def _tenants(configuration: Configuration, places: Mapping[str, str]) -> list[Tenant]:
    return [
        Tenant(
            person.key,
            _names(person),
            account=agent_account(configuration, person),
            backend=person.backend,
            home=_home_of(configuration.contract, user, person, places),
            has_former=person.profile_id is None,
        )
        for user, person in zip(configuration.users, configuration.people)
    ]


def _tenants_of_the_workshop(
    contract: Contract, places: Mapping[str, str], kept: Mapping[str, Profile]
) -> list[Tenant]:
    """Return the users whom the database alone knows. kept: their profiles by id."""
    return [
        Tenant(
            profile,
            marks(profile),
            account=entry.os_user,
            backend=entry.backend,
            home=entry.home_workspace or contract.default_home.format(**marks(profile), **places),
            has_former=False,
        )
        for profile, entry in kept.items()
        if entry.os_user
    ]


def _apart(
    tenants: Sequence[Tenant], others: Sequence[Tenant], seen: WorkshopSeen | None
) -> tuple[list[Tenant], list[str]]:
    """Return the tenants, and others whose directories are theirs alone; and the keys of the rest.

    The service user writes the database, and root gives directories by it.
    """

    def ids_of(tenant: Tenant) -> set[str]:
        found = (placed(mark, seen) for mark in marks(tenant.key).values())
        return {one for one in found if one is not None}

    found = list(tenants)
    shared: list[str] = []
    taken = {one for tenant in tenants for one in ids_of(tenant)}
    for other in others:
        ids = ids_of(other)
        if taken.isdisjoint(ids):
            found.append(other)
            taken |= ids
        else:
            shared.append(str(other.key))
    return found, shared


def _names(person: Person) -> dict[str, int | str]:
    return {"telegram_id": person.telegram_id, **marks(person.key)}


def _home_of(
    contract: Contract, user: Mapping[str, Any], person: Person, places: Mapping[str, str]
) -> str:
    default = contract.default_home.format(**_names(person), **places)
    return str(user.get("home_workspace", default))


def _directories(
    configuration: Configuration,
    places: Mapping[str, str],
    tenants: Sequence[Tenant],
    features: Collection[str] = (),
) -> list[DirectoryData]:
    contract = configuration.contract
    service_user = configuration.host["service_user"]
    whole: list[Directory | ConfigDirectory] = [contract.config_dir, *contract.directories]
    found = [
        _owned(entry, entry.path.format(**places), service_user, service_user) for entry in whole
    ]
    base = configuration.settings.get("WORKSPACE_BASE")
    if base:
        owned = _owned(Directory(base, "service", ""), base, service_user, service_user)
        found.append({**owned, "mode": None})
    for tenant in tenants:
        for entry in contract.user_directories:
            if entry.feature not in (None, *features) or not tenant.has(entry.path, places):
                continue
            path = entry.path.format(home=tenant.home, **tenant.names, **places)
            owned = _owned(entry, path, tenant.account, service_user)
            # a home that host_vars name is the same in every line
            if entry.former and is_marked(path) and tenant.has_former:
                owned["former"] = entry.former.format(**tenant.names, **places)
                owned["renames"] = dict(entry.renames)
            found.append(owned)
    others = [one.account for one in tenants if one.account != service_user]
    for account in dict.fromkeys([*os_users(configuration.people), *others]):
        for entry in contract.os_user_directories:
            path = entry.path.format(os_user=account, **places)
            found.append(_owned(entry, path, account, service_user))
    return found


def _seeds(
    configuration: Configuration, places: Mapping[str, str], tenants: Sequence[Tenant]
) -> list[SeedData]:
    contract = configuration.contract
    service_user = configuration.host["service_user"]
    found: list[SeedData] = []

    def add(entry: Seed | ServiceSeed, path: str, owner: str, mode: str, *, narrow: bool) -> None:
        found.append(
            {
                "path": path,
                "source": entry.source if isinstance(entry, Seed) else None,
                "fallback": entry.fallback,
                "owner": owner,
                "group_of": service_user,
                "mode": mode,
                "narrow": narrow,
            }
        )

    for tenant in tenants:
        for entry in contract.user_seeds:
            if entry.backend not in (None, tenant.backend) or not tenant.has(entry.path, places):
                continue
            path = entry.path.format(home=tenant.home, **tenant.names, **places)
            owner = service_user if entry.owner == "service" else tenant.account
            add(entry, path, owner, entry.mode or "0640", narrow=False)
    for one in contract.service_seeds:
        add(one, one.path.format(**places), service_user, one.mode, narrow=True)
    for backend in backends_in_use(configuration):
        for entry in contract.backend_seeds.get(backend, ()):
            add(entry, entry.path.format(**places), service_user, "0644", narrow=False)
    return found
