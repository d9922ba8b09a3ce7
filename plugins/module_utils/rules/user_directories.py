# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directories and first files of users, and which account each belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from .binaries import agent_account, backends_in_use
from .contract import Directory
from .user_places import is_marked, marks, placed
from .users import os_users

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from .configuration import Configuration
    from .contract import Contract, Seed
    from .module_arguments import DirectoryData, SeedData
    from .probe import WorkshopSeen
    from .proof_arguments import PrivateDirectory
    from .runtime_profiles import Profile
    from .user_places import UserKey
    from .users import User


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


def tenants_of_users(configuration: Configuration, places: Mapping[str, str]) -> list[Tenant]:
    """Return the users of host_vars. places: by which the paths of the contract name the host's."""
    return [
        Tenant(
            user.key,
            _names(user),
            account=agent_account(configuration, user),
            backend=user.backend,
            home=home_of(configuration.contract, entry, user, places),
            has_former=user.profile_id is None,
        )
        for entry, user in zip(configuration.entries, configuration.users)
    ]


def tenants_of_the_workshop(
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


def with_unshared(
    tenants: Sequence[Tenant], others: Sequence[Tenant], seen: WorkshopSeen | None
) -> tuple[list[Tenant], list[str]]:
    """Return the tenants, and others whose directories are theirs alone; and the keys of the rest.

    seen: the users that the database knows. The service user writes the database, and root gives
    directories by it.
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


def _names(user: User) -> dict[str, int | str]:
    return {"telegram_id": user.telegram_id, **marks(user.key)}


def home_of(
    contract: Contract, entry: Mapping[str, Any], user: User, places: Mapping[str, str]
) -> str:
    """Return the directory in which the agents of a user start. user: the entry in host_vars."""
    default = contract.default_home.format(**_names(user), **places)
    return str(entry.get("home_workspace", default))


def directories_of(
    configuration: Configuration,
    places: Mapping[str, str],
    tenants: Sequence[Tenant],
    features: Collection[str] = (),
) -> list[DirectoryData]:
    """Return every directory of the bot and of its users, those above others first.

    features: what the source has, on which some directories depend. The paths have the marks of
    users whose ids only the database knows.
    """
    contract = configuration.contract
    service_user = configuration.host["service_user"]
    found = [
        _owned(entry, entry.path.format(**places), service_user, service_user)
        for entry in (contract.config_dir, *contract.directories)
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
    for account in dict.fromkeys([*os_users(configuration.users), *others]):
        for entry in contract.os_user_directories:
            path = entry.path.format(os_user=account, **places)
            found.append(_owned(entry, path, account, service_user))
    return found


def _owned(entry: Directory, path: str, agent: str, service_user: str) -> DirectoryData:
    names = {"root": "root", "service": service_user, "agent": agent}
    owner, reader = names[entry.owner], names.get(entry.grants or entry.reader or "")
    found: DirectoryData = {
        "path": path,
        "owner": owner,
        "group_of": "root" if owner == "root" else service_user,
        "mode": entry.mode,
        "reader": None if reader == owner else reader,
    }
    return {**found, "listed": True} if entry.grants and reader != owner else found


def seeds_of(
    configuration: Configuration, places: Mapping[str, str], tenants: Sequence[Tenant]
) -> list[SeedData]:
    """Return the files that are created once, with their source and owner."""
    contract = configuration.contract
    service_user = configuration.host["service_user"]
    found: list[SeedData] = []

    def add(entry: Seed, path: str, owner: str, mode: str, *, narrow: bool) -> None:
        found.append(
            {
                "path": path,
                "source": entry.source,
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
    for entry in contract.service_seeds:
        path = entry.path.format(**places)
        add(entry, path, service_user, entry.mode or "0600", narrow=True)
    for backend in backends_in_use(configuration):
        for entry in contract.backend_seeds.get(backend, ()):
            add(entry, entry.path.format(**places), service_user, "0644", narrow=False)
    return found


def private_directories(
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
