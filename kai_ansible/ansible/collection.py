"""Read the contract of the collection kai.bot."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from kai_ansible.ansible.place import collection_root
from kai_ansible.controller.contracts import VARIABLE, contract_of_line, lines_of
from kai_ansible.controller.source_line import UNREADABLE, contract_for, fitting, found_of
from kai_ansible.errors import CommandError
from kai_ansible.rules.contract import Contract
from kai_ansible.rules.problems import Problem, Refused, listed
from kai_ansible.rules.release_line import AUTO, Lines
from kai_ansible.rules.sources import is_git_url

# the line to assume when no host is involved, or its variables do not determine one
DEFAULT_RELEASE = "1"
SOURCE = "kai_install_source"
# takes notes for the operator
Notes = Callable[[Iterable[str]], object]
# of each probed source
_found: dict[str, tuple[Contract | None, list[Problem]]] = {}


def vars_directory() -> Path:
    """Return the directory with the contracts."""
    return collection_root() / "roles" / "kai_install" / "vars"


@cache
def lines() -> Lines:
    """Return the release lines of Kai."""
    return lines_of(str(vars_directory()))


@cache
def contract(release: str = DEFAULT_RELEASE) -> Contract:
    """Return the contract of a release line of Kai. Raises CommandError for an unknown line."""
    try:
        return contract_of_line(str(vars_directory()), release)
    except Refused as error:
        if error.problem is None:
            raise
        raise CommandError(
            "This release line of Kai is not known.", problems=[error.problem]
        ) from error


def contract_of(variables: Mapping[str, Any], notes: Notes | None = None) -> Contract:
    """Return the contract of the line that the variables of a host choose.

    The source decides if they choose none. A source of no line leaves that open: then it is the
    contract of DEFAULT_RELEASE, whose variables the others know as well; an install refuses such a
    source. Of a source that cannot be read it is a guess: the line that the variables fit best.
    notes: takes the sentence that says so. Raises CommandError for an unknown line.
    """
    release = str(variables.get(VARIABLE) or AUTO)
    if release != AUTO:
        return contract(release)
    found = _found_by_source(variables)[0] or contract()
    problem = unread_source(variables)
    if problem and notes:
        guess = f"Assuming {found.title}, because host_vars have its settings"
        notes([f"{problem.where}: {problem.found}. {guess}. To be sure, {problem.fix}."])
    return found


def certain_contract(variables: Mapping[str, Any], notes: Notes) -> Contract:
    """Return the contract of a host whose variables are about to change.

    notes: as for ``contract_of``. Raises CommandError where the source cannot be read and the
    variables fit several lines, because the names of settings differ between these.
    """
    problem = unread_source(variables)
    if problem and len(fitting(str(vars_directory()), variables)) > 1:
        named = listed(one.line for one in lines().lines)
        fix = f"correct it, or name the line, one of {named}: kai-ansible config --set release=LINE"
        raise CommandError("Nothing was written.", problems=[replace(problem, fix=fix)])
    return contract_of(variables, notes)


def unread_source(variables: Mapping[str, Any]) -> Problem | None:
    """Return why the source of a host leaves its line unknown, None if the line is known.

    The checks of ``kai_install_source`` report a path that does not exist.
    """
    if str(variables.get(VARIABLE) or AUTO) != AUTO or not is_git_url(str(variables.get(SOURCE))):
        return None
    found, problems = _found_by_source(variables)
    return problems[0] if found and problems else None


def features_of(variables: Mapping[str, Any]) -> frozenset[str]:
    """Return what the source of a host has that not every source has; nothing if it is unreadable.

    A git source is fetched for it.
    """
    try:
        return found_of(lines(), variables).features
    except UNREADABLE:
        return frozenset()


def checked_contract(variables: Mapping[str, Any]) -> tuple[Contract | None, list[Problem]]:
    """Return the contract of the line of a host's source, and what is wrong with line or source.

    The contract is None where by it half of the variables would look wrong.
    """
    if str(variables.get(VARIABLE) or AUTO) == AUTO:
        return _found_by_source(variables)
    return contract_for(str(vars_directory()), variables, is_judged=True)


def _found_by_source(variables: Mapping[str, Any]) -> tuple[Contract | None, list[Problem]]:
    about = [variables.get(f"kai_install_{name}") for name in ("source", "version", "source_files")]
    asked = json.dumps(about, default=str)
    if asked not in _found:
        _found[asked] = contract_for(str(vars_directory()), variables)
    return _found[asked]
