"""Configurations that others wrote: Kai's own install.conf, and the files deployed on a host."""

from __future__ import annotations

import datetime
import json
import plistlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

from kai_ansible.errors import CommandError, usage_error
from kai_ansible.inventory.deployed_policy import (
    deployed_registry,
    deployed_yaml,
    users_as_in_profiles,
)
from kai_ansible.rules.bounded_yaml import NotATree, read_tree
from kai_ansible.rules.configuration import canonical_key, is_secret
from kai_ansible.rules.contract import Contract
from kai_ansible.rules.contract_changes import CONTRACT_VERSION, migrated
from kai_ansible.rules.env_file import read_env
from kai_ansible.rules.host_record import may_be_recorded
from kai_ansible.rules.problems import Problem, listed
from kai_ansible.rules.sudoers import accounts_with_rules, commands_by_account
from kai_ansible.rules.unit import service_of
from kai_ansible.rules.values import UnacceptableValue, read_value
from kai_ansible.rules.variable_names import variable

INSTALL_CONF_VERSION = 1
INSTALL_CONF_KEYS = (
    "version",
    "install_dir",
    "data_dir",
    "service_user",
    "platform",
    "env",
    # of Kai 2
    "deployment_mode",
)
USERS = variable("users")
USERS_FILE = variable("users_file")
EXTRA_ENV = variable("extra_env")
SECRET_EXTRA_ENV = variable("secret_extra_env")

# Kai runtime contract, section 2: anything else is false, "on" too
_TRUE = frozenset(["1", "true", "yes"])
_FALSE = frozenset(["0", "false", "no", "off"])
_SECRET_NAME = re.compile(r"TOKEN|SECRET|PASS|KEY|CREDENTIAL|PRIVATE|AUTH", re.IGNORECASE)
# a password in a URL, or a long word of letters and digits that is no path
_SECRET_VALUE = re.compile(
    r"://[^/\s:@]*:[^/\s@]+@|^(?=\S*[A-Za-z])(?=\S*[0-9])(?!/)[A-Za-z0-9_+/=.:~-]{20,}$"
)
_COMMENT = re.compile(r"^\s*#(?! Managed by kai-ansible)|\s# ", re.MULTILINE)


