"""Start, reach and remove machines: systemd containers with sshd on loopback."""

import json
import re
import shlex
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import images, podman, state
from .podman import TestbedError

HOST = "127.0.0.1"
LABEL = "kai-ansible.testbed"

_PREFIX = f"kai-testbed-{state.CHECKOUT}-"
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?")
_HOST_KEY = "/etc/ssh/ssh_host_ed25519_key.pub"
_BOOT_SECONDS = 90
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Machine:
    """A machine that is up: how to reach it, and what can be done with it."""

    name: str
    """What it was started as; also its host name inside."""
    suite: str
    container: str
    """Its name in podman."""
    port: int
    """The port of sshd on HOST."""
    directory: Path
    """Where its key and its known_hosts are."""

    @property
    def private_key(self) -> Path:
        """The ssh key that root and operator accept."""
        return self.directory / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        """A known_hosts file with the host key of this machine alone."""
        return self.directory / "known_hosts"

    @property
    def inventory(self) -> Path:
        """An Ansible inventory with this machine alone."""
        return self.directory / "inventory.json"

    def ssh_args(self) -> list[str]:
        """Return the options that every ssh to this machine needs; the key is checked."""
        # ssh splits the value at blanks by itself, hence the quotes inside.
        known = f'UserKnownHostsFile="{self.known_hosts}"'
        options = [known, "StrictHostKeyChecking=yes", "IdentitiesOnly=yes", "BatchMode=yes"]
        return [part for option in options for part in ("-o", option)]

    def ssh_command(self, user: str = "root") -> list[str]:
        """Return the argv of an ssh to this machine; append the remote command."""
        key, port = str(self.private_key), str(self.port)
        return ["ssh", "-i", key, "-p", port, *self.ssh_args(), f"{user}@{HOST}"]

    def inventory_entry(self, user: str = "root") -> dict[str, str | int]:
        """Return the host variables with which Ansible reaches this machine.

        In: `root`, or `operator` (sudo without a password).
        """
        return {
            "ansible_host": HOST,
            "ansible_port": self.port,
            "ansible_user": user,
            "ansible_ssh_private_key_file": str(self.private_key),
            "ansible_ssh_common_args": shlex.join(self.ssh_args()),
            "ansible_python_interpreter": "/usr/bin/python3",
            # Ansible waits as long for sudo, and many machines on few processors answer late
            "ansible_ssh_timeout": 180,
        }

    def run(
        self,
        command: Sequence[str],
        *,
        user: str | None = None,
        input: str | None = None,
        check: bool = True,
        timeout: float = 300,
    ) -> subprocess.CompletedProcess[str]:
        """Run `command` (argv, no shell) in `/` of the machine.

        In: the account (default root); text for standard input (default: empty);
        `timeout` in seconds. HOME is that of the account.
        Raises TestbedError with the output when `check` and the exit code is not 0,
        and when the time is up.
        """
        args = ["exec"]
        if input is not None:
            args.append("--interactive")
        if user is not None:
            args += ["--user", user]
        args += [self.container, *command]
        return podman.run(args, input=input, check=check, timeout=timeout)

    def push(self, path: Path | str, dest: str) -> None:
        """Copy a local file or directory to `dest` in the machine, owned by root.

        A directory becomes `dest`, or goes inside when `dest` exists; `path/.` is
        its content. Raises TestbedError when it cannot be copied.
        """
        podman.run(["cp", str(path), f"{self.container}:{dest}"])

    def pull(self, path: str, dest: Path | str) -> None:
        """Copy a file or directory of the machine to a local `dest`; otherwise as push."""
        podman.run(["cp", f"{self.container}:{path}", str(dest)])

    def restart(self) -> None:
        """Reboot, and return when systemd and sshd are up again; the port stays.

        Raises TestbedError when they are not after 90 s.
        """
        podman.run(["restart", "--time", "20", self.container])
        self.wait()

    def stop(self) -> None:
        """Remove the machine and its files; no error when it is gone already."""
        _remove(self.container)
        state.remove(self.name)

    def wait(self) -> None:
        """Return when systemd has finished booting and sshd answers.

        Raises TestbedError when that is not so after 90 s, or the machine died.
        """
        deadline = time.monotonic() + _BOOT_SECONDS
        while True:
            asked = self.run(["systemctl", "is-system-running"], check=False, timeout=30)
            system = asked.stdout.strip()
            if system in ("running", "degraded") and _answers_ssh(self.port):
                return
            if not system and _state(self.container) != "running":
                raise TestbedError(f"{self.name} stopped while booting{_last_words(self)}")
            if time.monotonic() > deadline:
                found = system or asked.stderr.strip()
                raise TestbedError(
                    f"{self.name} is not up after {_BOOT_SECONDS} s "
                    f"(systemd: {found}){_last_words(self)}"
                )
            time.sleep(_POLL_SECONDS)

    def failed_units(self) -> list[str]:
        """Return the systemd units that failed; empty when the system is `running`."""
        listed = self.run(["systemctl", "list-units", "--failed", "--plain", "--no-legend"])
        return [line.split()[0] for line in listed.stdout.splitlines() if line.strip()]

    def details(self) -> dict[str, object]:
        """Return all that a program needs to use the machine, ready for JSON."""
        failed = self.failed_units()
        return {
            "name": self.name,
            "suite": self.suite,
            "container": self.container,
            "host": HOST,
            "port": self.port,
            "user": "root",
            "private_key": str(self.private_key),
            "known_hosts": str(self.known_hosts),
            "ssh_common_args": shlex.join(self.ssh_args()),
            "inventory": str(self.inventory),
            "inventory_entry": self.inventory_entry(),
            "systemd": "degraded" if failed else "running",
            "failed_units": failed,
        }


