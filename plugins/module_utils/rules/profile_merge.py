# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring host_vars into the runtime profiles of a host, and keep what others wrote there.

Kai makes the file once. From then on it belongs to the operator and to Kai's own tool, which grants
backends in it: a new file in its place would take these grants away. So what host_vars say wins,
and everything else stays.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Mapping

from .principal_ids import profile_of_telegram
from .problems import Problem
from .runtime_profiles import ARCHIVE, GATE, KEY, PROFILES

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

# what Kai demands in each profile, whether host_vars say it or not
_DEFAULTS: Mapping[str, Any] = {
    "allowed_services": [],
    "home_workspace": None,
    "workspace_base": None,
    "allowed_workspaces": [],
}
# what Kai 2.1 reads there, and a Kai before it in users.yaml
_OPTIONS = (
    "models",
    "github_login",
    "github_repos",
    "pr_review",
    "issue_triage",
    "allowed_triage_projects",
)
_ALWAYS = ("display_name", "os_user", "backend", "provider", "model", "timeout_seconds")
_LEAST_MAXIMUM = 600


@dataclass(frozen=True)
class Wanted:
    """What host_vars say of the profile of one user.

    telegram_id: None for a user without Telegram, who has a profile_id. stated: fields that the
    entry of the user has, and no default.
    """

    telegram_id: int | None
    display_name: str
    os_user: str
    backend: str
    provider: str
    model: str
    timeout_seconds: int
    stated: Mapping[str, Any] = field(default_factory=dict)
    profile_id: str | None = None

    @property
    def identity(self) -> object:
        """What stays the same of a user when everything else changes."""
        return self.profile_id or self.telegram_id

    @property
    def state_key(self) -> int | None:
        """The number under which Kai keeps the state of the profile.

        None for a user whom the Workshop knew first: Kai refuses another number than the first one.
        """
        return self.telegram_id if self.profile_id is None else None


@dataclass
class Merged:
    """The profiles as they are to be deployed.

    document: None where there is a problem. changed: whether it differs from what is deployed.
    profiles: the id of each wanted user's profile, by identity. kept: ids of profiles of nobody in
    host_vars, which need their account and its rules all the same. missing: ids that the database
    assigns, and of which there is no profile.
    """

    document: dict[str, Any] | None = None
    changed: bool = False
    profiles: dict[object, str] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def merge(
    deployed: Mapping[str, Any] | None,
    wanted: Sequence[Wanted],
    *,
    path: str,
    assigned: Collection[str] | None,
    newest: int,
    before: Mapping[object, Mapping[str, Any]],
) -> Merged:
    """Return the profiles of a host with what host_vars say.

    deployed: the data of the file, None where there is none; Kai starts with it. path: its path.
    assigned: the profiles that the database assigns, None where it could not be read. newest: the
    newest version that the source reads. before: ``stated`` of the last install, by identity.
    """
    work = _Merge(deployed, path, before, newest)
    for one in wanted:
        work.add(one)
    work.decide_on_others(assigned)
    found = work.found
    if not found.problems:
        found.document = work.document
        found.changed = work.document != deployed
    return found


def profile_held(document: Mapping[str, Any], number: int) -> str | None:
    """Return the profile of a Telegram ID in the data of the file, None without one."""
    profiles = document[PROFILES]
    if document["version"] == 1:
        held = {name: entry.get(KEY) for name, entry in profiles.items()}
    else:
        held = (document.get(ARCHIVE) or {}).get("runtime_keys", {})
    return next((name for name, key in held.items() if key == number and name in profiles), None)


