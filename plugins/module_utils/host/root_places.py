# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rule for every path that root runs, reads or writes through: only root can change it.

An account that can rename a directory above such a place can put its own tree there. So every run
checks again, before it does anything there. Paths that an account owns below (the bot's data, a
home) is different: root works there only by descriptors that follow no link (layout.py).
"""

from __future__ import annotations

import contextlib
import os
import shlex
import stat
from functools import partial
from typing import TYPE_CHECKING, Any

from ..rules.problems import Problem, Refused
from ..rules.program_trust import in_words
from .system import account_of
from .trusted_paths import Accounts, changers_of, found_by, way_above, way_to

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ..rules.probe import Changer
    from .trusted_paths import CheckedPath, Look

    Entries = Sequence[Changer]

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def place_problems(
    install_dir: str = "",
    data_dir: str = "",
    *,
    wheelhouse: str = "",
    index: str = "",
    directories: Iterable[str] = (),
    accounts: Accounts | None = None,
) -> list[Problem]:
    """Return a problem for each place that an account besides root can change.

    install_dir: with its releases and records. data_dir: what is above it; it is not root's.
    wheelhouse: with its files. index: with everything below. directories: more places of root's.
    An empty path is no place, and a place need not exist yet.
    """
    looks: dict[str, tuple[str, Look]] = {}
    if install_dir:
        looks[install_dir] = ("kai_install_install_dir", partial(_installs, install_dir))
    if data_dir:
        looks[data_dir] = ("kai_install_data_dir", partial(way_above, data_dir))
    if wheelhouse:
        looks[wheelhouse] = ("kai_install_wheelhouse", partial(_with_files, wheelhouse))
    if index:
        looks[index] = ("kai_install_index_url", partial(_with_everything, index))
    for directory in directories:
        looks[directory] = ("", partial(way_to, directory))
    found = found_by({path: look for path, (_setting, look) in looks.items()}, accounts)
    problems = []
    for path, entries in found.items():
        if os.geteuid() != 0:
            # without privilege much is unseen, and root does nothing then
            entries = [entry for entry in entries if not entry.get("unseen")]
        if entries:
            problems.append(_problem(path, looks[path][0], entries))
    return problems


def refuse_places(install_dir: str = "", data_dir: str = "", **more: Any) -> None:
    """Raise Refused, with all problems, where other accounts can change a place of root's."""
    problems = place_problems(install_dir, data_dir, **more)
    if problems and os.geteuid() == 0:
        raise Refused("\n".join(map(str, problems)))


def program_problem(path: str, accounts: Accounts | None = None) -> Problem | None:
    """Return the problem of a program that an account besides root can change, None without one."""
    found = changers_of(path, accounts=accounts)
    return _problem(path, "", found) if found else None


def refuse_program(path: str, accounts: Accounts | None = None) -> None:
    """Raise Refused for a program that root would run and other accounts can change."""
    problem = program_problem(path, accounts)
    if problem:
        raise Refused(problem)


def refuse_service_as_root(service_user: str | None) -> None:
    """Raise Refused where the account of the bot is root under some name."""
    account = account_of(service_user or "")
    if account and account.pw_uid == 0:
        raise Refused(
            Problem(
                "kai_install_service_user",
                f"{service_user!r}, whose UID is 0",
                "an account without privilege",
                "set kai_install_service_user to another account",
            )
        )


def _installs(install_dir: str) -> Iterator[CheckedPath]:
    yield from way_to(install_dir)
    yield from way_to(os.path.join(install_dir, "venv"))
    for name in ("releases", "installs"):
        yield from _with_files(os.path.join(install_dir, name))


def _with_files(directory: str) -> Iterator[CheckedPath]:
    yield from way_to(directory)
    try:
        names = sorted(os.listdir(directory))
    except (FileNotFoundError, PermissionError):
        # a check of the directories above reports the fault, if any; root can list everything
        if os.geteuid() == 0 and os.path.lexists(directory):
            raise
        return
    for name in names:
        yield from way_to(os.path.join(directory, name))


def _with_everything(directory: str) -> Iterator[CheckedPath]:
    yield from way_to(directory)

    def fail(error: OSError) -> None:
        if os.geteuid() == 0 and not isinstance(error, FileNotFoundError):
            raise error

    for parent, directories, files in os.walk(directory, onerror=fail):
        for name in [*directories, *files]:
            path = os.path.join(parent, name)
            with contextlib.suppress(FileNotFoundError):
                status = os.lstat(path)
                # a mirror has many files, and nearly all are root's alone; an access list that lets
                # others write sets the bit of the group, as that is its mask (acl(5))
                if status.st_uid or stat.S_ISLNK(status.st_mode) or status.st_mode & _OTHERS_WRITE:
                    yield from way_to(path)


def _problem(path: str, setting: str, entries: Entries) -> Problem:
    return Problem(
        path,
        f"a path that can be changed by {in_words(*entries)}",
        "a path that only root can change, as root runs it or works in it",
        _fix(path, setting, entries),
    )


def _fix(path: str, setting: str, entries: Entries) -> str:
    if any(entry.get("unseen") for entry in entries):
        return f"check it on the host: namei -l {shlex.quote(path)}"
    above = [entry for entry in entries if not f"{entry['path']}/".startswith(f"{path}/")]
    if not above:
        return f"chown -R root: {shlex.quote(path)} && chmod -R go-w {shlex.quote(path)}"
    places = " ".join(shlex.quote(entry["path"]) for entry in above)
    # a home, or a directory for every account, must keep its owner and mode
    repair = (
        ""
        if any(entry["everybody"] or _is_home(entry) for entry in above)
        else f"chown root: {places} && chmod go-w {places}"
    )
    elsewhere = f"set {setting} to a path that only root can change" if setting else ""
    move = "move it to a directory that only root can change"
    return " or ".join(filter(None, [repair, elsewhere])) or move


def _is_home(entry: Changer) -> bool:
    accounts = filter(None, map(account_of, entry["accounts"]))
    return entry["path"] in {account.pw_dir for account in accounts}
