"""Check that a source exists and is of the supported line of Kai."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kai_ansible.controller.source_files import names_in
from kai_ansible.rules.contract import Contract
from kai_ansible.rules.problems import Problem, Refused
from kai_ansible.rules.sources import is_git_url, problem_of_line

if TYPE_CHECKING:
    from collections.abc import Mapping

_UNREADABLE = (Refused, OSError)


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
        return problem_of_line(contract.line, source, names_in(str(path), None, files or []))
    except _UNREADABLE as error:
        return _problem(source, str(error))


def problem_of_remote_source(
    contract: Contract,
    source: str,
    version: str | None,
    environment: Mapping[str, str] | None = None,
) -> Problem | str | None:
    """Return the problem of a git URL, or a note if it does not answer now.

    environment: variables of the network for git.
    """
    if not is_git_url(source):
        return None
    try:
        return problem_of_line(contract.line, source, names_in(source, version, [], environment))
    except _UNREADABLE as error:
        return f"The line of Kai at {source} is unknown: {error}"


def _problem(source: str, fault: str) -> Problem:
    return Problem(
        "kai_install_source", repr(source), "Kai's code on this machine", f"fix it: {fault}"
    )