def start(
    name: str, suite: str = "trixie", *, options: Sequence[str] = (), image: str | None = None
) -> Machine:
    """Boot a fresh machine; one of the same name is removed first.

    In: `name`, a host name; a suite of images.SUITES; `options`, more options of
    `podman run` (`["--tmpfs", "/opt:size=8m"]` for a full disk); `image`, a snapshot
    of a machine of that suite instead of its image, which is built when it is not there.
    Raises TestbedError when it cannot be built or started; nothing is left behind.
    """
    container = _container(name)
    if shutil.which("ssh-keygen") is None:
        raise TestbedError("ssh-keygen is not installed; run tests/testbed/prepare")
    image = image or images.ensure(suite)
    _remove(container)
    directory = state.fresh(name)
    certs = images.host_certs()
    volume = [] if certs is None else ["--volume", f"{certs}:{certs}:ro"]
    command = [
        "run",
        "--detach",
        "--systemd=always",
        # on a real host root reads the environment of a process (proc(5))
        "--cap-add=SYS_PTRACE",
        f"--name={container}",
        f"--hostname={name}",
        f"--label={LABEL}={state.CHECKOUT}",
        f"--label={LABEL}.name={name}",
        f"--label={LABEL}.suite={suite}",
        f"--publish={HOST}::22",
        *volume,
        *options,
        image,
        "/sbin/init",
    ]
    try:
        podman.run(command)
        machine = Machine(name, suite, container, _port(container), directory)
        machine.wait()
        _admit(machine)
    except BaseException:
        _remove(container)
        state.remove(name)
        raise
    return machine


def find(name: str) -> Machine | None:
    """Return the machine `name` of this checkout, or None when there is none that runs."""
    container = _container(name)
    if _state(container) != "running":
        return None
    machine = Machine(name, _suite(container), container, _port(container), state.ROOT / name)
    # without its key, which was removed with .cache, nobody can log in
    return machine if machine.private_key.exists() else None


@contextmanager
def running(
    name: str, suite: str = "trixie", *, options: Sequence[str] = (), image: str | None = None
) -> Iterator[Machine]:
    """Boot a fresh machine for the body of a `with`, and remove it afterwards.

    In and raises: as `start`.
    """
    machine = start(name, suite, options=options, image=image)
    try:
        yield machine
    finally:
        machine.stop()


def listing() -> list[dict[str, str]]:
    """Return name, suite, state and container of every machine of this checkout."""
    own = f"--filter=label={LABEL}={state.CHECKOUT}"
    result = podman.run(["ps", "--all", own, "--format=json"])
    return [
        {
            "name": entry["Labels"].get(f"{LABEL}.name", ""),
            "suite": entry["Labels"].get(f"{LABEL}.suite", ""),
            "state": entry["State"],
            "container": entry["Names"][0],
        }
        for entry in json.loads(result.stdout or "[]")
    ]


def stop(name: str) -> bool:
    """Remove the machine `name` and its files in any state; return whether it existed."""
    container = _container(name)
    there = _state(container) is not None
    _remove(container)
    state.remove(name)
    return there


def stop_all() -> list[str]:
    """Remove every machine of this checkout; return their names in podman."""
    entries = listing()
    for entry in entries:
        _remove(entry["container"])
        if entry["name"]:
            state.remove(entry["name"])
    return [entry["container"] for entry in entries]


def _container(name: str) -> str:
    if _NAME.fullmatch(name) is None:
        raise TestbedError(f"not a host name (small letters, digits, dashes): {name!r}")
    return _PREFIX + name


def _admit(machine: Machine) -> None:
    key = machine.private_key
    generate = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", machine.container, "-f"]
    subprocess.run([*generate, str(key)], check=True, stdin=subprocess.DEVNULL)
    public = key.with_suffix(".pub").read_text(encoding="ascii")
    for user, home in (("root", "/root"), ("operator", "/home/operator")):
        # As the account itself, so that sshd finds the owner it demands.
        machine.run(["install", "-d", "-m", "0700", f"{home}/.ssh"], user=user)
        keys = f"{home}/.ssh/authorized_keys"
        machine.run(["install", "-m", "0600", "/dev/stdin", keys], user=user, input=public)
    kind, blob = machine.run(["cat", _HOST_KEY]).stdout.split()[:2]
    line = f"[{HOST}]:{machine.port} {kind} {blob}\n"
    machine.known_hosts.write_text(line, encoding="ascii")
    hosts = {"all": {"hosts": {machine.name: machine.inventory_entry()}}}
    machine.inventory.write_text(json.dumps(hosts, indent=2) + "\n", encoding="utf-8")


def _remove(container: str) -> None:
    podman.run(["rm", "--force", "--ignore", "--volumes", "--time", "0", container])


def _inspect(container: str, template: str) -> str | None:
    command = ["container", "inspect", "--format", template, container]
    result = podman.run(command, check=False)
    return result.stdout.strip() if result.returncode == 0 else None


def _state(container: str) -> str | None:
    return _inspect(container, "{{.State.Status}}")


def _suite(container: str) -> str:
    return _inspect(container, f'{{{{index .Config.Labels "{LABEL}.suite"}}}}') or ""


def _port(container: str) -> int:
    return int(podman.run(["port", container, "22/tcp"]).stdout.split()[0].rpartition(":")[2])


def _answers_ssh(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=2) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def _last_words(machine: Machine) -> str:
    logs = podman.run(["logs", "--tail", "20", machine.container], check=False)
    journal = machine.run(["journalctl", "--no-pager", "-n", "20"], check=False)
    text = (logs.stdout + logs.stderr + journal.stdout).strip()
    return f":\n{text}" if text else ""
