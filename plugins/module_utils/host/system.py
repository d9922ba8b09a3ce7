# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operating system: services, processes, sockets, accounts and mounts.

This is the only file that knows systemd, /proc (proc(5)) and the programs of Linux. Other files ask
it, so that a second system can be added here. The functions that also run on the controller, which
may be a Mac, fall back to ps(1) and sysctl(8).
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import platform
import pwd
import re
import socket
import struct
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..rules.accounts import refuse_alias_of_root
from ..rules.env_file import read_env
from ..rules.problems import Problem, Refused
from ..rules.unit import shown_paths

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from ..rules.probe import Kind, SystemFacts

# a directory that is empty after a boot
WORK_LOCK = "/run/kai-ansible.work"
BUILD_LOCK = "/run/kai-ansible.build"
VISUDO = ("/usr/sbin/visudo", "/usr/bin/visudo")
_SECONDS = 20
_ACT_SECONDS = 180
# how long processes of the bot may outlive the bot
_LEFT_SECONDS = 5
_REMOVE_SECONDS = 300
# the hierarchies of control groups that systemd makes
_OF_SYSTEMD = ("", "name=systemd")
# a process may let the kernel show any of its memory there (prctl(2), PR_SET_MM)
_MOST_OF_PROCESS = 1 << 20


def run_program(
    command: Sequence[str], timeout: float | None, **options: Any
) -> subprocess.CompletedProcess[Any]:
    """Run a program without input to its end; return its exit code and its output as text.

    timeout: in seconds, None for no limit. options: those of subprocess.run, which replace the
    defaults of this function. Raises OSError when it cannot be started, and TimeoutError, which is
    one, when it takes longer.
    """
    options = {
        "stdin": subprocess.DEVNULL,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "text": True,
        "errors": "replace",
        **options,
    }
    # run_command of an AnsibleModule has no time limit, and becomes no other account
    try:
        return subprocess.run(  # pylint: disable=ansible-bad-function
            command, check=False, timeout=timeout, **options
        )
    except subprocess.TimeoutExpired as error:
        late = f"no answer within {timeout:g} s"
        raise TimeoutError(errno.ETIMEDOUT, late, command[0]) from error


def _run(*command: str, seconds: float = _SECONDS) -> subprocess.CompletedProcess[str]:
    """Run a program of the system in plain English; see ``run_program``."""
    return run_program(list(command), seconds, env={**os.environ, "LC_ALL": "C"})


# ---- which system this is


def system_facts() -> SystemFacts:
    """Return the name and kernel of the operating system, and the version of this Python."""
    kernel = platform.system()
    name = f"{kernel} {platform.release()}"
    if kernel == "Darwin":
        name = f"macOS {platform.mac_ver()[0]}"
    # os-release(5); a value may be in quotes
    with contextlib.suppress(OSError), open("/etc/os-release", "rb") as handle:
        name = read_env(handle.read().decode(errors="replace")).get("PRETTY_NAME", name)
    return {
        "name": name,
        "kernel": f"{kernel} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
    }


def platform_name(platforms: Collection[str]) -> Kind:
    """Return the platform of the contract that this host is, empty for an unsupported system.

    platforms: the names that the contract has.
    """
    is_supported = platform.system() == "Linux" and service_manager() == "systemd"
    return "linux" if is_supported and "linux" in platforms else ""


def service_manager() -> str:
    """Return the name of the service manager, 'an unknown service manager' where none is found."""
    kernel = platform.system()
    # sd_booted(3)
    if os.path.isdir("/run/systemd/system"):
        return "systemd"
    if os.path.isdir("/run/openrc"):
        return "OpenRC"
    if kernel == "Darwin":
        return "launchd"
    if kernel.endswith("BSD") or kernel == "DragonFly":
        return "rc"
    with contextlib.suppress(OSError), open("/proc/1/comm", "rb") as handle:
        return handle.read().decode(errors="replace").strip()
    return "an unknown service manager"


