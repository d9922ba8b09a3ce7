# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry and the runtime profiles of a host, from host_vars and from what is deployed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from .backend_registry import Installed, Registry, written_registry
from .homes import Home
from .models import surface_of
from .operator_files import UnreadableYaml, parse, users_in
from .problems import Problem
from .profile_merge import Wanted, merge
from .runtime_profiles import BadPolicy, Kai, read_policy
from .user_isolation import Assigned, isolation_problems
from .users import profile_id_of
from .yaml_text import MANAGED, yaml_text

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from .configuration import Configuration
    from .contract import Contract
    from .probe import Probe
    from .runtime_profiles import Profile

# fields of users.yaml that a profile has as well
SHARED_FIELDS = (
    "allowed_services",
    "home_workspace",
    "workspace_base",
    "allowed_workspaces",
    "models",
    "github_repos",
    "pr_review",
    "issue_triage",
    "allowed_triage_projects",
)
TIMEOUT = "DEFAULT_TIMEOUT"
# what users.yaml calls otherwise, as install.py of September 2026 reads it
_RENAMED = {"github_login": "github"}
# the versions of profiles, and the feature of lines.yml without which a source does not read one
VERSIONS: Mapping[int, str | None] = {1: None, 2: "helpers"}


@dataclass
class ProfilesOfHost:
    """The text of the profiles. None where there is a problem.

    entries: the profiles of nobody in host_vars by their id. ids: the profile of each user of
    host_vars, in their order. homes: those that the deployed file names, and host_vars do not.
    missing: ids that the database assigns, and of which there is no profile.
    """

    text: str | None = None
    entries: dict[str, Profile] = field(default_factory=dict)
    ids: list[str] = field(default_factory=list)
    homes: list[Home] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def kept(self) -> list[tuple[str, str]]:
        """Account and backend of each of these profiles, which needs its rules."""
        return [(one.os_user, one.backend) for one in self.entries.values() if one.os_user]


def registry_text(configuration: Configuration, paths: Mapping[str, str]) -> str:
    """Return backends.yaml. paths: the program of each backend."""
    installed = {backend: Installed(path) for backend, path in paths.items()}
    default = configuration.global_backend
    registry = Registry(installed, default if default in installed else None)
    return MANAGED + yaml_text(written_registry(registry))


def profiles_of_host(
    configuration: Configuration, probe: Probe, features: Collection[str]
) -> ProfilesOfHost:
    """Return the profiles of a host with what host_vars say. features: what the source has."""
    contract, seen = configuration.contract, probe.get("workshop")
    found = ProfilesOfHost()
    path = contract.protected_files[contract.profiles or ""].path
    deployed = probe["texts"].get(path)
    versions = [one for one, needed in VERSIONS.items() if needed is None or needed in features]
    kai = known_policies(contract, versions)
    document: Any = None
    if deployed is not None and deployed.strip():
        try:
            document = parse(deployed).data
            # a version that this Kai does not read is the better reason, which merge has
            read_policy(document, known_policies(contract))
        except (UnreadableYaml, BadPolicy) as error:
            found.problems.append(_unreadable(path, error))
            return found
    wanted = _wanted(configuration, versions)
    # the deployed users.yaml says what the last install wanted
    before = _before(probe["texts"].get(contract.protected_files["users"].path), versions)
    merged = merge(
        document,
        wanted,
        path=path,
        assigned=seen["assigned"] if seen else [],
        newest=max(versions),
        before=before,
    )
    found.notes, found.problems, found.missing = merged.notes, merged.problems, merged.missing
    if merged.document is None:
        return found
    try:
        profiles = read_policy(merged.document, kai)
    except BadPolicy as error:
        found.problems.append(_unreadable(path, error))
        return found
    found.problems += _accounts(path, profiles, configuration.host["service_user"])
    found.ids = [merged.profiles[one.identity] for one in wanted]
    found.entries = {name: profiles[name] for name in merged.kept}
    stated = {merged.profiles[one.identity] for one in wanted if "home_workspace" in one.stated}
    found.homes = [
        Home(
            where=f"{path}: {name}.home_workspace",
            name=one.display_name,
            account=one.os_user or "",
            path=one.home_workspace,
            fix=correct(path),
        )
        for name, one in profiles.items()
        if one.home_workspace is not None and name not in stated
    ]
    # what operators wrote beside the data stays where nothing changes
    found.text = deployed if deployed and not merged.changed else yaml_text(merged.document)
    return found


def _wanted(configuration: Configuration, versions: Collection[int]) -> list[Wanted]:
    return [
        Wanted(
            telegram_id=user.telegram_id or None,
            display_name=user.name,
            os_user=user.os_user or "",
            backend=user.backend,
            provider=user.provider or "",
            model=_canonical(configuration.contract, user.backend, user.provider, user.model or ""),
            timeout_seconds=int(entry.get("timeout") or configuration.settings[TIMEOUT]),
            stated=_stated(entry, versions),
            profile_id=entry.get("runtime_profile_id"),
        )
        for entry, user in zip(configuration.entries, configuration.users)
    ]


def _stated(user: Mapping[str, Any], versions: Collection[int]) -> dict[str, Any]:
    """Return what the entry of a user says of the profile."""
    found = {name: user[name] for name in SHARED_FIELDS if name in user}
    if 2 in versions:
        found.update({name: user[one] for name, one in _RENAMED.items() if one in user})
    return found


def _before(text: str | None, versions: Collection[int]) -> dict[object, dict[str, Any]]:
    """Return what the users of a deployed users.yaml state of their profiles, by their identity."""
    return {
        profile_id_of(user) or (number if isinstance(number, int) else None): _stated(
            user, versions
        )
        for user in users_in(text or "") or ()
        if isinstance(user, dict)
        for number in [user.get("telegram_id")]
    }


def known_policies(contract: Contract, versions: Collection[int] = tuple(VERSIONS)) -> Kai:
    """Return what Kai accepts as profiles, of any version or of these."""
    models = {
        name: {
            provider: contract.surfaces[surface] for provider, surface in backend.surfaces.items()
        }
        for name, backend in contract.backends.items()
    }
    return Kai(models, list(contract.role_tiers), tuple(versions))


def _canonical(contract: Contract, backend: str, provider: str | None, model: str) -> str:
    surface = surface_of(contract, backend, provider)
    return surface.canonical(model) if surface else model


def _accounts(path: str, profiles: Mapping[str, Profile], service_user: str) -> list[Problem]:
    """Return the accounts of profiles with which Kai does not start, and root."""
    given = [
        Assigned(f"{path}: {name}", profile.display_name, profile.os_user)
        for name, profile in profiles.items()
    ]
    found = isolation_problems(given, service_user)
    found += [
        Problem(f"{one.where}.os_user", f"root for {one.name}", "an account without privilege", "")
        for one in given
        if one.os_user == "root"
    ]
    return [replace(one, fix=correct(path)) for one in found]


def correct(path: str) -> str:
    """Return the fix of what only the deployed file says."""
    return f"correct it on the host: sudoedit {path}; a former one is in a backup"


def _unreadable(path: str, error: UnreadableYaml | BadPolicy) -> Problem:
    fix = correct(path)
    if isinstance(error, BadPolicy):
        return Problem(f"{path}: {error.where}", error.found, error.expected, fix)
    line = f" in line {error.line}" if error.line else ""
    return Problem(path, f"text that is not YAML to Kai{line} ({error})", "runtime profiles", fix)
