# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the release lines and the contract of each, the only place that does: for plans, the wizard
and every command.

The directory is ``vars`` of the role: ``lines/lines.yml`` lists the lines, and a line is either
whole, as ``kai_LINE.yml``, or a difference from another one, as ``lines/LINE.yml``.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from ..rules.contract import Contract, composed_contract, read_contract
from ..rules.line_composition import BadDifference, composed
from ..rules.problems import Problem, Refused, listed
from ..rules.release_line import AUTO, Lines, read_lines
from ..rules.typed_data import Unfit

VARIABLE = "kai_install_release"


def lines_of(directory: str) -> Lines:
    """Return every release line, the newest first. Raises Refused for a damaged file."""
    path = os.path.join(directory, "lines", "lines.yml")
    try:
        return read_lines(_document(path))
    except Unfit as error:
        raise Refused(f"{path}: {error}. Fix: install the collection again") from error


def contract_of_line(directory: str, line: str) -> Contract:
    """Return the contract of a release line.

    Raises Refused for an unknown line, and for a damaged contract with every fault.
    """
    lines = lines_of(directory)
    known = [one.line for one in lines.lines]
    if line not in known:
        expected = f"one of {listed([AUTO, *known])}"
        fix = f"set {VARIABLE} to {AUTO}, which takes it from the source"
        raise Refused(Problem(VARIABLE, repr(line), expected, fix))
    return replace(_contract(directory, line), elsewhere=_elsewhere(directory, lines, line))


def _contract(directory: str, line: str) -> Contract:
    whole = _path(directory, line)
    if os.path.basename(os.path.dirname(whole)) != "lines":
        with open(whole, encoding="utf-8") as handle:
            return read_contract(handle.read(), whole)
    documents: dict[str, Any] = {line: _document(whole)}
    base = documents[line].get("based_on")
    while base is not None and base not in documents:
        documents[base] = _document(_path(directory, base))
        base = documents[base].get("based_on")
    try:
        return composed_contract(composed(line, documents), whole)
    except BadDifference as error:
        raise Refused(f"{whole}: {error}. Fix: docs/contract.md explains each part") from error


def _elsewhere(directory: str, lines: Lines, line: str) -> dict[str, dict[str, str]]:
    """Return the titles by line of each variable that other lines have and this one has not.

    tools/generate.py writes the file, which has none but variables that some line lacks.
    """
    path = os.path.join(directory, "lines", "variables.yml")
    lines_by_name = _document(path) if os.path.exists(path) else {}
    return {
        name: {one.line: one.title for one in lines.lines if one.line in having}
        for name, having in lines_by_name.items()
        if line not in having
    }


def _path(directory: str, line: str) -> str:
    whole = os.path.join(directory, f"kai_{line}.yml")
    return whole if os.path.exists(whole) else os.path.join(directory, "lines", f"{line}.yml")


def _document(path: str) -> Any:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        with open(path, encoding="utf-8") as handle:
            return yaml.load(handle, Loader=loader)  # noqa: S506 - a safe one
    except yaml.YAMLError as error:
        raise Refused(f"{path} is not YAML: {error}. Fix: install the collection again") from error
