# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Doors from Jinja to the rules of the collection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from ansible.errors import AnsibleFilterError

try:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
except (
    ImportError
):  # every controller has it, because ansible-core does; a mere import test may not
    HAS_PACKAGING = False
else:
    HAS_PACKAGING = True

from ..module_utils.rules import diagnosis as doctor
from ..module_utils.rules import drift, env_file, file_state, installs, plan, sudoers, unit
from ..module_utils.rules import status as status
from ..module_utils.rules.bounded_yaml import NotATree, expect_shallow, read_tree
from ..module_utils.rules.configuration import (
    Configuration,
    is_secret,
)
from ..module_utils.rules.host_record import recorded
from ..module_utils.rules.operator_files import FILES, read_with_files
from ..module_utils.rules.people import os_users
from ..module_utils.rules.problems import Problem
from ..module_utils.rules.releases import modules_of_extras

# what is written in C takes a tenth of the time, where there is one
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def _load(text: str) -> Any:
    # the one in C takes only what is a str itself
    return yaml.load("".join(text), Loader=_LOADER)  # noqa: S506 - either is a safe one


def _load_of_others(text: str) -> Any:
    starts, ends = yaml.CollectionStartEvent, yaml.CollectionEndEvent
    expect_shallow(
        isinstance(event, starts) - isinstance(event, ends)
        for event in yaml.parse("".join(text), Loader=_LOADER)
    )
    return _load(text)


def _dump(document: Any, **options: Any) -> str:
    text: str = yaml.dump(document, Dumper=_DUMPER, **options)
    return text


def plain(value: Any) -> Any:
    """Return Ansible's value as ordinary data, so that the rules and YAML see only that."""
    if isinstance(value, Mapping):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if value is None or isinstance(value, bool):
        return value
    for kind in (int, float):
        if isinstance(value, kind):
            return kind(value)
    return "".join(str(value))


def contract(text: str) -> Any:
    """Return the contract of a release line as plain data."""
    return _load(text)


def _configuration(
    contract: Any,
    given: Any,
    users_file: str | None,
    services_file: str | None = None,
    workspaces_file: str | None = None,
) -> Configuration:
    texts = zip(FILES, (users_file, services_file, workspaces_file))
    return read_with_files(
        contract, given, {name: text if text is None else "".join(text) for name, text in texts}
    )


def _for_a_look(contract: Any, given: Any, users_file: str | None) -> Configuration:
    """Return a configuration with which a host can be looked at and judged, valid or not."""
    read = _configuration(contract, given, users_file)
    # a place that is not valid is not looked at, but the usual one may hold a bot
    usual = {name: spec["default"] for name, spec in contract["host"].items() if "default" in spec}
    read.host = {**usual, **read.host}
    return read


def configuration(
    given: Any,
    contract: Any,
    users_file: str | None = None,
    services_file: str | None = None,
    workspaces_file: str | None = None,
) -> dict[str, Any]:
    """Return what the variables mean.

    users_file, services_file, workspaces_file: texts of the operator's own files.
    Problems, notes, host, modules, the keys of secrets, and the accounts of the bot and its agents.
    """
    given = plain(given)
    read = _configuration(plain(contract), given, users_file, services_file, workspaces_file)
    extra = given.get("kai_install_secret_extra_env")
    return {
        "problems": [problem.as_dict() for problem in read.problems],
        "notes": read.notes,
        "host": read.host,
        # what is refused is not there
        "accounts": [*filter(None, [read.host.get("service_user")]), *os_users(read.people)],
        "modules": modules_of_extras(contract, read.host.get("extras", [])),
        "secret_keys": sorted(
            {key for key in read.chosen if is_secret(contract, key)}
            | (set(extra or ()) & set(read.extra_env))
        ),
    }


def probe_request(
    given: Any,
    contract: Any,
    users_file: str | None = None,
    release: str = "",
    compared: bool = False,
    workspaces_file: str | None = None,
) -> dict[str, Any]:
    """Return the arguments for kai_probe.

    release: the one that is to be installed, if any. compared: whether ``differs`` will be asked.
    """
    contract = plain(contract)
    read = _configuration(contract, plain(given), users_file, workspaces_file=workspaces_file)
    request = plan.probe_request(contract, read, plain(release))
    return {
        **request,
        "installed": plan.installed_request(contract, read, told=False) if compared else None,
    }


