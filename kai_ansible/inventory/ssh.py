"""How ssh reaches the hosts of an inventory, and which of their keys nobody has accepted yet."""

from __future__ import annotations

import getpass
import os
import shlex
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from kai_ansible.rules.problems import Problem

_LOOKUPS_AT_ONCE = 8
# whoever lets ssh take any key, or has it ask somewhere else, is not in need of a file
_UNASKED = ("no", "false", "off", "accept-new")
_FINGERPRINT = "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub"


@dataclass(frozen=True)
class Hop:
    """A machine that ssh connects to: a host, or another one on the way there.

    argv: a command of ssh that logs in there.
    """

    argv: tuple[str, ...]

    @cached_property
    def settings(self) -> dict[str, str]:
        """What ssh itself makes of the command and its configuration, by lower-case keyword."""
        asked = subprocess.run(
            [self.argv[0], "-G", *self.argv[1:]],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        return dict(line.split(" ", 1) for line in asked.stdout.splitlines() if " " in line)

    @property
    def key_name(self) -> str:
        """What a file of known hosts calls this machine."""
        name = self.settings.get("hostkeyalias", self.settings.get("hostname", ""))
        port = self.settings.get("port", "22")
        return name if "hostkeyalias" in self.settings or port == "22" else f"[{name}]:{port}"

    @property
    def hops_before(self) -> list[Hop]:
        """The machines that ssh passes on the way, as far as it is ssh that connects to them."""
        jump = self.settings.get("proxyjump", "none")
        if jump != "none":
            steps = jump.split(",")
            before = [
                ["-J", ",".join(steps[:number])] if number else [] for number in range(len(steps))
            ]
            return [
                Hop((*self._program, *options, f"ssh://{step}"))
                for options, step in zip(before, steps, strict=True)
            ]
        through = self.settings.get("proxycommand", "none").split()
        if "-W" not in through or Path(through[0]).name != "ssh":
            return []
        where = through.index("-W")
        return [Hop((*through[:where], *through[where + 2 :]))]

    @property
    def has_known_key(self) -> bool:
        """Whether ssh knows a key of this machine, or does not want one; true where unclear."""
        settings = self.settings
        if settings.get("stricthostkeychecking", "no") in _UNASKED:
            return True
        if settings.get("knownhostscommand", "none") != "none":
            return True
        return any(map(self._is_in, self._files))

    @property
    def accepting(self) -> str:
        """The command that shows the fingerprint, and takes the key when that is confirmed."""
        asks = []
        if self.settings.get("stricthostkeychecking") in ("yes", "true"):
            asks += ["-o", "StrictHostKeyChecking=ask"]
        if self.settings.get("batchmode") == "yes":
            asks += ["-o", "BatchMode=no"]
        return shlex.join([self.argv[0], *asks, *self.argv[1:]])

    @property
    def _program(self) -> list[str]:
        # another configuration holds for the whole way, options do not
        if "-F" in self.argv:
            return [self.argv[0], "-F", self.argv[self.argv.index("-F") + 1]]
        return [self.argv[0]]

    @property
    def _files(self) -> Iterator[str]:
        for keyword in ("userknownhostsfile", "globalknownhostsfile"):
            value = self.settings.get(keyword, "")
            # ssh does not tell whether a blank belongs to a name
            yield from dict.fromkeys([value, *value.split()])

    def _is_in(self, file: str) -> bool:
        if "%" in file:
            return True
        search = ["ssh-keygen", "-F", self.key_name, "-f", file]
        found = subprocess.run(search, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        return found.returncode == 0


def connection_variables() -> set[str]:
    """Return the names of the variables that ``hop_of`` reads."""
    from ansible import constants
    from ansible.plugins.loader import connection_loader

    # what a plugin reads is known once it is loaded
    connection_loader.get("ssh", class_only=True)
    names = constants.config.get_plugin_vars("connection", "ssh")
    return {"ansible_connection", *names}


def hop_of(variables: Mapping[str, Any]) -> Hop | None:
    """Return how Ansible reaches a host, None when that is not by ssh.

    variables: the host's, as Ansible has them for a connection.
    """
    from ansible import constants
    from ansible.module_utils.parsing.convert_bool import boolean
    from ansible.playbook.play_context import PlayContext
    from ansible.plugins.loader import connection_loader

    kind = str(variables.get("ansible_connection", constants.DEFAULT_TRANSPORT))
    if kind.rpartition(".")[2] not in ("ssh", "smart"):
        return None
    plugin = connection_loader.get("ssh", PlayContext())
    plugin.set_options(var_options=dict(variables))

    def option(name: str) -> str:
        value = plugin.get_option(name)
        return "" if value is None else str(value)

    argv = [option("ssh_executable") or "ssh"]
    for name in ("ansible_host_key_checking", "ansible_ssh_host_key_checking"):
        if not boolean(variables.get(name, True)):
            argv += ["-o", "StrictHostKeyChecking=no"]
    for name in ("ssh_common_args", "ssh_extra_args"):
        argv += shlex.split(option(name))
    for flag, name in (("-i", "private_key_file"), ("-p", "port"), ("-l", "remote_user")):
        if option(name):
            argv += [flag, str(Path(option(name)).expanduser()) if flag == "-i" else option(name)]
    return Hop((*argv, option("host")))


def login_of(hop: Hop | None) -> str:
    """Return who logs in where, as ``user@host:port``; without a hop, on this very machine."""
    if hop is None:
        return f"{getpass.getuser()}@localhost"
    settings = hop.settings
    return f"{settings.get('user')}@{settings.get('hostname')}:{settings.get('port')}"


def unknown_keys(hops: Mapping[str, Hop | None]) -> list[Problem]:
    """Return a problem for each machine on the way to a host whose key is not known.

    hops: by the host's name in the inventory, as ``hop_of`` returns them. Nothing is connected to.
    """
    if not _keys_are_checked():
        return []
    with ThreadPoolExecutor(_LOOKUPS_AT_ONCE) as pool:
        found = pool.map(_unknown_on_the_way, hops.values())
        unknown: dict[Hop, list[str]] = {}
        for host, machines in zip(hops, found, strict=True):
            for machine in machines:
                unknown.setdefault(machine, []).append(host)
    return [_problem(hop, hosts) for hop, hosts in unknown.items()]


def _keys_are_checked() -> bool:
    from ansible.module_utils.parsing.convert_bool import boolean

    return bool(boolean(os.environ.get("ANSIBLE_HOST_KEY_CHECKING", "true")))


def _unknown_on_the_way(hop: Hop | None) -> list[Hop]:
    if hop is None:
        return []
    try:
        return [machine for machine in _way(hop) if not machine.has_known_key]
    except FileNotFoundError:
        # that there is no ssh at all is told by Ansible
        return []


def _way(hop: Hop) -> Iterable[Hop]:
    way: Sequence[Hop] = [hop]
    while way[0].hops_before:
        earlier = [machine for machine in way[0].hops_before if machine not in way]
        if not earlier:
            break
        way = [*earlier, *way]
    return way


def _problem(hop: Hop, hosts: Sequence[str]) -> Problem:
    name = hop.key_name
    return Problem(
        ", ".join(hosts),
        f"no known key of {name}",
        "one that you have compared and accepted",
        f"{hop.accepting}: compare the fingerprint that it shows with what the machine itself "
        f"answers to {_FINGERPRINT}, and say yes",
    )
