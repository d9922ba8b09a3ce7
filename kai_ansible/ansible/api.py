"""The only file that uses private names of ansible-core.

tests/collection/test_every_core.py tries it with each supported release; pyproject.toml names them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kai_ansible.rules.plain import plain
from kai_ansible.rules.variable_names import PREFIX

if TYPE_CHECKING:
    from ansible.plugins.action import ActionBase

# passwords by their vault id
Secrets = Sequence[tuple[str, bytes]]
_SSH_OPTIONS = ("ssh_args", "ssh_common_args", "ssh_extra_args")


class AnsibleRefused(Exception):
    """Ansible refuses a password file, a vault or its settings; ``str`` is the reason."""


def host_reading(action: ActionBase, task_vars: Mapping[str, Any]) -> dict[str, Any]:
    """Return Ansible's variables of the host of a task, as plain data.

    action: an action plugin in the middle of its task. task_vars: the variables of that task.
    """
    from ansible import constants
    from ansible.errors import AnsibleError, AnsibleValueOmittedError

    variables, faults = {}, {}
    for name in sorted(name for name in task_vars if name.startswith(PREFIX)):
        try:
            variables[str(name)] = plain(action._templar.template(task_vars[name]))
        except AnsibleValueOmittedError:
            # to the role it is not set either
            pass
        except AnsibleError as error:
            faults[str(name)] = message_of(error)
    become = action._connection.become
    return {
        "hosts": plain(list(task_vars["ansible_play_hosts_all"])),
        "variables": variables,
        "faults": faults,
        "files": _variable_files(action, task_vars),
        "local": action._connection.transport == "local",
        "ssh": _ssh(action._connection),
        "become_method": str(become.name) if become else "",
        "become_password": _text(become, "become_pass"),
        "connection_password": _text(action._connection, "password"),
        "vault": [
            (str(label), bytes(secret.bytes))
            for label, secret in action._loader._vault.secrets or []
        ],
        "encrypt_with": plain(constants.DEFAULT_VAULT_ENCRYPT_IDENTITY),
        "typed_connection_password": _typed(action, "password", task_vars),
        "typed_become_password": _typed(action, "become_pass", task_vars),
        "sets_pipelining": _is_set(action._connection, "pipelining"),
        "inventory_plugins": plain(constants.INVENTORY_ENABLED),
        "vault_sources": configured_vault_sources(),
    }


def _typed(action: ActionBase, name: str, task_vars: Mapping[str, Any]) -> str | None:
    """Return a password that the operator typed, None where the host has one in the inventory.

    Ansible puts that in the place of the typed one, and it is no other host's.
    """
    from ansible import constants

    if any(given in task_vars for given in constants.MAGIC_VARIABLE_MAPPING[name]):
        return None
    return plain(getattr(action._play_context, name)) or None


def _text(plugin: Any, option: str) -> str | None:
    """Return an option of a plugin, None if it has none of that name, or no value."""
    try:
        return str(plugin.get_option(option) or "") or None
    except (AttributeError, KeyError):
        return None


def _is_set(connection: Any, option: str) -> bool:
    try:
        return bool(connection.get_option_and_origin(option)[1] != "default")
    except KeyError:
        return True


def _ssh(connection: Any) -> list[str] | None:
    """Return the command that logs in as this connection does, None when it is not by ssh."""
    if connection.transport != "ssh":
        return None
    import shlex

    def option(name: str) -> str:
        value = connection.get_option(name)
        return "" if value is None else str(value)

    argv = [option("ssh_executable") or "ssh"]
    for name in _SSH_OPTIONS:
        if _is_set(connection, name):
            try:
                argv += shlex.split(option(name))
            except ValueError as error:
                raise AnsibleRefused(_unsplit(connection, name, error)) from error
    for flag, name in (("-i", "private_key_file"), ("-p", "port"), ("-l", "remote_user")):
        if option(name):
            argv += [flag, option(name)]
    return [*map(str, argv), option("host")]


def _unsplit(connection: Any, name: str, error: ValueError) -> str:
    value, origin = connection.get_option_and_origin(name)
    # such as "var: ansible_ssh_extra_args", "env: ANSIBLE_SSH_ARGS" or the path of ansible.cfg
    where = str(origin).partition(": ")[2] or f"{name} in {origin}"
    return f"{where}: {str(value)!r} cannot be split into words ({error}). Fix: close its quotes"


def _variable_files(action: ActionBase, task_vars: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the names that each file sets, the file that decides at the end."""
    from ansible.inventory.helpers import sort_groups

    host = task_vars["hostvars"]._inventory.get_host(task_vars["inventory_hostname"])
    places = [("group_vars", group.name) for group in sort_groups(host.get_groups())]
    files: dict[str, list[str]] = {}
    # beside what was given to --inventory, and not beside the file of a directory that has the host
    sources = map(Path, task_vars["hostvars"]._inventory._sources)
    directories = [path if path.is_dir() else path.parent for path in sources if path.exists()]
    for kind, name, directory in (
        (*place, directory)
        for place in [*places, ("host_vars", host.name)]
        for directory in directories
    ):
        for found in action._loader.find_vars_files(str(directory / kind), name):
            path = os.fsdecode(found)
            content = action._loader.load_from_file(path)
            files[str(path)] = [str(key) for key in content] if isinstance(content, dict) else []
    return files