class _Merge:
    """One merge."""

    def __init__(
        self,
        deployed: Mapping[str, Any] | None,
        path: str,
        before: Mapping[object, Mapping[str, Any]],
        newest: int,
    ) -> None:
        self.path, self.before, self.found = path, before, Merged()
        if deployed is None:
            deployed = {"version": 1, PROFILES: {}}
        self.document: dict[str, Any] = copy.deepcopy(dict(deployed))
        self.profiles: dict[str, Any] = self.document[PROFILES]
        if self.document["version"] > newest:
            self.problem(
                f"version {self.document['version']}",
                f"version {newest}, the newest that this source of Kai reads",
                "name a newer source in kai_install_source, or bring back the file of this one",
            )

    def problem(self, found: str, expected: str, fix: str) -> None:
        """Add a problem with the file."""
        self.found.problems.append(Problem(self.path, found, expected, fix))

    @property
    def keys(self) -> Mapping[str, Any]:
        """The numbers by profile, in version 2."""
        found: Mapping[str, Any] = (self.document.get(ARCHIVE) or {}).get("runtime_keys", {})
        return found

    def set_key(self, name: str, number: int) -> None:
        """Note the number of a profile, in version 2."""
        archive = self.document.get(ARCHIVE) or {"version": 1, "removal_gate": GATE}
        archive["runtime_keys"] = {**self.keys, name: number}
        self.document[ARCHIVE] = archive

    def profile_of(self, one: Wanted) -> str:
        """Return the id of a user's profile, whether there is one or not."""
        if one.profile_id is not None:
            return one.profile_id
        number = one.telegram_id or 0
        return profile_held(self.document, number) or profile_of_telegram(number)

    def add(self, one: Wanted) -> None:
        """Bring one user into the profiles."""
        name = self.profile_of(one)
        if name in self.found.profiles.values():
            self.problem(
                f"the profile {name} for {one.display_name} and for another user",
                "a profile of their own for each",
                "correct runtime_profile_id in kai_install_users",
            )
            return
        self.found.profiles[one.identity] = name
        is_new = name not in self.profiles
        entry = self.profiles.setdefault(name, {})
        pair = (entry.get("backend"), entry.get("provider"))
        entry.update({key: getattr(one, key) for key in _ALWAYS})
        for key in (*_DEFAULTS, *_OPTIONS):
            self.bring(key, entry, one)
        if self.document["version"] == 1:
            if one.state_key is not None:
                entry[KEY] = one.state_key
        else:
            self.fit_version_2(name, entry, one, is_new=is_new)
        if not is_new and pair != (one.backend, one.provider):
            self.forget_models(entry, one)

    def bring(self, key: str, entry: dict[str, Any], one: Wanted) -> None:
        """Bring a field into a profile that host_vars may have or not."""
        former = self.before.get(one.identity, {})
        if key in one.stated:
            entry[key] = one.stated[key]
        elif key in former and entry.get(key) == former[key]:
            # host_vars said it, and no longer do
            if key in _DEFAULTS:
                entry[key] = copy.copy(_DEFAULTS[key])
            else:
                entry.pop(key, None)
        elif key in entry:
            if key in _DEFAULTS and entry[key] != _DEFAULTS[key]:
                self.found.notes.append(
                    f"{self.path}: {key} of {one.display_name} stays as it is, because host_vars "
                    f"do not set it."
                )
        elif key in _DEFAULTS:
            entry[key] = copy.copy(_DEFAULTS[key])

    def fit_version_2(self, name: str, entry: dict[str, Any], one: Wanted, *, is_new: bool) -> None:
        """Give a profile of version 2 its number, and room for its own backend and timeout."""
        if one.state_key is not None and self.keys.get(name) != one.state_key:
            self.set_key(name, one.state_key)
        if is_new:
            entry["maximum_timeout_seconds"] = max(_LEAST_MAXIMUM, one.timeout_seconds)
            entry["allowed_backends"] = [one.backend]
            return
        if entry.get("maximum_timeout_seconds", one.timeout_seconds) < one.timeout_seconds:
            entry["maximum_timeout_seconds"] = one.timeout_seconds
        option = {"backend": one.backend, "provider": one.provider}
        if isinstance(entry.get("backend_options"), list):
            if option not in entry["backend_options"]:
                entry["backend_options"] = [*entry["backend_options"], option]
            return
        granted = entry.get("allowed_backends")
        if isinstance(granted, list) and one.backend not in granted:
            entry["allowed_backends"] = [*granted, one.backend]

    def forget_models(self, entry: dict[str, Any], one: Wanted) -> None:
        """Remove models of roles that were chosen for another backend."""
        if "models" not in one.stated and entry.get("models"):
            del entry["models"]
            self.found.notes.append(
                f"{self.path}: the install removes the models of {one.display_name}, which are for "
                f"another backend; set new ones in kai_install_users if you want them."
            )

    def decide_on_others(self, assigned: Collection[str] | None) -> None:
        """Keep profiles of nobody in host_vars that the database assigns, and drop the others.

        With one that belongs to nobody Kai does not start, and without an assigned one it answers
        its user in the Workshop with an error of the server.
        """
        for name in [one for one in self.profiles if one not in self.found.profiles.values()]:
            who = str(self.profiles[name].get("display_name", name))
            if assigned is not None and name not in assigned:
                del self.profiles[name]
                if name in self.keys:
                    del self.document[ARCHIVE]["runtime_keys"][name]
                self.found.notes.append(
                    f"{self.path}: the install removes the profile of {who}, which belongs to no "
                    f"user."
                )
                continue
            self.found.kept.append(name)
            why = "the database assigns it" if assigned is not None else "the database was not read"
            self.found.notes.append(
                f"{self.path}: the install keeps the profile of {who}, because {why}; browsers "
                f"that are enrolled as {who} still reach the bot."
            )
        # the bot starts, and this user alone has no answer
        self.found.missing = sorted(set(assigned or ()) - self.profiles.keys())
        if not self.profiles:
            self.problem("no profile", "at least one profile", "add a user to kai_install_users")