def unsupported_system() -> Problem:
    """Return the problem of a host whose system is not supported, with its name."""
    return Problem(
        "the host",
        f"{system_facts()['name']} with {service_manager()}, which is not supported",
        "Linux with systemd",
        "install the bot on another host, or boot this one with systemd",
    )


# ---- services


@dataclass(frozen=True)
class ServiceState:
    """The service manager's state of a service.

    state: its word for it, such as active, activating or failed. pid: 0 without a process.
    restarts: how often the manager started it again. start_id: differs for every start, empty
    without one. entered: when it became active, in seconds of the monotonic clock, 0 if it never
    did. group: of its processes, empty without one. stale: whether its file changed since the
    manager read it. file: the one that defines it, empty without one. drop_ins: the files that
    change it, the one that decides last. masked: whether it is masked. user: the account that it
    runs as, empty for root.
    """

    state: str = "inactive"
    enabled: bool = False
    pid: int = 0
    restarts: int = 0
    start_id: str = ""
    entered: float = 0.0
    group: str = ""
    stale: bool = False
    file: str = ""
    drop_ins: tuple[str, ...] = ()
    masked: bool = False
    user: str = ""

    @property
    def active(self) -> bool:
        """Whether the service runs, or is between two attempts to."""
        return self.state in ("active", "activating", "reloading")


_PROPERTIES = (
    "ActiveEnterTimestampMonotonic",
    "ActiveState",
    "ControlGroup",
    "DropInPaths",
    "FragmentPath",
    "InvocationID",
    "LoadState",
    "MainPID",
    "NRestarts",
    "NeedDaemonReload",
    "UnitFileState",
    "User",
)


def state_command(unit: str = "") -> list[str]:
    """Return the command that shows the state of a service, or of the service manager itself."""
    return ["systemctl", "show", *([f"{unit}.service"] if unit else [])]


def service_state(unit: str) -> ServiceState:
    """Return the state of a service; an unknown one is inactive.

    Raises OSError when the service manager gives no answer: the service may be running.
    """
    shown = _run(*state_command(unit), "--property=" + ",".join(_PROPERTIES))
    # splitlines also splits at characters that a name may have
    found = dict(line.split("=", 1) for line in shown.stdout.split("\n") if "=" in line)
    if shown.returncode != 0 or "ActiveState" not in found:
        said = shown.stderr.strip() or shown.stdout.strip() or "no ActiveState"
        raise OSError(
            errno.EIO, f"systemctl show does not report its state ({said})", f"{unit}.service"
        )
    return ServiceState(
        state=found["ActiveState"],
        enabled=found.get("UnitFileState") == "enabled",
        pid=int(found.get("MainPID") or 0),
        restarts=int(found.get("NRestarts") or 0),
        start_id=found.get("InvocationID", ""),
        entered=int(found.get("ActiveEnterTimestampMonotonic") or 0) / 1e6,
        group=found.get("ControlGroup", ""),
        stale=found.get("NeedDaemonReload") == "yes",
        file=found.get("FragmentPath", ""),
        drop_ins=tuple(shown_paths(found.get("DropInPaths", ""))),
        masked=found.get("LoadState") == "masked",
        user=found.get("User", ""),
    )


def manager_environment() -> dict[str, str]:
    """Return the variables that the service manager gives to every service.

    Raises OSError when it gives no answer.
    """
    # a value that needs it is quoted as for a shell ($'...'), which only its comparison would mind
    return read_env(_run("systemctl", "show-environment").stdout)


def manager_version() -> int:
    """Return the version of systemd. Raises OSError when it gives no answer."""
    shown = _run(*state_command(), "--property=Version")
    found = re.match(r"Version=(\d+)", shown.stdout)
    if not found:
        said = shown.stderr.strip() or shown.stdout.strip()
        raise OSError(errno.EIO, f"systemctl show reports no version ({said})", "systemctl")
    return int(found[1])


def stop_service(unit: str) -> None:
    """Stop a service. Raises Refused when it does not stop in time."""
    _systemctl("stop", f"{unit}.service")


