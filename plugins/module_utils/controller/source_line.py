# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Identify the release line of the operator's source."""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
import zipfile
from typing import TYPE_CHECKING

from ..rules.network_environment import read_environment
from ..rules.problems import Problem, Refused
from ..rules.release_line import AUTO, Found, Lines, line_of, problem_of_release
from ..rules.sources import is_git_url, without_password
from .contracts import VARIABLE, contract_of_line, lines_of
from .git_source import fetched
from .source_files import (
    Archive,
    files_in_wheel,
    files_of,
    from_archive,
    from_wheel,
    names_below,
    read_archive,
)
from .source_limits import Allowance

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from typing import Any

    from ..rules.contract import Contract

UNREADABLE = (Refused, OSError, tarfile.TarError, zipfile.BadZipFile)


def no_source(source: str) -> str:
    """Return what is wrong with the path of a source that is not there."""
    return (
        f"{source} does not exist on the machine that runs Ansible. Fix: correct "
        f"kai_install_source, or get Kai there: git clone"
    )


def found_line(
    lines: Lines,
    source: str,
    version: str | None = None,
    patterns: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Found:
    """Return what a source tree is. Raises one of UNREADABLE.

    patterns: the files of a directory that belong to the release, as in kai_install_source_files.
    environment: variables of the network for git.
    """
    if is_git_url(source):
        with fetched(source, version, environment or {}) as (tree, names):
            return line_of(lines, names, _texts(lines, tree, names))
    if not os.path.exists(source):
        raise Refused(no_source(source))
    if os.path.isdir(source):
        names = list(names_below(source, list(patterns)))
        return line_of(lines, names, _texts(lines, source, names))
    archive = read_archive(source)
    if source.endswith(".whl"):
        return found_in_wheel(lines, archive)
    return found_in_files(lines, from_archive(archive))


def found_in_files(lines: Lines, files: Mapping[str, tuple[bytes, bool]]) -> Found:
    """Return what a source tree is, from its files in memory: content and x bit by name."""
    texts = {name: files[name][0].decode(errors="replace") for name in lines.texts if name in files}
    return line_of(lines, list(files), texts)


def found_in_wheel(lines: Lines, wheel: Archive) -> Found:
    """Return what a wheel was built from: its packages are below src, its data at the top."""
    code = {f"src/{name}": content for name, content in files_in_wheel(wheel).items()}
    data, _python = from_wheel(wheel)
    return found_in_files(lines, {**code, **data})


def contract_for(
    directory: str,
    given: Mapping[str, Any],
    cache: str | None = None,
    *,
    is_judged: bool = False,
) -> tuple[Contract | None, list[Problem]]:
    """Return the contract of the line that variables choose, or why there is none.

    A source that cannot be read comes with both: its problem, and the contract of the line that the
    variables fit best, so that they are judged in the same run.

    directory: ``vars`` of the role. given: the variables of the role by name; without a line, and
    with ``auto``, the source decides. cache: a directory that goes with the run, in which a source
    is looked at once. is_judged: whether a given line is compared with a source on this machine,
    since by another line's contract half of the variables would look wrong.
    """
    release = str(given.get(VARIABLE) or AUTO)
    if release == AUTO:
        source = given.get("kai_install_source")
        if not isinstance(source, str) or not source:
            # read_configuration reports it, in the words of any line
            return contract_of_line(directory, lines_of(directory).lines[-1].line), []
        lines = lines_of(directory)
        known = lines.of_commit(given.get("kai_install_version")) if is_git_url(source) else None
        if known:
            return contract_of_line(directory, known.line), []
        try:
            found = _found_once(lines, given, source, cache)
        except UNREADABLE as error:
            return fitting(directory, given)[0], [unreadable(source, str(error))]
        problem = problem_of_release(lines, found, AUTO, source)
        if problem or found.line is None:
            return None, [problem] if problem else []
        release = found.line
    elif is_judged:
        problem = _contradiction(directory, given, release, cache)
        if problem:
            return None, [problem]
    try:
        return contract_of_line(directory, release), []
    except Refused as error:
        if error.problem is None:
            raise
        return None, [error.problem]


def fitting(directory: str, given: Mapping[str, Any]) -> list[Contract]:
    """Return the contracts of the lines that lack the fewest of the variables, the oldest first."""
    lines = reversed(lines_of(directory).lines)
    lacking: dict[int, list[Contract]] = {}
    for contract in (contract_of_line(directory, one.line) for one in lines):
        lacking.setdefault(len(contract.elsewhere.keys() & given.keys()), []).append(contract)
    return lacking[min(lacking)]


def _contradiction(
    directory: str, given: Mapping[str, Any], release: str, cache: str | None
) -> Problem | None:
    source, lines = given.get("kai_install_source"), lines_of(directory)
    if not isinstance(source, str) or is_git_url(source) or not lines.named(release):
        return None
    try:
        found = _found_once(lines, given, source, cache)
    except UNREADABLE:
        # the task that reads the source tells the reason
        return None
    return problem_of_release(lines, found, release, source) if found.line else None


def unreadable(source: str, fault: str) -> Problem:
    """Return the problem of a source that cannot be read, so that its line is unknown."""
    reason = without_password(fault).partition(". Fix: ")[0]
    return Problem(
        "kai_install_source",
        f"{without_password(source)}, whose release line is unknown: {reason}",
        "a source of Kai that can be read here",
        f"correct it, or set {VARIABLE} to the line of the host",
    )


def found_of(lines: Lines, given: Mapping[str, Any]) -> Found:
    """Return what the source that variables name is. Raises one of UNREADABLE."""
    version, patterns = given.get("kai_install_version"), given.get("kai_install_source_files")
    environment, _fault = read_environment(given.get("kai_install_environment") or {})
    patterns = [one for one in patterns if isinstance(one, str)] if patterns else []
    source = str(given.get("kai_install_source") or "")
    return found_line(lines, source, version, patterns, environment)


def _found_once(lines: Lines, given: Mapping[str, Any], source: str, cache: str | None) -> Found:
    asked = [source, given.get("kai_install_version"), given.get("kai_install_source_files")]
    if cache is None:
        return found_of(lines, given)
    key = hashlib.sha256(json.dumps(asked, default=str).encode(errors="surrogateescape"))
    path = os.path.join(cache, f"kai-line-{key.hexdigest()[:16]}.json")
    try:
        with open(path, encoding="utf-8") as handle:
            line, reason = json.load(handle)
    except (OSError, ValueError):
        found = found_of(lines, given)
        line, reason = found.line, found.reason
        with open(f"{path}.{os.getpid()}", "w", encoding="utf-8") as note:
            json.dump([line, reason], note)
        os.replace(f"{path}.{os.getpid()}", path)
    return Found(line, reason)


def _texts(lines: Lines, tree: str, names: Collection[str]) -> dict[str, str]:
    wanted = [name for name in lines.texts if name in names]
    read = files_of(tree, wanted, Allowance(tree))
    return {name: content.decode(errors="replace") for name, (content, _x) in read.items()}
