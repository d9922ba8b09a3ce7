# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probe the installs on this host and the service, without changing anything.

A fact that needs privilege is None without it, and a file or directory of which nothing is known
is unseen: neither counts as absent.
"""

from __future__ import annotations

import contextlib
import functools
import os
import pwd
import time
from typing import TYPE_CHECKING

from ..rules.documents import Unfit, legible, read_text
from ..rules.env_file import read_env
from ..rules.file_state import seal, sealed
from ..rules.installs import FLAT, UNKNOWN_STATE, release_states
from ..rules.problems import Problem, Refused
from . import system
from .files import Damaged, look
from .free_space import nearest
from .layout import Tree, problem_of
from .layout_journal import LayoutJournal
from .records import Installs
from .run_as import NoAnswer, ask_as
from .service import deployed_env, health

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..rules.module_arguments import DirectoryData, FileRequest, InstalledRequest, SeedData
    from ..rules.probe import (
        DamagedRecord,
        FileSeen,
        FreeSpace,
        InstallsSeen,
        KnownInstalls,
        LayoutSeen,
        ServiceSeen,
    )
    from .records import Journal
    from .system import ServiceState

MB = 1 << 20
UNSEEN = "unseen"


def damages(installs: Installs) -> list[DamagedRecord]:
    """Return the damaged records that a run may need: number, needed, problem.

    number: of the install whose record it is, None without one. needed: whether an install
    needs it; an older record only a rollback to it does. Raises PermissionError.
    """
    found: list[DamagedRecord] = []

    def note(
        read: Callable[..., object], *what: int, number: int | None = None, needed: bool = True
    ) -> None:
        try:
            read(*what)
        except Damaged as error:
            problem = error.problem.as_dict()
            entry: DamagedRecord = {"number": number, "needed": needed, "problem": problem}
            if entry not in found:
                found.append(entry)

    def read_journal() -> None:
        if installs.journal():
            installs.former()

    note(installs.numbers)
    if found:
        # nothing else can be read either
        return found
    layout = LayoutJournal(installs.directory)
    for read in (read_journal, installs.original, layout.all_entries, layout.entries):
        note(read)
    numbers = installs.numbers()
    for number in numbers:
        note(installs.record, number, number=number, needed=number == numbers[-1])
    note(installs.names)
    return found


def known_installs(installs: Installs, damaged: Sequence[DamagedRecord]) -> KnownInstalls:
    """Return the live release, the unfinished install, every release and every verified install.

    damaged: the result of ``damages``.
    Raises OSError for a record that cannot be read, Refused when the live release is unknown.
    """
    live, journal = installs.live(), _journal(installs)
    try:
        records, built, is_recorded = installs.records(), installs.built(), installs.is_recorded()
    except Damaged:
        records, built, is_recorded = [], {}, False
    return {
        "live": live,
        "damaged": list(damaged),
        "unfinished": {"release": journal.release, "opened": journal.opened} if journal else None,
        "releases": release_states(
            built,
            records,
            live,
            journal.release if journal else None,
            is_known=not any(entry["number"] for entry in damaged),
        ),
        "installs": [
            {
                "number": record["number"],
                "release": record["release"],
                "time": record["time"],
                "by": record["by"],
                "snapshot": record["snapshot"],
                "rolled_back_to": record["rolled_back_to"],
                "line": record["line"],
            }
            for record in records
        ],
        "is_recorded": is_recorded,
    }


def _journal(installs: Installs) -> Journal | None:
    try:
        return installs.journal()
    except Damaged:
        return None


def interrupted(installs: Installs) -> bool | None:
    """Return whether an unverified install has left something, None without privilege to see it."""
    try:
        layout = LayoutJournal(installs.directory).entries()
    except PermissionError:
        return None
    except Damaged:
        return True
    return bool(layout) or os.path.lexists(installs.pending)


def installs_seen(
    installs: Installs, damaged: Sequence[DamagedRecord], distrusted: str = ""
) -> InstallsSeen:
    """Return ``known_installs`` and a fault, a Problem; unreadable facts are None."""
    unseen: KnownInstalls = {
        "live": None,
        "damaged": list(damaged),
        "unfinished": None,
        "releases": None,
        "installs": None,
        "is_recorded": False,
    }
    if distrusted:
        fault = Problem(
            installs.install_dir,
            distrusted,
            "a directory that only root can change",
            f"take that right away: chown root {installs.install_dir}; "
            f"chmod go-w {installs.install_dir}",
        )
        return {**unseen, "fault": fault.as_dict()}
    try:
        return {**known_installs(installs, damaged), "fault": None}
    except PermissionError:
        # every account may see the link, and only root the records
        return {**unseen, "live": live_seen(installs), "fault": None}
    except Damaged as error:
        return {**unseen, "fault": error.problem.as_dict()}
    except OSError as error:
        where = str(error.filename or installs.install_dir)
        fix = f"check it on the host: ls -la {where}"
        fault = Problem(
            where, f"a path that cannot be read ({error.strerror})", "the files of an install", fix
        )
        return {**unseen, "fault": fault.as_dict()}


def live_seen(installs: Installs) -> str | None:
    """Return the live release, None where that cannot be seen either."""
    try:
        return installs.live()
    except (OSError, Refused):
        return None


def deployed_values(env_file: str) -> dict[str, str]:
    """Return the variables of the environment file, nothing where it cannot be read."""
    try:
        return deployed_env(env_file)
    except (OSError, Refused):
        return {}


def service_seen(
    request: InstalledRequest, installs: Installs, port: int, state: ServiceState | None
) -> ServiceSeen:
    """Return the service, its health, whether it hangs, and the other listeners on its port.

    state: None where the service manager gave no answer.
    """
    state = state or system.ServiceState(state=UNKNOWN_STATE)
    try:
        answer = health(request["host"], port, request["health_path"])
    except OSError:
        answer = None
    return {
        "hangs": state.active and answer != 200 and is_past_waiting(state, request["patience"]),
        "service": {
            "unit": request["unit"],
            "active": state.active,
            "enabled": state.enabled,
            "state": state.state,
            "since": utc_of(state.entered) if state.pid and state.entered else None,
            "pid": state.pid or None,
            "restarts": state.restarts,
            "release": release_of(state, installs) if state.pid else None,
        },
        "health": answer,
        "strangers": strangers_seen(port, state),
    }


def strangers_seen(port: int, state: ServiceState) -> list[str] | None:
    """Return the other listeners on the port of a service, None where they cannot be seen."""
    # only root sees whose a socket is
    if os.geteuid() != 0:
        return None
    try:
        return [str(other) for other in system.strangers(port, state.pid, state.group)]
    except OSError:
        return None


def is_past_waiting(state: ServiceState, patience: float) -> bool:
    """Return whether a service that does not answer has had its time. patience: in seconds."""
    late = time.monotonic() - state.entered > patience
    return bool(state.pid) and (system.is_stopped(state.pid) or late)


def utc_of(monotonic: float) -> str:
    """Return a time of the monotonic clock in UTC, to the second."""
    passed = time.monotonic() - monotonic
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - passed))


def release_of(state: ServiceState, installs: Installs) -> str | None:
    """Return the release that the running bot was started from, None when it cannot be seen.

    The unit starts it in ``current``, and the kernel keeps the directory that this was then. Where
    that is hidden, the program shows it, or a link that is older than the process, as long as the
    clock was not set back.
    """
    place = directory_of(state.pid)
    if place is not None:
        return FLAT if place == installs.install_dir else os.path.basename(place)
    try:
        program = system.arguments_of(state.pid)[0]
        if program.startswith(f"{installs.install_dir}/venv/"):
            return FLAT
        started = time.time() - time.monotonic() + state.entered
        is_older = os.lstat(installs.current).st_mtime <= started
        return installs.live() if is_older else None
    except (OSError, Refused):
        return None


def directory_of(pid: int) -> str | None:
    """Return the working directory of a process, None when it cannot be seen."""
    try:
        return system.working_directory(pid)
    except OSError:
        uid = system.uid_of(pid)
    # in a container root may see less of a process than its own account does
    if os.geteuid() == 0 and uid:
        with contextlib.suppress(KeyError):
            question = functools.partial(system.working_directory, pid)
            [answer] = ask_as(pwd.getpwuid(uid), [question])
            return None if isinstance(answer, NoAnswer) else str(answer)
    return None


def file_seen(entry: FileRequest, key: str, settings: Mapping[str, bool]) -> FileSeen:
    """Return kind, owner, mode and keyed digest of a file.

    A shown file has its text as well, an environment file each key with a keyed digest of its
    value, and the value too where ``settings`` says so. fault: why a file is no text, with its
    place, None when it is.
    """
    path = entry["path"]
    try:
        state = look(path)
    except Damaged as error:
        return {"kind": error.problem.found, "fix": error.problem.fix}
    except OSError:
        return {"kind": UNSEEN}
    if state.content is None:
        return {"kind": "absent"}
    fault = None
    try:
        read_text(state.content)
    except Unfit as error:
        fault = Problem(path + error.place, error.found, error.expected, "").as_dict()
    text = legible(state.content)
    values = read_env(text) if entry["content"] == "env" else {}
    hidden = sealed(state, key)
    return {
        "kind": "file",
        "mode": hidden.mode,
        "uid": hidden.uid,
        "gid": hidden.gid,
        "seal": (hidden.content or b"").decode(),
        "values": {name: seal(value.encode(), key).decode() for name, value in values.items()},
        "open": {name: value for name, value in values.items() if settings.get(name)},
        "text": text if entry["content"] == "shown" else None,
        "fault": fault,
    }


def layout_seen(
    directories: Sequence[DirectoryData], seeds: Sequence[SeedData], release: str | None
) -> LayoutSeen:
    """Return the changes that an install would make to directories and first files."""
    tree = Tree(release, dry=True)
    failed = tree.ensure(directories, seeds)
    return {
        "changes": [
            {"path": path, "before": before, "after": after}
            for path, (before, after) in tree.found.items()
        ],
        "unseen": [path for path, error in failed if isinstance(error, PermissionError)],
        # report a place on the way to several paths once
        "refused": [
            problem.as_dict()
            for problem in dict.fromkeys(
                problem_of(path, error)
                for path, error in failed
                if not isinstance(error, PermissionError)
            )
        ],
    }


def free_space_at(path: str) -> FreeSpace:
    """Return the free space of the file system of a path, in MB and in files."""
    system = os.statvfs(nearest(path))
    return {
        "path": path,
        "size_mb": system.f_blocks * system.f_frsize // MB,
        "free_mb": system.f_bavail * system.f_frsize // MB,
        # a file system that counts none has no limit
        "files": system.f_files,
        "free_files": system.f_favail,
    }