def restart_service(unit: str, state: ServiceState) -> None:
    """Stop and start a service in one job. state: its state now.

    A run that is killed in between leaves no service stopped. Raises Refused.
    """
    # systemd refuses to start a unit that it started too often, until that is reset
    if state.state != "inactive":
        _systemctl("reset-failed", f"{unit}.service")
    _systemctl("restart", f"{unit}.service")


def enable_service(unit: str) -> None:
    """Let a service start at boot. Raises Refused."""
    _systemctl("enable", "--quiet", f"{unit}.service")


def disable_service(unit: str) -> None:
    """Let a service not start at boot. Raises Refused."""
    _systemctl("disable", "--quiet", f"{unit}.service")


def reload_manager() -> None:
    """Let the service manager read its files again. Raises Refused."""
    _systemctl("daemon-reload")


def _systemctl(*arguments: str) -> None:
    """Run systemctl. Raises Refused with its output when it fails or does not end in time.

    What a bot has left when it has ended is killed: systemd may wait a minute and a half for an
    agent that ignores SIGTERM, and the bot would be down that long. The bot itself has the time of
    its unit to stop (TimeoutStopSec of systemd.service(5)).
    """
    command = ["systemctl", *arguments]
    # the run_command of an AnsibleModule cannot do something else meanwhile
    with subprocess.Popen(  # pylint: disable=ansible-bad-function
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as process:
        end = time.monotonic() + _ACT_SECONDS
        while True:
            try:
                said = process.communicate(timeout=_LEFT_SECONDS)[1]
                break
            except subprocess.TimeoutExpired as error:
                if time.monotonic() > end:
                    process.kill()
                    raise Refused(
                        f"{' '.join(command)} did not end within {_ACT_SECONDS} s. Fix: systemctl "
                        f"list-jobs on the host shows what it waits for"
                    ) from error
            if arguments[0] in ("stop", "restart"):
                _kill_leftovers(arguments[-1])
    if process.returncode != 0:
        raise Refused(
            f"{' '.join(command)} failed: {said.strip()}. Fix: read why on the host: journalctl "
            f"-xe --unit {arguments[-1]}"
        )


def _kill_leftovers(unit: str) -> None:
    """Kill the processes of a unit that is being stopped, if its main process has ended."""
    state = service_state(unit.rpartition(".")[0])
    if state.state == "deactivating" and not state.pid:
        # they may have ended meanwhile
        with contextlib.suppress(Refused):
            _systemctl("kill", "--signal=KILL", unit)


# every account may write fields without a leading underscore (systemd.journal-fields(7)), so only
# systemd itself is believed about the unit that a message names
_OF_MANAGER = ("_PID=1", "_UID=0")


def log_of(
    start_ids: Iterable[str], lines: int, *, uid: int | None = None, dated: bool = False
) -> str:
    """Return the end of the log of a service, and of systemd about it, since some starts.

    start_ids: of these starts. lines: how many at most. uid: of the service; then lines of other
    accounts in it are left out, but not those of root. dated: whether each line begins with its
    time, and lines older than a day are left out. Raises OSError when the journal does not answer.
    """
    ids = sorted(start_ids)
    if not ids:
        return ""
    options = ["--output=cat"]
    if dated:
        options = ["--output=short-iso", "--no-hostname", "--quiet", "--since=-1day"]
    return _journal(
        f"--lines={lines}",
        *options,
        *(f"_SYSTEMD_INVOCATION_ID={one}" for one in ids),
        # agents run in the control group of the bot, with the journal open to them
        *([] if uid is None else [f"_UID={uid}", "_UID=0"]),
        "+",
        *(f"INVOCATION_ID={one}" for one in ids),
        *_OF_MANAGER,
    ).strip()


def log_command(unit: str, lines: int, *, follow: bool = False) -> list[str]:
    """Return the command that prints the end of a service's log, and goes on if ``follow``."""
    return [
        "journalctl",
        "--no-pager",
        "--quiet",
        f"--unit={unit}.service",
        f"--lines={lines}",
        "--output=short-iso",
        "--no-hostname",
        *(["--follow"] if follow else []),
    ]


def log_of_unit(unit: str, lines: int) -> str:
    """Return the end of the log of a service, of earlier starts as well.

    Raises OSError when the journal does not answer.
    """
    return _journal(*log_command(unit, lines)[2:]).strip()


def _journal(*arguments: str) -> str:
    """Return the output of journalctl. Raises OSError when it fails: no answer is no empty log."""
    ended = _run("journalctl", "--no-pager", *arguments)
    if ended.returncode != 0:
        said = ended.stderr.strip() or f"exit code {ended.returncode}"
        raise OSError(errno.EIO, f"the journal cannot be read ({said})", "journalctl")
    return ended.stdout


def last_starts(unit: str) -> list[str]:
    """Return the id of a service's last start, and of the start before it if that one failed.

    A start that has only just begun has logged nothing, and systemd keeps the last id alone.
    Raises OSError when systemd or the journal does not answer.
    """
    state = service_state(unit)
    found = [state.start_id] if state.start_id else []
    if not state.restarts:
        return found
    fields = "--output-fields=INVOCATION_ID,_SYSTEMD_INVOCATION_ID,_SYSTEMD_UNIT"
    options = ["--reverse", "--lines=200", "--output=json", fields]
    # --unit also finds the messages of other services about this one, with ids of their own
    name = f"{unit}.service"
    matches = [f"_SYSTEMD_UNIT={name}", "+", f"UNIT={name}", *_OF_MANAGER]
    for line in _journal(*options, *matches).splitlines():
        entry = json.loads(line)
        # a process of the unit may give an INVOCATION_ID of its own choice
        is_own = entry.get("_SYSTEMD_UNIT") == name
        one = entry.get("_SYSTEMD_INVOCATION_ID" if is_own else "INVOCATION_ID")
        if one and one not in found:
            return [*found, str(one)]
    return found


# ---- processes


def _fields(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the state on, an empty list without a process.

    State, parent, group and session come first; the start time is the twentieth.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as handle:
            # the name of the program is in parentheses, and may hold any of them itself
            return handle.read().rpartition(b")")[2].decode().split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def started(pid: int) -> str | None:
    """Return when a process started, None when there is none.

    A PID is used again; PID and start time name one process of one boot. The unit differs between
    systems, so the text is only good for comparing. Raises PermissionError for a process that
    exists and is hidden (proc(5), hidepid).
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
    return _run("ps", "-o", "lstart=", "-p", str(pid)).stdout.strip() or None


def boot_and_namespace() -> tuple[str, str]:
    """Return the boot of the kernel and the PID namespace that this process runs in.

    PIDs can be compared only where both are the same. The namespace is empty on a system that has
    none.
    """
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as handle:
            return handle.read().strip(), os.readlink("/proc/self/ns/pid")
    except FileNotFoundError:
        return _run("sysctl", "-n", "kern.bootsessionuuid").stdout.strip(), ""


def machine_id() -> str:
    """Return the ID of this machine, empty where it has none. Copies of an image may share it."""
    try:
        with open("/etc/machine-id", encoding="ascii") as handle:
            return handle.read().strip()
    except OSError:
        return ""


def ancestors(pid: int) -> Iterator[int]:
    """Yield a process, its parent and so on, as far as /proc shows them."""
    while pid:
        yield pid
        fields = _fields(pid)
        pid = int(fields[1]) if fields else 0


def all_pids() -> list[int]:
    """Return every visible process, none where there is no /proc."""
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except FileNotFoundError:
        return []


def exists(pid: int) -> bool:
    """Return whether a process exists."""
    return os.path.exists(f"/proc/{pid}")


def is_stopped(pid: int) -> bool:
    """Return whether a signal has stopped a process."""
    return _fields(pid)[:1] == ["T"]


def stopped_in(session: int) -> bool:
    """Return whether a signal has stopped a process of a session."""
    found = map(_fields, all_pids())
    return any(fields[0] == "T" and fields[3] == str(session) for fields in found if fields)


def environment_of(pid: int) -> dict[str, str]:
    """Return the environment that a process started with, empty when it cannot be read."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as handle:
            entries = handle.read(_MOST_OF_PROCESS).split(b"\0")
    except OSError:
        return {}
    pairs = (os.fsdecode(entry).partition("=") for entry in entries)
    return {name: value for name, separator, value in pairs if separator}


def core_limit_of(pid: int) -> str | None:
    """Return the largest core file of a process, in bytes; None when that cannot be read."""
    try:
        with open(f"/proc/{pid}/limits", encoding="ascii") as handle:
            lines = [line.split() for line in handle]
    except OSError:
        return None
    return next((words[4] for words in lines if words[:4] == ["Max", "core", "file", "size"]), None)


def arguments_of(pid: int) -> list[str]:
    """Return the arguments of a process, its program first. Raises OSError."""
    with open(f"/proc/{pid}/cmdline", "rb") as handle:
        return os.fsdecode(handle.read(_MOST_OF_PROCESS)).split("\0")


def command_of(pid: int) -> str:
    """Return the command line of a process, empty when it is gone."""
    try:
        text = " ".join(arguments_of(pid)).strip()
    except OSError:
        return ""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def working_directory(pid: int) -> str:
    """Return the working directory of a process. Raises OSError where it cannot be seen."""
    return os.readlink(f"/proc/{pid}/cwd")


def uid_of(pid: int) -> int | None:
    """Return the real UID of a process, None when it is gone."""
    try:
        # the directory of a process that must not be inspected belongs to root
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as handle:
            return next(int(line.split()[1]) for line in handle if line.startswith("Uid:"))
    except (OSError, StopIteration):
        return None


def belongs(pid: int, control_group: str) -> bool:
    """Return whether a process is in a control group of systemd (cgroups(7)).

    The whole path counts, as a user may make a group of any name below their own.
    """
    try:
        with open(f"/proc/{pid}/cgroup", encoding="utf-8", errors="surrogateescape") as handle:
            groups = [line.rstrip("\n").split(":", 2)[1:] for line in handle]
    except OSError:
        return False
    return any(path == control_group and name in _OF_SYSTEMD for name, path in groups)


def open_paths(pid: int) -> Iterator[str]:
    """Yield every path that a process has open, and its directories.

    Each thread may have its own. Raises OSError where they cannot be seen.
    """
    for thread in os.listdir(f"/proc/{pid}/task"):
        base = f"/proc/{pid}/task/{thread}"
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            places = [f"{base}/{name}" for name in ("cwd", "root")]
            places += [f"{base}/fd/{number}" for number in os.listdir(f"{base}/fd")]
            for place in places:
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                    yield os.readlink(place)


def processes_with(path: str) -> list[str]:
    """Return the other processes that have a file open: number, program, and since when they run.

    Those that cannot be seen are left out.
    """
    found = []
    for pid in all_pids():
        if pid == os.getpid():
            continue
        try:
            if path not in open_paths(pid):
                continue
            begun = os.stat(f"/proc/{pid}").st_mtime
        except OSError:
            continue
        # an argument may be a secret, so only the program is named
        program = command_of(pid).partition(" ")[0]
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(begun))
        found.append(f"process {pid} ({program or 'unknown'}), since {when}")
    return found


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


# ---- sockets

MOUNTS = "/proc/self/mounts"
MOUNT_INFO = "/proc/self/mountinfo"
TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
ESTABLISHED = "01"
LISTENING = "0A"


def sockets(state: str, port: int, peer: int | None = None) -> dict[str, int]:
    """Return the TCP sockets in a state with a local port, and with a peer's port.

    Returns the UID of the process that opened a socket, by the socket's inode. Raises OSError where
    sockets cannot be seen.
    """
    return {inode: uid for _address, inode, uid in _sockets(state, port, peer)}


def is_connected(inodes: Collection[str]) -> bool:
    """Return whether one of some sockets is connected. Raises OSError where none can be seen."""
    return any(row[3] == ESTABLISHED and row[9] in inodes for row in _socket_rows())


def _sockets(state: str, port: int, peer: int | None) -> Iterator[tuple[str, str, int]]:
    """Yield the local address, in the digits of the kernel, the inode and the UID of sockets."""
    for columns in _socket_rows():
        local, remote, found_state, uid, inode = (columns[place] for place in (1, 2, 3, 7, 9))
        if found_state == state and _port(local) == port and peer in (None, _port(remote)):
            yield local.partition(":")[0], inode, int(uid)


def _socket_rows() -> list[list[str]]:
    """Return the columns of every TCP socket. Raises OSError where they cannot be seen."""
    rows: list[str] = []
    missing = []
    for table in TABLES:
        try:
            with open(table, encoding="ascii") as handle:
                rows += handle.read().splitlines()[1:]
        except FileNotFoundError as error:
            # a kernel may lack either protocol, and a /proc for processes alone lacks both
            missing.append(error)
    if len(missing) == len(TABLES):
        raise missing[0]
    return [row.split() for row in rows]


def _listening(port: int, host: str) -> dict[str, int]:
    """Return the sockets that take the connections to an IPv4 address, as ``sockets`` does.

    The kernel prefers a socket of that very address to a socket of all addresses.
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
    """A process that listens on a port. pid: None where the process itself cannot be seen."""

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
    """Return the processes that listen on a TCP port of an address and are not of a service.

    main_pid, control_group: of the service, 0 and empty when it does not run. In a container even
    root may not see which process holds a socket, but always its user.
    Raises OSError where sockets cannot be seen.
    """
    wanted = {f"socket:[{inode}]": uid for inode, uid in _listening(port, host).items()}
    own = uid_of(main_pid) if main_pid else None
    # the service most likely holds them all, and then no other process is inspected
    suspects = [main_pid] if main_pid else []
    suspects += all_pids() if wanted else []
    found = []
    for pid in suspects:
        held = wanted.keys() & set(_descriptors(pid)) if wanted else set()
        for name in held:
            uid = wanted.pop(name)
            if not (control_group and belongs(pid, control_group)):
                found.append(Listener(pid, name_of(uid) or str(uid), command_of(pid), name))
    return found + [
        Listener(None, name_of(uid) or str(uid), "", name)
        for name, uid in wanted.items()
        if uid != own
    ]


def holders(socket_name: str) -> list[int]:
    """Return the processes that have a socket open, as far as this process sees them."""
    return [pid for pid in all_pids() if socket_name in _descriptors(pid)]


def name_of(uid: int) -> str:
    """Return the name of a UID, empty when it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return ""


# ---- accounts


def account_of(name: str) -> pwd.struct_passwd | None:
    """Return the passwd entry of an account, None when there is none."""
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def groups_of(account: pwd.struct_passwd) -> list[int]:
    """Return the GIDs of an account, its primary group included."""
    return os.getgrouplist(account.pw_name, account.pw_gid)


def become(account: pwd.struct_passwd | None, *, for_good: bool = False) -> None:
    """Let this process, a child that root has forked, act as an account, or as root again.

    for_good: whether it can never become root again. Raises OSError for an account that is root
    under another name.
    """
    if account is not None:
        refuse_alias_of_root(account)
    if not for_good:
        # the saved UID stays root's, and the kernel checks neither that one nor, as the other two
        # are not root's, a capability
        os.setresuid(0, 0, 0)
    uid, gid, groups = 0, 0, [0]
    if account is not None:
        uid, gid, groups = account.pw_uid, account.pw_gid, groups_of(account)
    try:
        os.setgroups(groups)
    except ValueError:
        # an account may have more groups than setgroups(2) takes on this system
        os.initgroups(account.pw_name if account else "root", gid)
    if for_good:
        os.setgid(gid)
        os.setuid(uid)
    else:
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, 0)


