# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Choose the Python that a release is built with."""

from __future__ import annotations

from typing import TYPE_CHECKING

try:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
except ImportError:  # ansible-core brings it to every controller; hosts never import this module
    SpecifierSet = None  # type: ignore[assignment, misc, unused-ignore]

from .problems import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .probe import Interpreter

VARIABLE = "kai_install_python"


def choose_interpreter(
    interpreters: Sequence[Interpreter], requires: str, wanted: str = ""
) -> tuple[str, list[Problem]]:
    """Return the path of the newest interpreter in the range, and why there is none.

    interpreters: those that kai_probe saw, newest first. requires: a range of versions, as
    pyproject.toml has it. wanted: the path that the operator named, empty without one.
    """
    try:
        accepted = SpecifierSet(requires)
    except InvalidSpecifier:
        fix = "correct requires-python in the pyproject.toml of the source"
        return "", [Problem("requires-python of the source", repr(requires), "a range", fix)]
    rejected = []
    for interpreter in interpreters:
        path, version, fault = interpreter["path"], interpreter["version"], interpreter["fault"]
        if wanted and path != wanted:
            continue
        if not fault and accepted.contains(version, prereleases=True):
            return path, []
        rejected.append(f"{path}, which {fault or f'is {version}'}")
    problem = Problem(
        VARIABLE,
        "; ".join(rejected) if rejected else "no Python on the host",
        f"Python {requires} with its venv module, which the service user can run",
        f"install it with its venv package, or set {VARIABLE} to its absolute path",
    )
    return "", [problem]
