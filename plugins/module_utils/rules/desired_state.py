# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The desired state of a host, from the contract, the configuration and one probe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .adoption import adoption_notes, lost_rules
from .agent_starts import late_starts, start_faults, starts_elsewhere
from .binaries import agent_account, backends_in_use, choose_binary, notes_on_trust
from .configuration import applies, canonical_key, env_of, named_homes
from .helper_programs import helper_programs, helper_proofs, known_users
from .homes import Home, home_problems
from .human_handles import handle_problems
from .logins import login_notice, logins, logins_by_key
from .preflight import account_problems, host_problems, missing_models, missing_programs, slow_sudo
from .problems import Problem
from .profiles_of_host import ProfilesOfHost, correct, profiles_of_host, registry_text
from .proofs import agent_proofs, file_proofs, kill_proofs
from .source_features import unmade_users
from .sudo_rules import started_by_name, sudo_rules
from .user_directories import (
    Other,
    directories_of,
    home_of,
    private_directories,
    seeds_of,
    tenants_of_the_workshop,
    tenants_of_users,
    with_unshared,
)
from .user_places import known_places, placed
from .users import inherits_provider, os_users
from .variable_names import variable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from .configuration import Configuration
    from .contract import Contract
    from .desired import Desired
    from .plans import SourceFacts
    from .probe import Candidate, Probe, WorkshopSeen
    from .runtime_profiles import Profile

# the database may assign any number
_MOST_NAMED = 10


def desired_state(
    configuration: Configuration, probe: Probe, source: SourceFacts | None = None
) -> Desired:
    """Return the desired state, and the preflight problems.

    probe: the result of kai_probe for ``probe_request``. source: that of kai_source, or
    what a status knows of it; None where nothing is installed.
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
    places["search_path"] = ":".join(dict.fromkeys([*started_by_name(contract, paths), *usual]))
    notes += missing_programs(configuration, probe)
    notes += slow_sudo(probe)
    notes += [str(problem) for problem in missing_models(configuration, probe)]
    features = source["features"] if source else []
    profiles = ProfilesOfHost()
    seen = probe.get("workshop")
    if contract.profiles and not configuration.problems:
        profiles = profiles_of_host(configuration, probe, features)
        problems += profiles.problems
        problems += unmade_users(configuration, features, profiles.ids, seen)
        notes += profiles.notes
    without_profile = list(_without_profile(contract, profiles.missing, seen))
    notes += map(str, without_profile)
    if "handles" in features:
        problems += handle_problems(
            [(place, one.name) for place, _entry, one in configuration.placed_users]
        )
    tenants = tenants_of_users(configuration, places)
    others = tenants_of_the_workshop(contract, places, profiles.entries)
    problems += _accounts_of_others(configuration, probe, profiles.entries)
    owners = [
        *((one.name, one.os_user) for one in configuration.users),
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
    tenants, shared = with_unshared(tenants, others, seen)
    notes += [
        f"No directories for {profiles.entries[name].display_name} (profile {name}): the database "
        "assigns that profile the data of another user."
        for name in shared
    ]
    directories = directories_of(configuration, places, tenants, features)
    known_directories = known_places(directories, seen)
    homes = {tenant.key: placed(tenant.home, seen) for tenant in tenants}
    known = known_users(configuration, places, homes, seen, profiles.entries)
    helpers = helper_programs(configuration, places, known, features)
    given = [helper["path"] for helper in helpers if helper["given"]]
    sudo = sudo_rules(configuration, probe, paths, profiles.kept, given)
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
            name for name in os_users(configuration.users) if probe["accounts"].get(name) is None
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
        "directories": known_directories,
        "seeds": known_places(seeds_of(configuration, places, tenants), seen),
        "proofs": [
            *file_proofs(contract),
            *kill_proofs(sudo["kill_accounts"], kill),
            *helper_proofs(helpers),
        ],
        "agent_proofs": agent_proofs(configuration, paths, homes, places, kill),
        "private_directories": private_directories(configuration, places, known_directories),
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
    found = profiles_of_host(configuration, probe, features)
    tenants = tenants_of_users(configuration, places)
    others = tenants_of_the_workshop(contract, places, found.entries)
    shared = with_unshared(tenants, others, probe.get("workshop"))[1]
    return [Other(one, is_apart=one.key not in shared) for one in others]


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
    before = [configuration.host["service_user"], *os_users(configuration.users)]
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
    for entry, user in zip(configuration.entries, configuration.users):
        whole = dict(entry)
        if user.model and (user.model_from == "default" or "model" in entry):
            whole["model"] = user.model
        if inherits_provider(contract, configuration.settings, entry, user):
            whole[contract.agent_choice.provider.field] = user.provider
        # the bot opens its own home, which no entry names, to every account
        if agent_account(configuration, user) == configuration.host["service_user"]:
            whole["home_workspace"] = home_of(contract, entry, user, places)
        filled.append(whole)
    return filled
