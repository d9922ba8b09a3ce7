"""What backends.yaml and runtime-profiles.yaml of a host say, in terms of host_vars.

Only some lines of Kai have these files. Kai follows a profile where users.yaml says something else,
so an import of users.yaml alone would change agents and models at the next install.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from kai_ansible.errors import usage_error
from kai_ansible.rules.backend_registry import BadRegistry, Registry, read_registry
from kai_ansible.rules.bounded_yaml import NotATree, read_tree
from kai_ansible.rules.contract import Contract
from kai_ansible.rules.profile_merge import profile_held
from kai_ansible.rules.profiles_of_host import SHARED_FIELDS, known_policies
from kai_ansible.rules.runtime_profiles import PROFILES, BadPolicy, read_policy
from kai_ansible.rules.variable_names import variable

_FIX = "correct it on the host, or take its former text from a backup"
# fields of a user that a profile has under the same name; those of no value are left alone
_SAME = ("os_user", "backend", "model", *SHARED_FIELDS)


def deployed_registry(contract: Contract, text: str, path: str) -> Registry:
    """Return the backends of a host. Raises CommandError for a file that Kai does not accept."""
    try:
        return read_registry(deployed_yaml(text, path), list(contract.backends))
    except BadRegistry as error:
        raise usage_error(f"{path}: {error.where}", error.found, error.expected, _FIX) from error


def users_as_in_profiles(
    contract: Contract,
    users: Sequence[Any],
    text: str,
    path: str,
    defaults: Mapping[str, Any],
) -> tuple[list[Any], list[str]]:
    """Return the users with what their profiles say, and a note on each field that differs.

    text: of the profiles. defaults: what a user without a field of their own has, by field.
    Raises CommandError for profiles that Kai does not accept.
    """
    document = deployed_yaml(text, path)
    try:
        read_policy(document, known_policies(contract))
    except BadPolicy as error:
        raise usage_error(f"{path}: {error.where}", error.found, error.expected, _FIX) from error
    found, notes = [], []
    for index, user in enumerate(users):
        name = _profile_of(document, user)
        if name is None:
            found.append(user)
            continue
        wanted = _fields(contract, document[PROFILES][name], defaults)
        changed = {
            field: value
            for field, value in wanted.items()
            if _given(contract, user, field, defaults) != value
        }
        former = {old for field in changed for old in contract.user_fields[field].old_names}
        found.append({**{k: v for k, v in user.items() if k not in former}, **changed})
        place = f"{variable('users')}[{index}]"
        notes += [f"{place}.{field} is that of {path}, which Kai follows." for field in changed]
    return found, notes


def deployed_yaml(text: str, path: str) -> Any:
    """Parse a file of a host. Raises CommandError with the line and the reason."""
    try:
        return read_tree(yaml.safe_load, text, yaml.YAMLError)
    except (yaml.YAMLError, NotATree) as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}" if mark else path
        found = f"not valid YAML: {getattr(error, 'problem', None) or error}"
        raise usage_error(place, found, "valid YAML", "fix it there") from error


def _profile_of(document: Mapping[str, Any], user: Any) -> str | None:
    if not isinstance(user, dict):
        return None
    given = user.get("runtime_profile_id")
    if given is not None:
        return given if given in document[PROFILES] else None
    number = user.get("telegram_id")
    return profile_held(document, int(str(number))) if str(number).isdigit() else None


def _fields(
    contract: Contract, profile: Mapping[str, Any], defaults: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the fields of a user that a profile stands for."""
    fields = {name: profile[name] for name in _SAME if profile.get(name) not in (None, [], {})}
    fields["timeout"] = profile.get("timeout_seconds", defaults.get("timeout"))
    backend = contract.backends[profile["backend"]]
    if backend.names_provider:
        fields["provider"] = profile["provider"]
    return {name: value for name, value in fields.items() if name in contract.user_fields}


def _given(contract: Contract, user: Mapping[str, Any], field: str, defaults: Any) -> Any:
    names = (field, *contract.user_fields[field].old_names)
    given = next((user[name] for name in names if user.get(name) not in (None, "")), None)
    return defaults.get(field) if given is None else given
