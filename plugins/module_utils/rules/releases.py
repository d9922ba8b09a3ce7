# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The identity of a release, and the content of its virtual environment."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from .conditions import holds, in_words
from .problems import Problem, listed

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from .conditions import Circumstances
    from .contract import Contract


def digest_of_files(files: Mapping[str, tuple[bytes, bool]]) -> str:
    """Return the digest of files, given as content and whether executable by path."""
    digest = hashlib.sha256()
    for name in sorted(files):
        content, executable = files[name]
        # the length ends a content, so that no two sets of files feed the same bytes
        head = f"\0{name}\0{executable:d}{len(content)}\0"
        digest.update(head.encode(errors="surrogateescape"))
        digest.update(content)
    return digest.hexdigest()


def release_identifier(digest: str, extras: Sequence[str], python: str) -> str:
    """Return the identifier of a release: twelve hexadecimal digits.

    digest: of its files. python: the interpreter that was asked for, empty when none was.
    """
    identity = json.dumps([digest, sorted(extras), python])
    return hashlib.sha256(identity.encode(errors="surrogateescape")).hexdigest()[:12]


def release_name(identifier: str, live: str | None, complete: Collection[str]) -> str:
    """Return the name of a release's directory, which may not exist yet.

    live, complete: the names of the live release and of those that work.
    A live release that no longer works is never built over: the bot may still run from it, and
    stays until another one is ready. So its identifier has a second name.
    """
    names = (identifier, f"{identifier}-2")
    if live in names and live in complete:
        return str(live)
    for name in names:
        if name in complete:
            return name
    return names[1] if live == names[0] else names[0]


def extras_by_feature(contract: Contract, circumstances: Circumstances) -> list[str]:
    """Return the extras that the enabled features need, and those that need no feature."""
    return [
        name
        for name, extra in contract.package.extras.items()
        if holds(extra.feature or "always", circumstances)
    ]


def missing_extras(
    contract: Contract, circumstances: Circumstances, extras: Sequence[str]
) -> list[Problem]:
    """Return a problem for each enabled feature whose extra is not among the chosen ones."""
    return [
        Problem(
            "kai_install_extras",
            f"{listed(extras)} although {in_words(extra.feature)}",
            f"{name} among them",
            f"add {name} to kai_install_extras, or remove the variable",
        )
        for name, extra in contract.package.extras.items()
        if extra.feature and holds(extra.feature, circumstances) and name not in extras
    ]


def modules_of_extras(contract: Contract, extras: Sequence[str]) -> list[str]:
    """Return the Python modules that have to be importable with the extras."""
    known = contract.package.extras
    return [module for name in extras if name in known for module in known[name].modules]