def desired_state(
    given: Any,
    contract: Any,
    probe: Any,
    users_file: str | None = None,
    workspaces_file: str | None = None,
) -> dict[str, Any]:
    """Return what the host must look like, and what stands in its way."""
    contract, given = plain(contract), plain(given)
    read = _configuration(contract, given, users_file, workspaces_file=workspaces_file)
    desired = plan.desired_state(contract, read, plain(probe))
    return {**desired, "record": recorded(contract, read, given)}


def status_request(given: Any, contract: Any, users_file: str | None = None) -> dict[str, Any]:
    """Return the arguments for kai_probe that let ``host_status`` judge a host."""
    contract = plain(contract)
    read = _for_a_look(contract, plain(given), users_file)
    request = plan.probe_request(contract, read)
    return {**request, "versions": True, "installed": plan.installed_request(contract, read)}


def host_status(
    given: Any,
    contract: Any,
    probe: Any,
    files: Any,
    secret_contents: Any,
    users_file: str | None = None,
) -> dict[str, Any]:
    """Return whether a host is well, and what of it is not what the variables say.

    files, secret_contents: those of an install, as kai_switch gets them.
    """
    contract, probe = plain(contract), plain(probe)
    read = _for_a_look(contract, plain(given), users_file)
    desired = None if read.problems else plan.desired_state(contract, read, probe)
    wanted = file_state.wanted_states(plain(files), plain(secret_contents))
    return status.host_status(contract, read, probe, desired, wanted, fields_of_people)


def checkup_request(
    given: Any, contract: Any, probe: Any, users_file: str | None = None
) -> dict[str, Any]:
    """Return the arguments for kai_checkup. probe: what ``status_request`` asked for."""
    contract, probe, given = plain(contract), plain(probe), plain(given)
    read = _for_a_look(contract, given, users_file)
    desired = None if read.problems else plan.desired_state(contract, read, probe)
    extra = given.get("kai_install_secret_extra_env")
    # one that is no mapping is among the problems
    secrets = extra if isinstance(extra, dict) else ()
    return doctor.checkup_request(contract, read, probe, desired, secrets)


def diagnosis(
    given: Any,
    contract: Any,
    probe: Any,
    status: Any,
    checkup: Any,
    users_file: str | None = None,
) -> list[dict[str, str]]:
    """Return what keeps the bot from its work: stage, where, evidence, cause and fix of each.

    status: what ``host_status`` returned. checkup: the result of kai_checkup.
    """
    contract, probe = plain(contract), plain(probe)
    read = _for_a_look(contract, plain(given), users_file)
    desired = None if read.problems else plan.desired_state(contract, read, probe)
    found = doctor.diagnosis(contract, read, probe, desired, plain(status), plain(checkup))
    return [finding.as_dict() for finding in found]


def diagnosis_lines(findings: Sequence[Any]) -> list[str]:
    """Return what ``diagnosis`` found, one line each."""
    return doctor.in_lines([doctor.Finding(**plain(finding)) for finding in findings])


def differs(probe: Any, files: Any, secret_contents: Any, release: Any) -> bool:
    """Return whether an install has anything to change on a host.

    probe: the result of kai_probe. files, secret_contents, release: as kai_switch gets them.
    """
    wanted = file_state.wanted_states(plain(files), plain(secret_contents))
    return not drift.is_as_wanted(plain(probe), wanted, plain(release))


def is_comparable(given: Any, contract: Any, probe: Any, users_file: str | None = None) -> bool:
    """Return whether ``host_status`` has to know the files of an install."""
    contract = plain(contract)
    return status.is_comparable(_configuration(contract, plain(given), users_file), plain(probe))


def fields_of_people(text: str) -> dict[str, str]:
    """Return every field of every person of a users.yaml, nothing for what is none."""
    try:
        document = read_tree(_load_of_others, text, yaml.YAMLError)
    except (yaml.YAMLError, NotATree):
        return {}
    people = document.get("users") if isinstance(document, dict) else None
    return {
        f"{person.get('name')} ({person.get('telegram_id')}): {field}": str(value)
        for person in people or ()
        if isinstance(person, dict)
        for field, value in person.items()
    }


