# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Of which release line of Kai a source tree is; its version string does not tell.

The data is ``lines.yml`` beside the contracts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Mapping

from .problems import Problem, listed
from .sources import is_git_url, without_password
from .typed_data import named, needed, read, text

if TYPE_CHECKING:
    from collections.abc import Collection

    from .module_arguments import CodeSigns

AUTO = "auto"
_FILE = "[^/].*"
_LINE = "[0-9]+([.][0-9]+)?"
_VARIABLE = re.compile(
    r"^DEPLOYMENT_MODE_ENV\s*(?::[^=\n]+)?=\s*([\"'])(?P<name>[A-Z][A-Z0-9_]*)\1", re.MULTILINE
)


@dataclass(frozen=True)
class Sign:
    """A file that a tree has, or a pattern that a file of it has somewhere."""

    file: str = text(_FILE)
    pattern: str | None = None

    def holds(self, names: Collection[str], texts: Mapping[str, str]) -> bool:
        """Return whether a tree has it."""
        if self.file not in names:
            return False
        return self.pattern is None or bool(
            re.search(self.pattern, texts.get(self.file, ""), re.MULTILINE)
        )


@dataclass(frozen=True)
class Line:
    """A release line: what each tree of it has and has not, and what some of its trees have.

    is_: what was installed for real of it. ref: a commit of it.
    """

    line: str = text(_LINE)
    title: str = needed()
    is_: str = named("is")
    ref: str = text("[0-9a-f]{40}")
    has: tuple[Sign, ...] = needed()
    lacks: tuple[Sign, ...] = ()
    features: Mapping[str, Sign] = text("", keys="[a-z][a-z_]*", default={})


@dataclass(frozen=True)
class Other:
    """A tree that is of no line: what it has, and what it is."""

    has: Sign
    is_: str = named("is")
    lacks: tuple[Sign, ...] = ()


@dataclass(frozen=True)
class Lines:
    """Every line, the newest first, and trees that are known to be of none."""

    lines: tuple[Line, ...]
    others: tuple[Other, ...]

    def named(self, line: str) -> Line | None:
        """Return a line by its name."""
        return next((one for one in self.lines if one.line == line), None)

    def of_commit(self, commit: Any) -> Line | None:
        """Return the line whose known commit this is; its tree needs no look."""
        return next((one for one in self.lines if one.ref == commit), None)

    @property
    def texts(self) -> tuple[str, ...]:
        """The files of a tree that have to be read."""
        trees = [(*line.has, *line.lacks, *line.features.values()) for line in self.lines]
        trees += [(other.has, *other.lacks) for other in self.others]
        return tuple(sorted({sign.file for signs in trees for sign in signs if sign.pattern}))


@dataclass(frozen=True)
class Found:
    """What a source tree is.

    line: None for a tree of no line, and reason says what it is instead. features: what not every
    tree of the line has. mode_variable: the variable in which the service definition records how
    Kai is deployed, None where Kai reads none.
    """

    line: str | None
    reason: str | None = None
    features: frozenset[str] = frozenset()
    mode_variable: str | None = None


def read_lines(data: Any) -> Lines:
    """Return the lines that a document describes. Raises Unfit."""
    found: Lines = read(Lines, data)
    return found


def line_of(lines: Lines, names: Collection[str], texts: Mapping[str, str]) -> Found:
    """Return of which line a source tree is.

    names: paths of its files. texts: the content of those files that ``Lines.texts`` lists.
    """
    for line in lines.lines:
        if all(sign.holds(names, texts) for sign in line.has) and not any(
            sign.holds(names, texts) for sign in line.lacks
        ):
            features = frozenset(
                name for name, sign in line.features.items() if sign.holds(names, texts)
            )
            mode = _VARIABLE.search(texts.get("src/kai/config.py", ""))
            return Found(line.line, None, features, mode["name"] if mode else None)
    for other in lines.others:
        if other.has.holds(names, texts) and not any(
            sign.holds(names, texts) for sign in other.lacks
        ):
            return Found(None, other.is_)
    oldest = lines.lines[-1]
    missing = [sign.file for sign in oldest.has if not sign.holds(names, texts)]
    return Found(None, f"no {missing[0]}" if missing else "a tree of no known line")


def code_signs(lines: Lines) -> list[CodeSigns]:
    """Return by which files the bot of Kai's own installer is known to be of a line.

    Files of the code alone, without their texts: that installer keeps nothing else as it is.
    """

    def code(signs: tuple[Sign, ...]) -> list[str]:
        return [sign.file for sign in signs if not sign.pattern and sign.file.startswith("src/")]

    return [
        {"line": line.line, "has": code(line.has), "lacks": code(line.lacks)}
        for line in lines.lines
    ]


def problem_of_release(lines: Lines, found: Found, release: str, source: str) -> Problem | None:
    """Return why a source cannot be installed as a release, or None when it can.

    release: the value of kai_install_release, a line or ``auto``.
    """
    shown = without_password(source)
    what = "set kai_install_version to" if is_git_url(source) else "check out"
    asked = lines.named(release)
    if found.line is None:
        wanted = [asked] if asked else lines.lines
        return Problem(
            "kai_install_source",
            f"{found.reason} at {shown}",
            f"a source of {listed(f'{one.title} ({one.is_})' for one in wanted)}",
            f"{what} {wanted[0].ref}, or name another source",
        )
    if release in (AUTO, found.line):
        return None
    if asked is None:
        return Problem(
            "kai_install_release",
            repr(release),
            f"one of {listed([AUTO, *(one.line for one in lines.lines)])}",
            f"set kai_install_release to {AUTO}",
        )
    return Problem(
        "kai_install_release",
        f'"{release}", and the source {shown} is of line {found.line}',
        f"a source of {asked.title} ({asked.is_})",
        f"set kai_install_release to {AUTO}, or {what} {asked.ref}",
    )
