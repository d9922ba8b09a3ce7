"""Read the configuration of a host from its variables, and sort out the secret ones."""

from __future__ import annotations

import errno
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kai_ansible.files import is_there
from kai_ansible.inventory.host_vars_files import HostVars, edited_texts
from kai_ansible.inventory.variable_text import read_text
from kai_ansible.rules.configuration import Configuration, is_secret
from kai_ansible.rules.contract import Contract
from kai_ansible.rules.contract_changes import CONTRACT_VERSION
from kai_ansible.rules.network_environment import read_environment, secrets_of
from kai_ansible.rules.operator_files import FILES, UnreadableYaml, parse, read_with_files
from kai_ansible.rules.problems import Problem
from kai_ansible.rules.variable_names import variable
from kai_ansible.secrets.vault_password import VaultPassword

# enough to recognize a path by
_MOST_SHOWN = 100
SECRET_EXTRA = variable("secret_extra_env")


def configuration_of(contract: Contract, variables: Mapping[str, Any]) -> Configuration:
    """Return the configuration that variables define, the operator's own files included.

    Raises CommandError if one of these files cannot be read.
    """
    texts: dict[str, str | None] = {}
    problems = []
    for name in FILES:
        path = variables.get(variable(name))
        if not path:
            continue
        fault = _fault_of_name(str(path))
        file = Path(path).expanduser() if isinstance(path, str) and not fault else Path(str(path))
        if fault:
            problems.append(_unusable(variable(name), str(path), fault))
        elif name == "users_file" and isinstance(path, str) and not file.is_absolute():
            # Ansible would search beside the playbook, which is another one in every run
            problems.append(_relative(variable(name), path))
        elif name == "users_file" and not is_there(file):
            problems.append(_missing(variable(name), path))
        # Ansible searches more places for a relative path, and the role checks that file
        elif name == "users_file" or file.is_file() or file.is_absolute():
            texts[name] = read_text(file)
    configuration = read_with_files(contract, variables, texts)
    # a value that is no text of a setting has its problem already
    if any(problem.where == variable("users_file") for problem in problems):
        # who its users are is not known
        users = variable("users")
        configuration.problems = [one for one in configuration.problems if one.where != users]
    named = {problem.where for problem in configuration.problems}
    configuration.problems += [problem for problem in problems if problem.where not in named]
    return configuration


def _fault_of_name(path: str) -> str | None:
    """Return why no file can have a path, None if one can: the file itself may be missing."""
    try:
        Path(path).stat()
    except ValueError:
        # NUL, or half a character
        return "has a character that no path can have"
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return "is longer than a path can be"
    return None


def _relative(name: str, path: str) -> Problem:
    fix = (
        f'set {name} to "{{{{ inventory_dir }}}}/{path}", or move the file and give its whole path'
    )
    return Problem(name, f"{path!r}, a relative path", "an absolute path", fix)


def _missing(name: str, path: Any) -> Problem:
    expected, fix = "the path of a file there", f"check it there: ls -l {shlex.quote(str(path))}"
    return Problem(name, f"{path}, which does not exist on the controller", expected, fix)


def _unusable(name: str, path: str, fault: str) -> Problem:
    found = repr(path) if len(path) <= _MOST_SHOWN else f"{path[:_MOST_SHOWN]!r}..."
    expected = f"the path of a file; this one {fault}"
    return Problem(name, found, expected, f"set {name} to the path of a file")


def services_of(variables: Mapping[str, Any]) -> list[str] | None:
    """Return the names in the services.yaml of a host's variables, None where it has none.

    Raises CommandError if the file cannot be read.
    """
    path = variables.get(variable("services_file"))
    if not path or _fault_of_name(str(path)):
        # the check of the configuration reports the fault
        return None
    try:
        data = parse(read_text(Path(str(path)))).data
    except UnreadableYaml:
        # the check of the configuration reports it
        return None
    services = data.get("services") if isinstance(data, dict) else None
    return [str(name) for name in services] if isinstance(services, dict) else None


def host_vars_texts(
    contract: Contract,
    files: HostVars,
    changes: Mapping[str, Any],
    password: VaultPassword,
) -> tuple[dict[Path, str], list[str]]:
    """Return the result of ``edited_texts``, and set the contract's version in changed files."""
    return edited_texts(
        files,
        changes,
        lambda name: variable_is_secret(contract, name),
        password,
        {CONTRACT_VERSION: contract.version},
    )


def secret_texts(contract: Contract, variables: Mapping[str, Any]) -> set[str]:
    """Return the secrets among the variables of a host, as they are written."""
    network = variable("environment")
    found = [
        value
        for name, value in variables.items()
        if variable_is_secret(contract, name) and name != network
    ]
    # most of it is no secret, and a short value occurs elsewhere
    texts = secrets_of(read_environment(variables.get(network))[0])
    for value in found:
        texts |= set(map(str, value.values() if isinstance(value, Mapping) else [value]))
    return texts


def variable_is_secret(contract: Contract, name: str) -> bool:
    """Return whether a variable belongs in the vault."""
    keys = {variable(key): key for key in [*contract.host, *contract.settings]}
    return name == SECRET_EXTRA or is_secret(contract, keys.get(name, ""))
