"""Check that a source exists and is of the line of Kai that is configured."""

from __future__ import annotations

from pathlib import Path

from kai_ansible.ansible.collection import lines
from kai_ansible.controller.source_line import UNREADABLE, found_line
from kai_ansible.rules.contract import Contract
from kai_ansible.rules.problems import Problem
from kai_ansible.rules.release_line import problem_of_release
from kai_ansible.rules.sources import is_git_url


def problem_of_local_source(
    contract: Contract, source: str, files: list[str] | None = None
) -> Problem | None:
    """Return the problem of a source on this machine, None also for a git URL.

    files: the files of a directory that belong to the release, as in kai_install_source_files.
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
    return problem_of_release(lines(), found, contract.release, source)


def problem_of_remote_source(
    contract: Contract, source: str, version: str | None
) -> Problem | str | None:
    """Return the problem of a git URL, or a note if it does not answer now."""
    if not is_git_url(source):
        return None
    try:
        found = found_line(lines(), source, version)
    except UNREADABLE as error:
        return f"The line of Kai at {source} is unknown: {error}"
    return problem_of_release(lines(), found, contract.release, source)


def _problem(source: str, fault: str) -> Problem:
    return Problem(
        "kai_install_source", repr(source), "Kai's code on this machine", f"fix it: {fault}"
    )
