# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge the directories in which the agents of users start: each is its user's alone."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, NamedTuple

from .paths import fault_of_path
from .problems import Problem, shortened

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .contract import Contract


class Home(NamedTuple):
    """A home. where: its place in the configuration. account: whose agents start there."""

    where: str
    name: str
    account: str
    path: str
    fix: str


def home_problems(
    contract: Contract,
    places: Mapping[str, str],
    named: Sequence[Home],
    others: Sequence[Home] = (),
) -> list[Problem]:
    """Return the problems of the homes that users name.

    places: the directories of the host by name. others: homes that users have by default. Two users
    with one account may share a home, which the agents of both can enter in any case.
    """
    found = []
    of_bot = [*_of_bot(contract, places)]
    usual = contract.default_home.format(**{**places, "principal": "", "telegram_id": ""})
    for index, home in enumerate(named):
        fault = fault_of_path(home.path)
        if fault:
            fault = f"{shortened(repr(home.path))}, which {fault}"
        else:
            # homes are below some directories of the bot by default
            foreign = [
                (place, name)
                for place, name in of_bot
                if not (home.path.startswith(f"{place}/") and usual.startswith(f"{place}/"))
            ]
            foreign += [
                (other.path, f"the home of {other.name}")
                for other in (*named[:index], *others)
                if other.account != home.account
            ]
            fault = next(filter(None, (_shared(home.path, *one) for one in foreign)), None)
        if fault:
            expected = f"an absolute path of a directory that is {home.name}'s alone"
            found.append(Problem(home.where, fault, expected, home.fix))
    return found


def _of_bot(contract: Contract, places: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield each directory of the bot and of root, with its name."""
    yield places["install_dir"], "the releases of Kai"
    yield contract.config_dir.path, "the configuration of Kai"
    yield posixpath.dirname(contract.sudoers.path), "the rules of sudo"
    # only the host knows that home
    known = {"service_home": "{service_home}", **places}
    for entry in contract.directories:
        yield entry.path.format(**known), "a directory of the bot"


def _shared(path: str, other: str, name: str) -> str | None:
    """Return what a path shares with another one, None where they are apart."""
    if path == other:
        return f"{path}, {name}"
    if path.startswith(f"{other}/"):
        return f"{path}, below {other}, {name}"
    if other.startswith(f"{path}/"):
        return f"{path}, which contains {other}, {name}"
    return None