def python_for(interpreters: Sequence[Any], requires: str, wanted: str = "") -> dict[str, Any]:
    """Return path and problems: the newest interpreter in the range, or the wanted one.

    interpreters: those that kai_probe saw. requires: a range of versions, as in pyproject.toml.
    """
    if not HAS_PACKAGING:
        raise AnsibleFilterError("the Python package 'packaging' is missing on the controller")
    try:
        accepted = SpecifierSet(requires)
    except InvalidSpecifier as error:
        raise AnsibleFilterError(f"requires-python {requires!r} is not a range") from error
    seen = []
    for interpreter in interpreters:
        path, version, fault = (interpreter[key] for key in ("path", "version", "fault"))
        if wanted and path != wanted:
            continue
        if not fault and accepted.contains(version, prereleases=True):
            return {"path": path, "problems": []}
        seen.append(f"{path}, which {fault or f'is {version}'}")
    problem = Problem(
        "kai_install_python",
        "; ".join(seen) if seen else "no Python on the host",
        f"Python {requires} with its venv module, which the service user can run",
        "install it with its venv package, or set kai_install_python to its absolute path",
    )
    return {"path": "", "problems": [problem.as_dict()]}


def rollback_choice(status: Any, to: Any, with_database: bool) -> dict[str, Any]:
    """Return what a rollback goes back to, or the problems that keep it from doing so.

    status: the result of kai_status. to: the number of an install or a release, or nothing.
    """
    chosen = installs.choose(plain(status), str(plain(to)), with_database=bool(with_database))
    return chosen.as_dict()


def problems_text(problems: Sequence[Any]) -> str:
    """Return problems as numbered lines for a person."""
    entries = [Problem(**plain(problem)) for problem in problems]
    count = "1 problem" if len(entries) == 1 else f"{len(entries)} problems"
    lines = [f"{number}. {problem}" for number, problem in enumerate(entries, start=1)]
    return "\n".join([f"{count}; nothing was changed.", *lines])


def findings_lines(findings: Sequence[Any]) -> list[str]:
    """Return what a look found, one line each."""
    return [str(Problem(**plain(finding))) for finding in findings]


def users_yaml(users: Any) -> str:
    """Return the text of users.yaml that reads back as exactly these entries.

    PyYAML writes some line separators as they are and then reads a blank, so text that has one is
    written in escapes. Raises AnsibleFilterError for what YAML cannot hold.
    """
    document = {"users": plain(users)}
    for allow_unicode in (True, False):
        text: str = _dump(document, sort_keys=False, allow_unicode=allow_unicode, width=2**16)
        if _load(text) == document:
            return text
    raise AnsibleFilterError("users.yaml cannot hold these users so that they read back the same")


def env_line(value: Any, key: str) -> str:
    """Return the line of /etc/kai/env that gives a key its value."""
    try:
        return env_file.env_line(plain(key), plain(value))
    except env_file.UnwritableValue as error:
        raise AnsibleFilterError(str(error)) from error


def sudoers_command(path: str) -> str:
    """Return a path as the command of a sudoers rule."""
    try:
        return sudoers.sudoers_command(plain(path))
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


def secure_path(directories: Sequence[str]) -> str:
    """Return directories as the value of secure_path."""
    try:
        return sudoers.secure_path(plain(directories))
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """The filters of the collection."""

    def filters(self) -> dict[str, Any]:
        """Return every filter by name."""
        return {
            "checkup_request": checkup_request,
            "configuration": configuration,
            "contract": contract,
            "desired_state": desired_state,
            "diagnosis": diagnosis,
            "diagnosis_lines": diagnosis_lines,
            "differs": differs,
            "env_line": env_line,
            "findings_lines": findings_lines,
            "host_status": host_status,
            "is_comparable": is_comparable,
            "probe_request": probe_request,
            "problems_text": problems_text,
            "python_for": python_for,
            "rollback_choice": rollback_choice,
            "secure_path": secure_path,
            "status_request": status_request,
            "sudoers_command": sudoers_command,
            "unit_argument": unit.unit_argument,
            "unit_path": unit.unit_path,
            "unit_word": unit.unit_word,
            "users_yaml": users_yaml,
        }