def start_as(account: pwd.struct_passwd) -> dict[str, Any]:
    """Return the arguments with which subprocess starts a program as an account.

    Only root can become another account; every other account starts it as itself.
    Raises PermissionError for an account that is root under another name.
    """
    if os.geteuid() != 0:
        return {}
    refuse_alias_of_root(account)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": groups_of(account)}


def shadow_command(name: str) -> list[str]:
    """Return the command that prints the line of an account in the shadow file (shadow(5))."""
    return ["getent", "shadow", name]


def base_of_homes() -> str:
    """Return the directory in which useradd creates homes. Raises OSError."""
    shown = _run("useradd", "-D", seconds=60).stdout
    defaults = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
    return defaults.get("HOME", "/home")


def remove_account(name: str, *, with_home: bool) -> str:
    """Remove an account; return why it stays, empty when it is gone. Raises OSError."""
    command = ["userdel", *(["--remove"] if with_home else []), name]
    ended = _run(*command, seconds=_REMOVE_SECONDS)
    if ended.returncode == 0:
        return ""
    return ended.stderr.strip() or f"userdel ended with exit code {ended.returncode}"


def advice_to_remove_account(name: str) -> str:
    """Return the command with which an operator removes an account."""
    return f"userdel --remove {name}"


def advice_to_create(*, groups: bool = False) -> str:
    """Return the words that name the programs that create accounts. groups: and groups."""
    return "with useradd" + (" and groupadd" if groups else "")


