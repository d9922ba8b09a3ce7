# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""runtime-profiles.yaml of Kai 2, as Kai reads it: as whom, and with which model, agents run.

Version 1 is that of 14 August 2026. Version 2 came with 2.1 and was read from a single file of it;
that file is older than grants of backends, which are kept and not judged.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Mapping, NoReturn

from .principal_ids import is_id, key_of_profile
from .problems import BadDocument, listed, shortened

if TYPE_CHECKING:
    from collections.abc import Collection

    from .contract import Surface

PROFILES = "runtime_profiles"
ARCHIVE = "legacy_runtime_archive"
KEY = "compatibility_runtime_config_id"
GATE = "canonical_runtime_state_v1"
_ACCOUNT = re.compile(r"[a-zA-Z0-9._-]+")


class BadPolicy(BadDocument):
    """Profiles with which Kai does not start."""


@dataclass(frozen=True)
class Profile:
    """One profile, with everything that Kai fills in.

    key: the number under which Kai keeps its state; the Telegram ID of a user who has one.
    """

    profile_id: str
    display_name: str
    os_user: str | None
    backend: str
    provider: str
    model: str
    timeout_seconds: int
    allowed_services: tuple[str, ...]
    home_workspace: str | None
    workspace_base: str | None
    allowed_workspaces: tuple[str, ...]
    key: int | None


@dataclass(frozen=True)
class Kai:
    """What a Kai takes: its models by backend and provider, the roles of models, and versions."""

    models: Mapping[str, Mapping[str, Surface]]
    roles: Collection[str]
    versions: Collection[int] = (1,)


def read_policy(data: Any, kai: Kai) -> dict[str, Profile]:
    """Return the profiles that Kai reads in the data of a file, by their id. Raises BadPolicy."""
    if not isinstance(data, dict):
        raise BadPolicy("runtime-profiles.yaml", _shown(data), "a mapping")
    version: Any = data.get("version")
    if version not in kai.versions:
        raise BadPolicy("version", _shown(version), listed(map(str, kai.versions)))
    entries = data.get(PROFILES)
    if not isinstance(entries, dict) or not entries:
        raise BadPolicy(PROFILES, _shown(entries), "a mapping with a profile")
    reader = _Reader(kai, int(version))
    found = {str(name): reader.profile(str(name), entry) for name, entry in entries.items()}
    keys = _archive(data, found) if version == 2 else {}
    profiles = {name: replace(one, key=keys.get(name, one.key)) for name, one in found.items()}
    given = [one.key for one in profiles.values() if one.key is not None]
    twice = next((key for key in given if given.count(key) > 1), None)
    if twice is not None:
        raise BadPolicy(KEY, f"{twice} twice", "another number for each profile")
    return profiles


def _archive(data: Mapping[str, Any], profiles: Collection[str]) -> dict[str, int]:
    archive = data.get(ARCHIVE)
    if archive is None:
        return {}
    if not isinstance(archive, dict):
        raise BadPolicy(ARCHIVE, _shown(archive), "a mapping")
    if archive.get("version") != 1:
        raise BadPolicy(f"{ARCHIVE}.version", _shown(archive.get("version")), "1")
    if str(archive.get("removal_gate") or "").strip() != GATE:
        raise BadPolicy(f"{ARCHIVE}.removal_gate", _shown(archive.get("removal_gate")), GATE)
    keys = archive.get("runtime_keys")
    if not isinstance(keys, dict):
        raise BadPolicy(f"{ARCHIVE}.runtime_keys", _shown(keys), "a mapping")
    found: dict[str, int] = {}
    for name, key in keys.items():
        if str(name) not in profiles:
            raise BadPolicy(f"{ARCHIVE}.runtime_keys", _shown(name), "a profile of this file")
        found[str(name)] = _key(str(name), key)
    return found


