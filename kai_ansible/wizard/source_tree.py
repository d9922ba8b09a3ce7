"""Check that a source exists and is of the line of Kai that is configured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from kai_ansible.ansible.collection import lines
from kai_ansible.controller.source_line import UNREADABLE, found_line
from kai_ansible.rules.contract import Contract
from kai_ansible.rules.problems import Problem
from kai_ansible.rules.release_line import AUTO, Found, problem_of_release
from kai_ansible.rules.sources import is_git_url


def absolute_source(source: str) -> str:
    """Return a source with a path of this machine absolute; a git URL stays."""
    return source if is_git_url(source) else str(Path(source).expanduser().absolute())


def problem_of_local_source(
    contract: Contract | None, source: str, files: list[str] | None = None
) -> Problem | None:
    """Return the problem of a source on this machine, None also for a git URL.

    contract: of the line that is configured, None where the source decides on it. files: the files
    of a directory that belong to the release, as in kai_install_source_files.
    """
    if is_git_url(source):
        return None
    path = Path(source).expanduser()
    if not path.exists():
        return _problem(source, "there is no such file or directory here")
    try:
        found = found_line(lines(), str(path), None, files or [])
    except UNREADABLE as error:
        return _problem(source, str(error))
    return _problem_of_line(contract, found, source)


def problem_of_remote_source(contract: Contract, host: Mapping[str, Any]) -> Problem | str | None:
    """Return the problem of a git URL, or a note if it does not answer now.

    host: the settings of the installation, with the variables of the network for git.
    """
    source = host["source"]
    if not is_git_url(source):
        return None
    try:
        found = found_line(
            lines(), source, host.get("version"), environment=host.get("environment")
        )
    except UNREADABLE as error:
        return f"The line of Kai at {source} is unknown: {error}"
    return _problem_of_line(contract, found, source)


def _problem_of_line(contract: Contract | None, found: Found, source: str) -> Problem | None:
    release = contract.release if contract else AUTO
    problem = problem_of_release(lines(), found, release, source)
    if problem is None or contract is None or found.line is None:
        return problem
    newest_first = [one.line for one in lines().lines]
    if newest_first.index(found.line) > newest_first.index(release):
        return problem
    fix = f"run kai-ansible migrate --to {found.line}, which rewrites host_vars, then name it again"
    return replace(problem, fix=fix)


def _problem(source: str, fault: str) -> Problem:
    return Problem(
        "kai_install_source", repr(source), "Kai's code on this machine", f"fix it: {fault}"
    )