# ---- files


@contextlib.contextmanager
def opened(path: str | bytes, flags: int, parent: int | None = None) -> Iterator[int]:
    """Open a file or directory, below an open directory if one is given; yield its descriptor.

    A file that this makes is of its owner alone.
    """
    descriptor = os.open(path, flags, 0o600, dir_fd=parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def path_of(descriptor: int) -> str:
    """Return a path of this process alone that leads to the file of a descriptor."""
    return f"/proc/self/fd/{descriptor}"


def mount_of(descriptor: int) -> str:
    """Return the mount that an open file was opened through. Raises OSError.

    A directory that was bound elsewhere has the device of its file system, but a mount of its own.
    """
    with open(f"/proc/self/fdinfo/{descriptor}", encoding="ascii") as handle:
        for line in handle:
            if line.startswith("mnt_id:"):
                return line.split()[1]
    raise OSError(f"/proc/self/fdinfo/{descriptor} names no mount")


def mount_points() -> list[str]:
    """Return every mount point, nothing where the kernel has no list of them."""
    try:
        with open(MOUNTS, encoding="utf-8", errors="surrogateescape") as handle:
            return sorted({unescaped(line.split(" ")[1]) for line in handle})
    except FileNotFoundError:
        return []


def server_of(device: int) -> int | None:
    """Return the UID that serves a file system by FUSE, None for any other and for root's.

    Its server decides at any moment on every link, owner and mode that is seen in it.

    device: ``st_dev`` of a file. The last field of a line is the kernel's (proc(5), mountinfo);
    the field before it may be the user's.
    """
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        with open(MOUNT_INFO, encoding="utf-8", errors="surrogateescape") as handle:
            lines = [line.rstrip("\n").partition(" - ") for line in handle]
    except FileNotFoundError:
        return None
    for mount, _dash, system in lines:
        kind, _source, options = system.split(" ", 2)
        if mount.split(" ")[2] == number and kind.startswith("fuse"):
            found = re.search(r"(?:^|,)user_id=([0-9]+)", options)
            return int(found[1]) or None if found else None
    return None


def mounts_below(path: str) -> list[str]:
    """Return the mount points at a path or below it. path: one without links."""
    return [point for point in mount_points() if f"{point}/".startswith(f"{path.rstrip('/')}/")]


def unescaped(text: str) -> str:
    """Return a path of /proc/mounts as it is (proc(5): blanks and the like are octal)."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)
