# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run at a time changes a host.

No process of a run lives on the host from its first task to its last, so the kernel cannot hold
the lock for it. A record in a file names its holder, and the next run checks whether
that run is still alive: by the process of Ansible, where that can be asked, or else by the ssh
connection through which it came. Age does not count, so a run that was killed stops
no other run, and a slow one is not overtaken.
"""

from __future__ import annotations

import errno
import json
import os
import shlex
import socket
import stat
import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from ..rules.documents import Text, Unfit, check, read_json
from ..rules.problems import Problem
from .flock import held
from .system import (
    ESTABLISHED,
    ancestors,
    boot_and_namespace,
    environment_of,
    is_connected,
    machine_id,
    sockets,
    started,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_BYTES = 1 << 16
_RECORD = {
    "by": str,
    "pid": range(1, 2**31),
    "started": str,
    "boot": str,
    "namespace": str,
    "machine": str,
    "host": str,
    "since": str,
    "connection": Text(r"[0-9 ]*", "numbers of sockets"),
}


# a record is read and written in a moment
LOCK_SECONDS = 30


class BrokenRecord(Exception):
    """A lock file that holds something else than a record; the message names it."""


@dataclass(frozen=True)
class Run:
    """A run of Ansible on one host of its inventory.

    by: the user who started it, as user@host. pid, started: its process and its start time. boot,
    namespace: the scope of that PID: a boot of a kernel and a PID namespace of it.
    machine: the machine of that kernel, empty when it has no name. host: the host's name in the
    inventory. since, connection: when it began on the host and the sockets of its ssh connection
    there; empty until the host adds them, and the latter where there is none.
    """

    by: str
    pid: int
    started: str
    boot: str
    namespace: str
    machine: str
    host: str
    since: str = ""
    connection: str = ""

    def as_dict(self) -> dict[str, str | int]:
        """Return the fields by name."""
        return asdict(self)

    @property
    def processes(self) -> tuple[str, str]:
        """The scope of the PIDs of this run."""
        return self.boot, self.namespace

    @property
    def identity(self) -> tuple[str | int, ...]:
        """The identity of this run, which no other run shares."""
        return self.boot, self.namespace, self.pid, self.started, self.host


def run_of(fields: Mapping[str, str | int]) -> Run:
    """Return the run of some ``as_dict``. Raises BrokenRecord."""
    try:
        check(fields, _RECORD)
    except Unfit as error:
        raise BrokenRecord(str(error)) from error
    return Run(**fields)  # type: ignore[arg-type]


def run_of_process(pid: int, user: str, host: str) -> Run:
    """Return the run of a process on this machine, for a host of its inventory."""
    boot, namespace = boot_and_namespace()
    name, number = socket.gethostname(), machine_id()
    return Run(
        by=f"{user}@{name}",
        pid=pid,
        started=started(pid) or "",
        boot=boot,
        namespace=namespace,
        # copies of one image may share the number
        machine=f"{number} {name}" if number else "",
        host=host,
    )


def connection_here() -> str:
    """Return the sockets of the ssh connection through which this process came, empty for none.

    sshd gives every session its connection (ssh(1), SSH_CONNECTION); sudo drops that from the
    environment, but not from its own.
    """
    for pid in ancestors(os.getpid()):
        words = environment_of(pid).get("SSH_CONNECTION", "").split()
        if len(words) == 4:
            try:
                return " ".join(sorted(sockets(ESTABLISHED, int(words[3]), int(words[1]))))
            except OSError:
                return ""
    return ""


def is_gone(holder: Run, here: tuple[str, str]) -> bool:
    """Return whether the process of a run has ended, False when it is none of this machine's.

    here: ``boot_and_namespace``.
    """
    if holder.processes != here:
        return False
    try:
        return started(holder.pid) != holder.started
    except PermissionError:
        return False


def is_over(holder: Run, run: Run, here: tuple[str, str]) -> bool:
    """Return whether the run that holds the lock has ended, as far as the host knows.

    run: the run that takes the lock. here: ``boot_and_namespace``. Where both are of one machine,
    only that machine knows, by ``is_gone``.
    """
    if holder.identity == run.identity:
        return True
    if here == holder.processes:
        return is_gone(holder, here)
    if run.processes == holder.processes:
        return False
    # that machine was booted again, and an ssh connection may outlast its other end
    if holder.machine and holder.machine == run.machine and holder.boot != run.boot:
        return True
    return bool(holder.connection) and not _connected(holder.connection)


def _connected(connection: str) -> bool:
    try:
        return is_connected(set(connection.split()))
    except OSError:
        # it is unknown, so it may be connected
        return True


def take(path: str, run: Run, over: Run | None = None) -> Run | None:
    """Make the lock this run's, and return None; or return the run that holds it.

    over: a holder that is known to have ended.
    Raises BrokenRecord when the file holds something else, OSError when it cannot be used, and Busy
    when another process uses it all the time.
    """
    # opening a pipe must not wait for a writer
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
    with held(path, flags, LOCK_SECONDS) as lock:
        if not stat.S_ISREG(os.fstat(lock).st_mode):
            raise BrokenRecord("it is not a regular file")
        holder = _holder(lock)
        if holder and holder != over and not is_over(holder, run, boot_and_namespace()):
            return holder
        now = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
        mine = replace(run, since=now, connection=connection_here())
        os.truncate(lock, 0)
        os.pwrite(lock, json.dumps(mine.as_dict()).encode(), 0)
        return None


def problem_of_holder(path: str, holder: Run) -> Problem:
    """Return the problem of a run that finds the lock held."""
    return Problem(
        path,
        f"another install or rollback of this host, by {holder.by} (process {holder.pid} "
        f"there, since {holder.since})",
        "one at a time",
        "wait until it has ended, or end that process; if its machine is gone and this stays, "
        f"remove the file on the host: rm {path}",
    )


def problem_of_lock(path: str, error: BrokenRecord | OSError) -> Problem:
    """Return why a lock file cannot be used."""
    where, found = path, str(error)
    if isinstance(error, OSError):
        where, found = str(error.filename or path), str(error.strerror)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            directory = os.path.dirname(where)
            return Problem(
                directory,
                f"no free space ({found})",
                f"free space for {where}",
                f"free some: df -h {directory} and df -i {directory} show how much there is",
            )
    remove = f"rm -r {shlex.quote(where)}"
    return Problem(
        where,
        f"a lock that cannot be used ({found})",
        "the record of a run, or no file",
        f"make sure that no install or rollback of this host is running, then: {remove}",
    )


def _holder(lock: int) -> Run | None:
    content = os.pread(lock, _MOST_BYTES, 0)
    if not content:
        return None
    try:
        return run_of(read_json(content, _RECORD))
    except Unfit as error:
        raise BrokenRecord(str(error)) from error
