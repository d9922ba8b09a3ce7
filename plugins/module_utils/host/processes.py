# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes and TCP sockets of a host, read from /proc (proc(5))."""

from __future__ import annotations

import errno
import os
import pwd
import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .subprocesses import run_program

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
ESTABLISHED = "01"
LISTENING = "0A"


def _fields(pid: int) -> list[str]:
    """Return what the kernel tells of a process from its state on (proc(5)), nothing without one.

    State, parent, group and session come first; when it started is the twentieth.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as handle:
            # the name of the program is in parentheses, and may hold any of them itself
            return handle.read().rpartition(b")")[2].decode().split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def started(pid: int) -> str | None:
    """Return when a process started, None when there is none.

    A PID is used again; with this beside it it names one process of one boot. The unit differs
    between systems, so it is only good for comparing. Raises PermissionError where the process is
    there and hidden (proc(5), hidepid).
    """
    if not os.path.exists("/proc/self/stat"):
        return _started_of_ps(pid)
    fields = _fields(pid)
    if fields:
        return fields[19]
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    raise PermissionError(errno.EPERM, "a process that is hidden", f"/proc/{pid}")


def _started_of_ps(pid: int) -> str | None:
    command = ["ps", "-o", "lstart=", "-p", str(pid)]
    shown = run_program(command, timeout=20, env={**os.environ, "LC_ALL": "C"})
    return shown.stdout.strip() or None


def ancestors(pid: int) -> Iterator[int]:
    """Yield a process and those that it came from, as far as they are in the same /proc."""
    while pid:
        yield pid
        fields = _fields(pid)
        pid = int(fields[1]) if fields else 0


def all_pids() -> list[int]:
    """Return every process that can be seen, none where there is no /proc."""
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except FileNotFoundError:
        return []


def is_stopped(pid: int) -> bool:
    """Return whether a signal has stopped a process, which then does nothing until another one."""
    return _fields(pid)[:1] == ["T"]


def stopped_in(session: int) -> bool:
    """Return whether a signal has stopped a process of a session."""
    found = map(_fields, all_pids())
    return any(fields[0] == "T" and fields[3] == str(session) for fields in found if fields)


def environment_of(pid: int) -> dict[str, str]:
    """Return the environment with which a process began, empty when it cannot be read."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as handle:
            entries = handle.read().split(b"\0")
    except OSError:
        return {}
    pairs = (os.fsdecode(entry).partition("=") for entry in entries)
    return {name: value for name, separator, value in pairs if separator}


def sockets(state: str, port: int, peer: int | None = None) -> dict[str, int]:
    """Return the TCP sockets in a state with a local port, and with a peer's port.

    The UID of who opened a socket, by the socket's inode. Raises OSError where they are unseen.
    """
    return {inode: uid for _address, inode, uid in _sockets(state, port, peer)}


def _sockets(state: str, port: int, peer: int | None) -> Iterator[tuple[str, str, int]]:
    """Yield the local address, in the digits of the kernel, the inode and the UID of sockets."""
    for columns in socket_rows():
        local, remote, found_state, uid, inode = (columns[place] for place in (1, 2, 3, 7, 9))
        if found_state == state and _port(local) == port and peer in (None, _port(remote)):
            yield local.partition(":")[0], inode, int(uid)


def socket_rows() -> list[list[str]]:
    """Return the columns of every TCP socket. Raises OSError where they cannot be seen."""
    rows: list[str] = []
    missing = []
    for table in TABLES:
        try:
            with open(table, encoding="ascii") as handle:
                rows += handle.read().splitlines()[1:]
        except FileNotFoundError as error:
            # a kernel may have either protocol, and a /proc for processes alone none of them
            missing.append(error)
    if len(missing) == len(TABLES):
        raise missing[0]
    return [row.split() for row in rows]


def listeners(port: int, host: str) -> dict[str, int]:
    """Return the sockets that take the connections to an address of IPv4, as ``sockets`` does.

    Whoever listens on that very address is preferred by the kernel to who listens on all of them,
    and other addresses are nobody's concern.
    """
    [number] = struct.unpack("=I", socket.inet_aton(host))
    digits = f"{number:08X}"
    [mapped] = struct.unpack("=I", b"\0\0\xff\xff")
    exact = (digits, f"{0:016X}{mapped:08X}{digits}")
    found = list(_sockets(LISTENING, port, None))
    best = [entry for entry in found if entry[0] in exact]
    best = best or [entry for entry in found if not entry[0].strip("0")]
    return {inode: uid for _address, inode, uid in best}


def _port(address: str) -> int:
    return int(address.rpartition(":")[2], 16)


@dataclass(frozen=True)
class Listener:
    """Somebody who listens on a port. pid: None where the process itself cannot be seen."""

    pid: int | None
    user: str
    command: str
    socket: str = ""

    def __str__(self) -> str:
        if self.pid is None:
            return f"a process of {self.user} that cannot be seen"
        return f"process {self.pid} of {self.user} ({self.command})"


def strangers(
    port: int, main_pid: int, control_group: str, host: str = "127.0.0.1"
) -> list[Listener]:
    """Return who listens on a TCP port of an address and is not part of a service.

    main_pid, control_group: of the service, 0 and empty when it does not run. In a container even
    root may not see which process holds a socket, but always whose it is.
    """
    wanted = {f"socket:[{inode}]": uid for inode, uid in listeners(port, host).items()}
    own = uid_of(main_pid) if main_pid else None
    # the service most likely holds them all, and then nobody else has to be looked at
    suspects = [main_pid] if main_pid else []
    suspects += all_pids() if wanted else []
    found = []
    for pid in suspects:
        held = wanted.keys() & set(_descriptors(pid)) if wanted else set()
        for name in held:
            uid = wanted.pop(name)
            if not (control_group and belongs(pid, control_group)):
                found.append(Listener(pid, _name_of(uid), command_of(pid), name))
    return found + [
        Listener(None, _name_of(uid), "", name) for name, uid in wanted.items() if uid != own
    ]


def holders(socket_name: str) -> list[int]:
    """Return the processes that this one sees to have a socket open."""
    return [pid for pid in all_pids() if socket_name in _descriptors(pid)]


def _descriptors(pid: int) -> Iterator[str]:
    try:
        names = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return
    for name in names:
        try:
            yield os.readlink(f"/proc/{pid}/fd/{name}")
        except OSError:
            continue


def command_of(pid: int) -> str:
    """Return a process's command line, empty when it is gone."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as handle:
            return handle.read().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def uid_of(pid: int) -> int | None:
    """Return the UID that a process has as its real one, None when it is gone."""
    try:
        # the directory of one that may not be looked into is root's
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as handle:
            return next(int(line.split()[1]) for line in handle if line.startswith("Uid:"))
    except (OSError, StopIteration):
        return None


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def belongs(pid: int, control_group: str) -> bool:
    """Return whether a process is in a control group of systemd."""
    try:
        with open(f"/proc/{pid}/cgroup", encoding="utf-8") as handle:
            return any(line.rstrip().rpartition(":")[2].endswith(control_group) for line in handle)
    except OSError:
        return False
