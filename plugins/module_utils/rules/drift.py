# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare a host with host_vars: everything that an install would change, piece by piece.

Whether a file differs is decided by the comparison that kai_switch makes, and what differs in the
directories comes from the code with which kai_user_tree changes them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .documents import Unfit, read_json
from .file_state import FileState, seal, sealed
from .problems import Problem
from .sudoers import statements

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from .probe import FileSeen, InstalledProbe, LayoutSeen

    Parts = Mapping[str, str]


@dataclass(frozen=True)
class WantedEnv:
    """The environment file as an install wants it.

    values: by name. open: the names whose values may be shown.
    """

    path: str
    values: Parts
    open: Collection[str] = ()


REPAIR = "kai-ansible install restores the state of host_vars"
_SEE = "probe it as root: kai-ansible status --ask-become-pass, or through sudo"


def unseen(path: str) -> Problem:
    """Return the problem of a path about which nothing is known."""
    return Problem(path, "unknown: this account cannot read it", "a readable state", _SEE)


def rules_of(text: str) -> dict[str, str]:
    """Return the parts of a sudoers drop-in: every statement."""
    return {statement: "" for _line, statement in statements(text)}


def lines_of(text: str) -> dict[str, str]:
    """Return the parts of a unit: every line that systemd reads."""
    lines = (line.strip() for line in text.splitlines())
    return {line: "" for line in lines if line and not line.startswith(("#", ";"))}


def variables_of(text: str) -> dict[str, str]:
    """Return the parts of the record of what was chosen: every variable."""
    try:
        recorded = read_json(text.encode(), {str: object})
    except Unfit:
        return {}
    return {name: str(value) for name, value in recorded.items()}


def is_as_wanted(probe: InstalledProbe, wanted: Sequence[FileState], release: str) -> bool:
    """Return whether an install of a release would find nothing to change on a host.

    What cannot be seen may differ. probe: the result of kai_probe, with ``installed`` for what the
    install would bring about.
    """
    installed, layout = probe["installed"], probe["installed"]["layout"]
    service = installed["service"]
    return bool(
        None not in probe["accounts"].values()
        and installed["fault"] is None
        and installed["live"] == release
        and probe["release"]["has_models"]
        and installed["is_recorded"]
        and installed["interrupted"] is False
        and service["active"]
        and not installed["hangs"]
        and not installed["going"]
        and service["enabled"]
        and not (layout["changes"] or layout["refused"] or layout["unseen"])
        and all(
            _is_same(state, installed["files"][state.path], installed["key"]) for state in wanted
        )
    )


def _is_same(wanted: FileState, found: FileSeen, key: str) -> bool:
    if wanted.content is None:
        return found["kind"] == "absent"
    return found["kind"] == "file" and _there(wanted.path, found) == sealed(wanted, key)


def _there(path: str, found: FileSeen) -> FileState:
    return FileState(path, found["seal"].encode(), found["mode"], found["uid"], found["gid"])


def files_drift(
    wanted: Sequence[FileState],
    seen: Mapping[str, FileSeen],
    key: str,
    parts: Mapping[str, Callable[[str], Parts]],
    env: WantedEnv,
) -> tuple[list[Problem], list[Problem]]:
    """Return what differs in the files, and the files of which nothing is known.

    seen: by path, as module_utils/host/install_probe.py tells it, sealed by ``key``. parts: what a
    shown file is made of, by its path. env: the environment file, whose secrets are not shown.
    """
    differing, unknown = [], []
    for state in wanted:
        found = seen[state.path]
        if found["kind"] == "unseen":
            unknown.append(unseen(state.path))
        elif found["kind"] == "absent":
            if state.content is not None:
                expected = "the file of the last install"
                differing.append(Problem(state.path, "no file", expected, REPAIR))
        elif found["kind"] != "file":
            # an install writes over a file, and over nothing else
            expected = "a file" if state.content is not None else "nothing"
            differing.append(Problem(state.path, found["kind"], expected, found["fix"]))
        elif state.content is None:
            differing.append(Problem(state.path, "a file", "nothing", REPAIR))
        else:
            there = _there(state.path, found)
            if there != sealed(state, key):
                differing += _differences(state, there, found, key, parts, env)
    return differing, unknown


def _differences(
    wanted: FileState,
    there: FileState,
    found: FileSeen,
    key: str,
    parts: Mapping[str, Callable[[str], Parts]],
    env: WantedEnv,
) -> list[Problem]:
    path = wanted.path
    differing = []
    if _owned(there) != _owned(wanted):
        differing.append(Problem(path, _owned(there), _owned(wanted), REPAIR))
    if there.content == sealed(wanted, key).content:
        return differing
    if found["fault"]:
        return [*differing, replace(Problem(**found["fault"]), fix=REPAIR)]
    faults: list[Problem] = []
    if path == env.path:
        values = {name: seal(value.encode(), key).decode() for name, value in env.values.items()}
        shown = {name: value for name, value in env.values.items() if name in env.open}
        faults = _parts(path, values, found["values"], (shown, found["open"]))
    elif path in parts and found["text"] is not None:
        of = parts[path]
        faults = _parts(path, of((wanted.content or b"").decode()), of(found["text"]))
    # a comment, an empty line, another order
    another = Problem(path, "another text", "the text of the last install", REPAIR)
    return [*differing, *(faults or [another])]


def _parts(
    path: str, wanted: Parts, there: Parts, shown: tuple[Parts, Parts] | None = None
) -> list[Problem]:
    """Return the parts that differ. shown: those that may be shown of both, all without it."""
    words = ("that line", "a line") if shown is None else ("an empty value", "an empty value")
    of_wanted, of_there = shown or (wanted, there)
    differing = []
    for name in [*wanted, *(name for name in there if name not in wanted)]:
        if wanted.get(name) == there.get(name):
            continue
        expected = of_wanted.get(name, "the value of host_vars") or words[0]
        if name not in there:
            found = "nothing"
        elif name not in wanted:
            value = of_there.get(name, "a value") or words[1]
            found, expected = f"{value} that host_vars do not give", "nothing"
        else:
            found = of_there.get(name, "another value") or words[1]
        differing.append(Problem(f"{path}: {name}", found, expected, REPAIR))
    return differing


def _owned(state: FileState) -> str:
    return f"{state.uid}:{state.gid} {state.mode:04o}"


def layout_drift(layout: LayoutSeen) -> tuple[list[Problem], list[Problem]]:
    """Return what differs in directories and first files, and those of which nothing is known.

    layout: as module_utils/host/install_probe.py reports it.
    """
    differing = [
        Problem(change["path"], change["before"], change["after"], REPAIR)
        if change["before"]
        else Problem(change["path"], "nothing", "a file or directory of an install", REPAIR)
        for change in layout["changes"]
    ]
    differing += [Problem(**refused) for refused in layout["refused"]]
    return differing, [unseen(path) for path in layout["unseen"]]