def message_of(error: Exception) -> str:
    """Return the message of an Ansible error, without the source, which may be a secret."""
    place = str(getattr(error, "_formatted_source_context", None) or "").partition("\n")[0]
    return "; ".join(line for line in [*str(error).splitlines(), place] if line.strip())


def configured_vault_sources() -> list[tuple[str, str]]:
    """Return the vault ids that the operator's own settings name: label and source of each.

    Raises AnsibleRefused for a configuration that cannot be read.
    """
    try:
        from ansible import constants
    except Exception as error:
        raise AnsibleRefused(message_of(error)) from error
    found = [label_and_source(str(given)) for given in constants.DEFAULT_VAULT_IDENTITY_LIST or []]
    if constants.DEFAULT_VAULT_PASSWORD_FILE:
        found.append(("default", str(constants.DEFAULT_VAULT_PASSWORD_FILE)))
    return found


def label_and_source(vault_id: str) -> tuple[str, str]:
    """Split a vault id as Ansible does: at the first @, and without one it is a source alone."""
    label, at, source = vault_id.partition("@")
    return (label, source) if at else ("default", label)


def ignored_in_inventories() -> Callable[[str], bool]:
    """Return whether Ansible passes over a name in a directory that is an inventory."""
    from ansible.inventory.manager import IGNORED

    return lambda name: IGNORED.search(os.fsencode(name)) is not None


def endings_of_variables() -> list[str]:
    """Return the endings of files of variables, which the operator may have set."""
    from ansible import constants

    return list(map(str, constants.YAML_FILENAME_EXTENSIONS))


def password_of(path: Path, label: str | None) -> bytes:
    """Return the password that a file holds or a script prints. Raises AnsibleRefused.

    label: the vault id to ask a script for, if its name shows that it takes one.
    """
    from ansible.errors import AnsibleError
    from ansible.parsing.dataloader import DataLoader
    from ansible.parsing.vault import get_file_vault_secret

    try:
        secret = get_file_vault_secret(filename=str(path), vault_id=label, loader=DataLoader())
        secret.load()
    except AnsibleError as error:
        raise AnsibleRefused(" ".join(str(error).split())) from error
    return bytes(secret.bytes)


def encrypt(text: str, secrets: Secrets, former: str = "") -> str:
    """Return text encrypted with the first secret, or with the one that opens a former text.

    Raises AnsibleRefused when none opens that.
    """
    from ansible.errors import AnsibleError
    from ansible.parsing.vault import VaultLib, VaultSecret

    vault = VaultLib(secrets=[(name, VaultSecret(password)) for name, password in secrets])
    label, secret = vault.secrets[0]
    try:
        if former:
            _, label, secret = vault.decrypt_and_get_vault_id(former)
        return str(vault.encrypt(text, secret=secret, vault_id=label).decode())
    except AnsibleError as error:
        raise AnsibleRefused(str(error)) from error


def decrypt(text: str, secrets: Secrets) -> bytes:
    """Decrypt a text. Raises AnsibleRefused if no secret opens it."""
    from ansible.errors import AnsibleError
    from ansible.parsing.vault import VaultLib, VaultSecret

    vault = VaultLib(secrets=[(name, VaultSecret(password)) for name, password in secrets])
    try:
        return bytes(vault.decrypt(text))
    except AnsibleError as error:
        raise AnsibleRefused(str(error)) from error


def batch_size(size: str, hosts: int) -> int:
    """Return how many hosts a batch has. size: a number, or a percentage of all the hosts."""
    from ansible.utils.helpers import pct_to_int

    return int(pct_to_int(size, hosts))


def inventories_of_settings() -> tuple[list[Path], str]:
    """Return the inventories that the operator sets, and where; none without such a setting.

    Raises AnsibleError for settings that Ansible cannot read.
    """
    from ansible.config.manager import ConfigManager

    found, origin = ConfigManager().get_config_value_and_origin("DEFAULT_HOST_LIST")
    # such as "env: ANSIBLE_INVENTORY", or the path of ansible.cfg
    place = str(origin).partition(": ")[2] or str(origin)
    return ([] if origin == "default" else list(map(Path, found))), place