@dataclass
class Imported:
    """A foreign configuration in today's terms.

    source: its origin, for a sentence.
    variables: by name; None if the source has the key with an empty value.
    on_controller: variables that lead this machine to its own files, which a host must not do
    unless the operator agrees; not among ``variables``.
    extra_env, secret_extra_env: env keys that the contract does not know, by key.
    renamed: today's env key by the old one. retired: the reason by the skipped env key.
    notes: further messages for the operator. problems: content that cannot be imported.
    places: the file of each variable.
    """

    source: str
    variables: dict[str, Any] = field(default_factory=dict)
    on_controller: dict[str, Any] = field(default_factory=dict)
    extra_env: dict[str, str] = field(default_factory=dict)
    secret_extra_env: dict[str, str] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    retired: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    places: dict[str, Path] = field(default_factory=dict)

    def set(self, name: str, value: Any, place: str) -> None:
        """Take a variable from a file."""
        self.variables[name] = value
        self.places[name] = Path(place)

    def over(self, before: Mapping[str, Any]) -> dict[str, Any]:
        """Return the variables to set where ``before`` is set; imported values win."""
        extra = dict(before.get(EXTRA_ENV) or {})
        secret = dict(before.get(SECRET_EXTRA_ENV) or {})
        for imported, home in ((self.extra_env, extra), (self.secret_extra_env, secret)):
            for key, value in imported.items():
                # a key stays in the variable that the operator chose
                place = extra if key in extra else secret if key in secret else home
                place[key] = value
        taken = dict(self.variables)
        if before.get(USERS_FILE):
            taken.pop(USERS, None)
        for name, content in ((EXTRA_ENV, extra), (SECRET_EXTRA_ENV, secret)):
            if content and content != before.get(name):
                taken[name] = content
        return taken

    def under(self, before: Mapping[str, Any]) -> dict[str, Any]:
        """Return the variables to set where ``before`` is set; present values win."""
        taken = self.over(before)
        for name, value in taken.items():
            if name in (EXTRA_ENV, SECRET_EXTRA_ENV):
                value.update(before.get(name) or {})
        return {
            name: value
            for name, value in taken.items()
            if before.get(name) is None or name in (EXTRA_ENV, SECRET_EXTRA_ENV)
        }

    def report(self, contract: Contract) -> list[str]:
        """Return the report of the import, line by line, without values of settings."""
        carried = sorted([*self.extra_env, *self.secret_extra_env])
        return [
            *(f"{old} is now {new}." for old, new in self.renamed.items()),
            *(f"{key} is left out: {reason}." for key, reason in self.retired.items()),
            *(f"{contract.title} does not know {key}; it is carried over." for key in carried),
            *self.notes,
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return names for a program, and no values: some of them are secrets."""
        return {
            "source": self.source,
            "variables": sorted(self.variables),
            "carried": sorted([*self.extra_env, *self.secret_extra_env]),
            "renamed": dict(self.renamed),
            "retired": dict(self.retired),
            "notes": list(self.notes),
        }


def host_paths(contract: Contract) -> list[str]:
    """Return the paths on a host that ``from_host`` understands, the environment file first."""
    protected = contract.protected_files
    policies = filter(None, (contract.registry, contract.profiles))
    names = ["env", "users", *_own_files(contract), *policies]
    return [
        *(protected[name].path for name in names),
        contract.sudoers.path,
        contract.record.path,
        *(platform.unit.path for platform in contract.platforms.values()),
    ]


def _own_files(contract: Contract) -> list[str]:
    """Return the protected files that an operator writes, by name, without users.yaml."""
    protected = contract.protected_files
    return [
        name for name, one in protected.items() if name != "users" and one.from_ in contract.host
    ]


def from_install_conf(contract: Contract, text: str, path: str) -> Imported:
    """Import the answers file of Kai's own installer.

    Source: Kai 1.x installer, section 3: a JSON object with INSTALL_CONF_KEYS and the values as
    typed. Raises CommandError, naming the path, if the text is no such object.
    """
    expected = "the install.conf that Kai's own 'make config' wrote"
    conf = _json(text, path, expected, "fix that line, or use --import host")
    if not isinstance(conf, dict):
        raise _no_install_conf(path, f"it holds a {type(conf).__name__}, not an object")
    version = conf.get("version")
    if version != INSTALL_CONF_VERSION or isinstance(version, bool):
        raise _no_install_conf(
            path, f"version is {json.dumps(version)}; only {INSTALL_CONF_VERSION} is understood"
        )
    env = conf.get("env")
    if not isinstance(env, dict):
        raise _no_install_conf(path, "env is not an object")
    imported = Imported(path)
    for name in ("install_dir", "data_dir", "service_user"):
        if conf.get(name) not in (None, ""):
            imported.set(variable(name), conf[name], path)
    mode = conf.get("deployment_mode", "protected")
    if mode != "protected":
        imported.problems.append(
            Problem(
                f"{path}: deployment_mode",
                repr(mode),
                "protected, an install that belongs to root",
                "install Kai as a service here: leave out --import and answer the questions",
            )
        )
    texts = {}
    for key, value in env.items():
        if isinstance(value, str):
            texts[key] = value
        else:
            imported.problems.append(
                Problem(
                    f"{path}: env.{key}",
                    f"a value of the type {type(value).__name__}",
                    "text in quotes",
                    f"put the value of {key} in quotes",
                )
            )
    _take_env(contract, texts, path, imported)
    # Kai 1.x installer, section 5: the bot's reader does not undo the escapes of the installer
    escaped = [key for key, value in texts.items() if '"' in value or "\\" in value]
    if escaped:
        imported.notes.append(
            f"{listed(escaped)}: Kai's own installer changed quotes and backslashes on the way to "
            f"the bot; from now on the bot gets the values of {path}."
        )
    unknown = [key for key in conf if key not in INSTALL_CONF_KEYS]
    if unknown:
        imported.notes.append(
            f"{path}: the import leaves out {listed(unknown)}, for which kai-ansible has no "
            f"variable."
        )
    imported.notes.append(f"{path} names no users; add --import host to import those of the host.")
    return imported


def from_host(contract: Contract, files: Mapping[str, str]) -> Imported:
    """Import the deployed files of a host, of any installer.

    files: the text of each file of ``host_paths`` that exists, by path. Values are those of the
    bot: its reader undoes no escapes, so this undoes none. Raises CommandError for a file of
    another format than its name says.
    """
    protected = {name: entry.path for name, entry in contract.protected_files.items()}
    imported = Imported("the host")
    _take_record(contract, files.get(contract.record.path, "{}"), imported)
    env = read_env(files.get(protected["env"], ""))
    _take_env(contract, env, protected["env"], imported)
    if protected["users"] in files:
        _take_users(contract, files[protected["users"]], protected["users"], imported)
    unit, account, environment = _service(contract, files)
    if account:
        imported.set(variable("service_user"), account, unit)
    for key, template in contract.process_environment.items():
        # the environment of the process wins over the file
        value = environment.get(key) or env.get(key)
        name, suffix = template[1:].split("}", 1)
        if value and name in contract.host:
            place = unit if key in environment else protected["env"]
            imported.set(variable(name), value.removesuffix(suffix).rstrip("/"), place)
    _take_policies(contract, files, imported)
    _take_rules(contract, files.get(contract.sudoers.path, ""), imported)
    for name in _own_files(contract):
        if protected[name] in files:
            imported.notes.append(
                f"{protected[name]} is on the host and stays as it is; to manage it here, copy it "
                f"and set {variable(contract.protected_files[name].from_)}."
            )
    return imported


def _take_record(contract: Contract, text: str, imported: Imported) -> None:
    path = contract.record.path
    fix = "remove that file on the host; the next install writes a new one"
    record = _json(text, path, "the record of an install", fix)
    variables = {}
    for name, value in record.items() if isinstance(record, dict) else ():
        # any other variable could steer Ansible here, on the operator's own machine
        if name.startswith(variable("")):
            variables[name] = value
        else:
            imported.notes.append(
                f"{path}: the import leaves out {name}, which is not a variable of kai-ansible."
            )
    migration = migrated(contract, variables)
    for name, value in migration.variables.items():
        # the wizard writes today's version
        if name == CONTRACT_VERSION:
            continue
        if not may_be_recorded(contract, name):
            imported.notes.append(
                f"{path}: the import leaves out {name}, which no install writes to that file."
            )
        elif name in {variable(key) for key, spec in contract.host.items() if spec.on_controller}:
            imported.on_controller[name] = value
            imported.places[name] = Path(path)
        else:
            imported.set(name, value, path)
    imported.notes += [f"{path}: {step.message}." for step in migration.steps]
    imported.problems += [
        replace(fault, where=f"{path}: {fault.where}") for fault in migration.faults
    ]


def _json(text: str, path: str, expected: str, fix: str) -> Any:
    """Return a JSON document. Raises CommandError, naming the path, if the text is none."""
    try:
        return read_tree(json.loads, text, json.JSONDecodeError)
    except json.JSONDecodeError as error:
        where = f"{path}:{error.lineno}:{error.colno}"
        raise usage_error(where, f"not valid JSON: {error.msg}", expected, fix) from error
    except NotATree as error:
        raise usage_error(path, f"not valid JSON: {error}", expected, fix) from error


def _no_install_conf(path: str, reason: str) -> CommandError:
    return usage_error(
        path,
        f"not an install.conf of Kai 1.x: {reason}",
        "the file that Kai's own 'make config' wrote",
        "name that file, or use --import host",
    )


def _take_env(contract: Contract, env: Mapping[str, str], place: str, imported: Imported) -> None:
    found: dict[str, dict[str, str]] = {}
    for key, text in env.items():
        known = canonical_key(contract, key)
        if key in contract.retired:
            imported.retired[key] = contract.retired[key]
        elif key in contract.process_environment:
            imported.notes.append(f"{key} is left out of the settings: the service sets it.")
        elif known in contract.settings:
            found.setdefault(known, {})[key] = text
        elif _looks_secret(key, text):
            imported.secret_extra_env[key] = text
            imported.places[SECRET_EXTRA_ENV] = Path(place)
        else:
            imported.extra_env[key] = text
            imported.places[EXTRA_ENV] = Path(place)
    for key, texts in found.items():
        _take_setting(contract, key, texts, place, imported)


def _take_setting(
    contract: Contract, key: str, texts: Mapping[str, str], place: str, imported: Imported
) -> None:
    name = variable(key)
    imported.renamed.update({old: key for old in texts if old != key})
    values = {used: _value(contract, key, text) for used, text in texts.items() if text}
    if len({str(value) for value in values.values()}) > 1:
        imported.places[name] = Path(place)
        imported.problems.append(
            Problem(
                name,
                "different values under " + listed(values),
                f"one value under {key}",
                f"keep the one that is right in {place}"
                + ("" if is_secret(contract, key) else f", or give --set {key}=VALUE"),
            )
        )
        return
    imported.set(name, next(iter(values.values()), None), place)
    if not values:
        imported.notes.append(f"{key} is empty in {place}, and stays so.")
    elif contract.settings[key].type == "boolean":
        text = next(text for text in texts.values() if text)
        if text.strip().lower() not in _TRUE | _FALSE:
            imported.notes.append(f"{key} is {text!r} in {place}, which Kai reads as false.")


def _value(contract: Contract, key: str, text: str) -> Any:
    spec = contract.settings[key]
    if spec.type == "boolean":
        return text.strip().lower() in _TRUE
    try:
        return read_value(contract, spec, text)
    except UnacceptableValue:
        # the check of the whole configuration reports it, with its place
        return text


def _looks_secret(key: str, text: str) -> bool:
    # a mistake in this direction only hides a value
    return bool(_SECRET_NAME.search(key) or _SECRET_VALUE.search(text))


def _take_users(contract: Contract, text: str, path: str, imported: Imported) -> None:
    parsed = deployed_yaml(text, path)
    entries = parsed.get("users") if isinstance(parsed, dict) else None
    if not isinstance(entries, list):
        raise usage_error(
            path,
            "no list named users, so the users of the bot are unknown",
            "such a list",
            "fix it there, or give users in an answers file with --no-probe",
        )
    imported.set(USERS, [_plain(entry, path, imported) for entry in entries], path)
    others = [str(key) for key in parsed if key != "users"]
    if others:
        imported.notes.append(f"{path}: {listed(others)} means nothing to Kai and is left out.")
    if _COMMENT.search(text):
        imported.notes.append(
            f"The comments of {path} are not carried over; to keep that file unchanged, copy it "
            f"and set {USERS_FILE}."
        )
    for index, entry in enumerate(entries):
        for key in entry if isinstance(entry, dict) else ():
            if key not in contract.user_fields:
                imported.notes.append(f"{USERS}[{index}].{key} is unknown; it is carried over.")


def _plain(value: Any, path: str, imported: Imported) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item, path, imported) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, path, imported) for item in value]
    if isinstance(value, datetime.date):
        return str(value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    imported.problems.append(
        Problem(path, f"a value of the type {type(value).__name__}", "text", f"fix {path}")
    )
    return None


def _service(
    contract: Contract, files: Mapping[str, str]
) -> tuple[str, str | None, dict[str, str]]:
    for platform in contract.platforms.values():
        path = platform.unit.path
        if path not in files:
            continue
        if platform.manager == "systemd":
            return path, *service_of(files[path])
        try:
            plist = plistlib.loads(files[path].encode())
        except (plistlib.InvalidFileException, ExpatError, ValueError) as error:
            raise usage_error(
                path, f"not a property list: {error}", "one", "fix it there"
            ) from error
        return path, plist.get("UserName"), dict(plist.get("EnvironmentVariables") or {})
    return "", None, {}


def _take_policies(contract: Contract, files: Mapping[str, str], imported: Imported) -> None:
    """Take agents and profiles from the files that only some lines have; host_vars win there."""
    registry, profiles = (
        name and contract.protected_files[name].path
        for name in (contract.registry, contract.profiles)
    )
    choice = contract.agent_choice.backend
    if registry and registry in files:
        found = deployed_registry(contract, files[registry], registry)
        for backend, installed in found.installed.items():
            # Kai does not look at the setting of the environment where it has this file
            setting = variable(contract.backends[backend].binary.setting)
            imported.set(setting, installed.command, registry)
        limited = [backend for backend, one in found.installed.items() if one.models]
        if limited:
            imported.notes.append(
                f"{registry}: allowed_models of {listed(limited)} is not imported; an install "
                f"allows every model of these backends."
            )
        only = next(iter(found.installed)) if len(found.installed) == 1 else None
        default = found.default or only
        if default and not imported.variables.get(variable(choice.setting)):
            imported.set(variable(choice.setting), default, registry)
    users = imported.variables.get(USERS)
    if profiles and profiles in files and users:
        default = imported.variables.get(variable(choice.setting))
        timeout = contract.settings["DEFAULT_TIMEOUT"]
        defaults = {
            "backend": default,
            "provider": imported.variables.get(variable(contract.agent_choice.provider.setting)),
            "model": imported.variables.get(variable("DEFAULT_MODEL")),
            "timeout": imported.variables.get(variable("DEFAULT_TIMEOUT"), timeout.default),
        }
        text = files[profiles]
        changed, notes = users_as_in_profiles(contract, users, text, profiles, defaults)
        imported.variables[USERS] = changed
        imported.notes += notes


def _take_rules(contract: Contract, text: str, imported: Imported) -> None:
    path = contract.sudoers.path
    name = variable("service_user")
    accounts = accounts_with_rules(text)
    if accounts and name not in imported.variables:
        imported.set(name, accounts[0], path)
    if accounts and imported.variables[name] not in accounts:
        imported.notes.append(
            f"{path} has rules for {listed(accounts)}, but {imported.places[name]} names "
            f"{imported.variables[name]}, which becomes the service user."
        )
    commands = [command for _, command in commands_by_account(text)]
    for backend in _backends_in_use(contract, imported):
        binary = contract.backends[backend].binary
        if binary.started_by != "name":
            continue
        found = [command for command in commands if command.rpartition("/")[2] == binary.name]
        if found:
            imported.set(variable(binary.setting), found[0], path)


def _backends_in_use(contract: Contract, imported: Imported) -> list[str]:
    choice = contract.agent_choice.backend
    everyone = imported.variables.get(variable(choice.setting))
    default = everyone or contract.settings[choice.setting].default
    users = imported.variables.get(USERS) or [{}]
    named = [
        str(user.get(choice.field) or default).strip().lower()
        for user in users
        if isinstance(user, dict)
    ]
    return [backend for backend in contract.backends if backend in named]
