"""What the variables of a host mean, and which of them are secret."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from kai_ansible.inventory import HostVars, edited_texts, not_yaml, read_text
from kai_ansible.rules.configuration import (
    Configuration,
    is_secret,
    read_configuration,
    variable,
)
from kai_ansible.rules.contract_changes import CONTRACT_VERSION
from kai_ansible.rules.trees import NotATree, read_tree
from kai_ansible.secrets import VaultPassword

SECRET_EXTRA = variable("secret_extra_env")


def configuration_of(contract: Mapping[str, Any], variables: Mapping[str, Any]) -> Configuration:
    """Return what variables mean, the operator's own users.yaml included.

    Raises CommandError when that file is not YAML, or cannot be read.
    """
    users = None
    path = variables.get(variable("users_file"))
    if path:
        try:
            parsed = read_tree(yaml.safe_load, read_text(Path(path)), yaml.YAMLError)
        except (yaml.YAMLError, NotATree) as error:
            raise not_yaml(Path(path), error) from error
        # none at all is an empty file of the operator's, not the absence of a file
        users = (parsed.get("users") if isinstance(parsed, dict) else None) or []
    return read_configuration(contract, variables, users)


def host_vars_texts(
    contract: Mapping[str, Any],
    files: HostVars,
    changes: Mapping[str, Any],
    password: VaultPassword,
) -> tuple[dict[Path, str], list[str]]:
    """Return what ``edited_texts`` does; what changes is of the contract's version from then on."""
    return edited_texts(
        files,
        changes,
        lambda name: variable_is_secret(contract, name),
        password,
        {CONTRACT_VERSION: contract["version"]},
    )


def secret_texts(contract: Mapping[str, Any], variables: Mapping[str, Any]) -> set[str]:
    """Return the secrets among the variables of a host, as they are written."""
    found = [value for name, value in variables.items() if variable_is_secret(contract, name)]
    texts: set[str] = set()
    for value in found:
        texts |= set(map(str, value.values() if isinstance(value, Mapping) else [value]))
    return texts


def variable_is_secret(contract: Mapping[str, Any], name: str) -> bool:
    """Return whether a variable belongs in the vault."""
    keys = {variable(key): key for key in [*contract["host"], *contract["settings"]]}
    return name == SECRET_EXTRA or is_secret(contract, keys.get(name, ""))