class _Reader:
    """One reading of the profiles of a file."""

    def __init__(self, kai: Kai, version: int) -> None:
        self.kai, self.version = kai, version
        self.where = PROFILES

    def fault(self, name: str, found: Any, expected: str) -> NoReturn:
        """Raise BadPolicy for a field of the profile that is read."""
        raise BadPolicy(f"{self.where}.{name}", _shown(found), expected)

    def profile(self, name: str, entry: Any) -> Profile:
        """Return one profile."""
        self.where = f"{PROFILES}.{name}"
        if not is_id("rtp", name):
            raise BadPolicy(self.where, "no profile id", "rtp_ and 32 hexadecimal digits")
        if not isinstance(entry, dict):
            raise BadPolicy(self.where, _shown(entry), "a mapping")
        display_name = str(entry.get("display_name") or "").strip()
        if not display_name:
            self.fault("display_name", entry.get("display_name"), "a name that is not blank")
        backend, provider, model = self.agent(entry)
        timeout = entry.get("timeout_seconds")
        if isinstance(timeout, bool) or not isinstance(timeout, int) or timeout <= 0:
            self.fault("timeout_seconds", timeout, "an integer above 0")
        account = None if entry.get("os_user") is None else str(entry["os_user"]).strip() or None
        if account is not None and _ACCOUNT.fullmatch(account) is None:
            self.fault("os_user", account, "the name of an account")
        if 2 in self.kai.versions:
            self.judge_options(entry, backend, provider)
        key = _key(name, entry.get(KEY)) if self.version == 1 else None
        return Profile(
            profile_id=name,
            display_name=display_name,
            os_user=account,
            backend=backend,
            provider=provider,
            model=model,
            timeout_seconds=timeout,
            allowed_services=self.services(entry.get("allowed_services")),
            home_workspace=self.directory("home_workspace", entry.get("home_workspace")),
            workspace_base=self.directory("workspace_base", entry.get("workspace_base")),
            allowed_workspaces=self.directories(entry.get("allowed_workspaces")),
            key=key,
        )

    def agent(self, entry: Mapping[str, Any]) -> tuple[str, str, str]:
        """Return backend, provider and model of a profile."""
        backend = str(entry.get("backend") or "").strip().lower()
        if backend not in self.kai.models:
            self.fault("backend", entry.get("backend"), listed(self.kai.models))
        providers = self.kai.models[backend]
        provider = str(entry.get("provider") or "").strip().lower()
        if not provider and len(providers) == 1:
            provider = next(iter(providers))
        if provider not in providers:
            self.fault("provider", entry.get("provider"), f"of {backend}: {listed(providers)}")
        return backend, provider, self.model("model", entry.get("model"), backend, provider)

    def model(self, name: str, value: Any, backend: str, provider: str) -> str:
        """Return the canonical name of a model."""
        models = self.kai.models[backend][provider]
        model = models.canonical(str(value or "").strip())
        if not models.accepts(model, provider):
            self.fault(name, value, f"a model of {backend} and {provider} that is allowed")
        return model

    def judge_options(self, entry: Mapping[str, Any], backend: str, provider: str) -> None:
        """Judge what Kai 2.1 reads besides; grants of backends are its own tool's."""
        timeout = entry["timeout_seconds"]
        most = entry.get("maximum_timeout_seconds", timeout)
        if isinstance(most, bool) or not isinstance(most, int) or most < timeout:
            self.fault("maximum_timeout_seconds", most, "an integer, timeout_seconds at the least")
        models = entry.get("models", {})
        if not isinstance(models, dict):
            self.fault("models", models, "a mapping of roles to models")
        for role, model in models.items():
            if str(role).strip().lower() not in self.kai.roles:
                self.fault("models", role, listed(self.kai.roles))
            self.model(f"models.{role}", str(model), backend, provider)
        repos = entry.get("github_repos", [])
        if not isinstance(repos, list) or not all(
            isinstance(one, str) and one.strip() for one in repos
        ):
            self.fault("github_repos", repos, "a list of owner/repository")
        projects = entry.get("allowed_triage_projects", [])
        if not isinstance(projects, list) or any(str(one).strip() in ("", "*") for one in projects):
            self.fault("allowed_triage_projects", projects, "a list of titles")
        for name in ("pr_review", "issue_triage"):
            if not isinstance(entry.get(name), (bool, type(None))):
                self.fault(name, entry[name], "true, false or null")

    def services(self, value: Any) -> tuple[str, ...]:
        """Return the services that a profile may use."""
        if not isinstance(value, list):
            self.fault("allowed_services", value, "a list of services, empty for none")
        found: list[str] = []
        for one in value:
            name = one.strip() if isinstance(one, str) else ""
            if name in ("", "*") or "/" in name or name in found:
                self.fault("allowed_services", one, "the name of a service, once")
            found.append(name)
        return tuple(found)

    def directory(self, name: str, value: Any) -> str | None:
        """Return a directory. Unlike Kai, follow no links in it, and expand no ~."""
        if value is None:
            return None
        if not isinstance(value, str) or "\0" in value:
            self.fault(name, value, "an absolute path, or null")
        if re.match(r"~(/|\Z)", value.strip()):
            # below the home of the service user, which only the host knows
            return value.strip()
        if not value.strip().startswith("/"):
            self.fault(name, value, "an absolute path, or null")
        # two slashes at the front are no other path to Kai
        return posixpath.normpath("/" + value.strip().lstrip("/"))

    def directories(self, value: Any) -> tuple[str, ...]:
        """Return the directories that a profile may open."""
        if not isinstance(value, list):
            self.fault("allowed_workspaces", value, "a list of absolute paths, empty for none")
        found: list[str] = []
        for one in value:
            path = self.directory("allowed_workspaces", one)
            if path is None or path in found:
                self.fault("allowed_workspaces", one, "an absolute path, once")
            found.append(path)
        return tuple(found)


def _key(name: str, value: Any) -> int:
    if value is None:
        return key_of_profile(name)
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise BadPolicy(f"{PROFILES}.{name}.{KEY}", _shown(value), "an integer above 0")
    return value


def _shown(value: Any) -> str:
    return "none" if value is None else shortened(repr(value))
