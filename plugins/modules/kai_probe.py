#!/usr/bin/python
# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One read-only look at a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kai_probe
short_description: Look at a host once, before anything is decided
version_added: 0.1.0
description:
  - Returns everything that the role, the wizard and the status command have to know about a host.
  - Changes nothing. What cannot be seen without privilege is reported as unseen, not guessed.
  - With O(exclusive) it also sees to it that no other run changes the host meanwhile.
options:
  service_user:
    description: The account that runs the bot.
    type: str
    required: true
  os_users:
    description: The accounts that agents run as.
    type: list
    elements: str
    default: []
  install_dir:
    description: Where releases live.
    type: path
    required: true
  data_dir:
    description: Where the data of the bot lives; only root may be able to change what is above it.
    type: path
  wheelhouse:
    description: A directory of packages, of which the same has to hold, and of what is in it.
    type: path
  python:
    description: An interpreter to judge besides those in the usual places.
    type: str
    default: ""
  directories:
    description: Directories whose existence matters.
    type: list
    elements: path
    default: []
  access:
    description: Directories that accounts have to enter.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: The directory.
        type: str
        required: true
      account:
        description: Who has to enter it. One that does not exist yet can do what nobody can.
        type: str
        required: true
      write:
        description: Whether the account has to write there as well.
        type: bool
        default: false
  targets:
    description: Where files will be written; need not exist yet.
    type: list
    elements: path
    default: []
  files:
    description: Files that root will write, so nothing but a file of their own may be there.
    type: list
    elements: path
    default: []
  release:
    description:
      - The release that is wanted. When it is not there, the size of the live one is measured.
    type: str
    default: ""
  port:
    description: The TCP port on which the bot will answer.
    type: int
  programs:
    description: Names of programs to look for in the bot's PATH.
    type: list
    elements: str
    default: []
  models:
    description: Large files that the bot has to be able to read.
    type: list
    elements: path
    default: []
  exclusive:
    description:
      - Whether this is the beginning of a run that changes the host, and so takes the lock.
      - A lock that another run holds is reported and stays. In check mode none is taken.
      - A module that a killed run left at work is waited for.
      - To give the lock back, empty the file. A run that was killed need not.
    type: bool
    default: false
  run:
    description: Which run it is. The action plugin tells, so a task need not.
    type: dict
  controller:
    description: What the processes of the controller are counted in. The action plugin tells it.
    type: list
    elements: str
    default: []
  ended_run:
    description: A run that holds the lock and has ended. The action plugin tells that as well.
    type: dict
  turns:
    description: The directory in which the bot has a file for each user whom it is answering.
    type: path
  env_file:
    description: The bot's environment file.
    type: path
    required: true
  sudoers_file:
    description: The bot's sudoers drop-in.
    type: path
    required: true
  platforms:
    description: What differs between operating systems, as the contract tells it.
    type: dict
    required: true
  binaries:
    description: The agents' binaries to look for.
    type: list
    elements: dict
    default: []
    suboptions:
      backend:
        description: The backend that the binary belongs to.
        type: str
        required: true
      name:
        description: The name of the binary.
        type: str
        required: true
      env_key:
        description: The key of the environment file that names it, empty when none does.
        type: str
        default: ""
      wanted:
        description: The path that host_vars name, empty when they name none.
        type: str
        default: ""
      usual_places:
        description: Where the binary usually is, per operating system.
        type: dict
        required: true
      version:
        description: The arguments with which it tells its version.
        type: list
        elements: str
        default: []
      accounts:
        description: The accounts that run it.
        type: list
        elements: str
        required: true
      resolvers:
        description: Accounts that have to be able to execute it as well, without running it.
        type: list
        elements: str
        default: []
      login_files:
        description: Where a login is kept, relative to the account's home.
        type: list
        elements: str
        default: []
      login_check:
        description: The arguments with which it tells by its exit code whether its account is
          logged in, 0 for yes and 1 for no.
        type: list
        elements: str
        default: []
  versions:
    description:
      - Whether the best candidate of each binary is started, by an account that runs it, to tell
        its version.
    type: bool
    default: false
  trust_user_binaries:
    description:
      - Whether agents are started that an account could act through as another one.
      - Without it they are not, and what only they could tell is not known.
    type: bool
    default: false
  ask_logins:
    description:
      - Whether each agent's program is asked, by each account that runs it, if it is logged in.
        Without it the files of a login have to do.
    type: bool
    default: false
  installed:
    description: Asks what is installed as well, how it runs, and how far it is what it should be.
    type: dict
    suboptions:
      unit:
        description: Name of the systemd unit without its suffix.
        type: str
        required: true
      host:
        description: Address on which the bot answers.
        type: str
        required: true
      health_path:
        description: Path of the health route.
        type: str
        required: true
      port_key:
        description: The key of the environment file that gives the bot its port.
        type: str
        required: true
      default_port:
        description: The port without that key.
        type: int
        required: true
      data_dir:
        description: Where the data lives, beside which a restore may have left former data.
        type: path
      patience:
        description: After how many seconds a bot that does not answer hangs.
        type: int
        default: 120
      files:
        description: The files of the installation.
        type: list
        elements: dict
        required: true
        suboptions:
          path:
            description: Absolute path.
            type: str
            required: true
          content:
            description: What is told of its content. Its keys with their sealed values for V(env),
              the text for V(shown), and for V(sealed) only whether it is the wanted one.
            type: str
            choices: [env, shown, sealed]
            required: true
      directories:
        description:
          - What M(kai.bot.kai_user_tree) gets as O(kai.bot.kai_user_tree#module:directories).
          - V({service_home}) stands for the home of O(service_user).
        type: list
        elements: dict
        required: true
      seeds:
        description:
          - What M(kai.bot.kai_user_tree) gets as O(kai.bot.kai_user_tree#module:seeds).
          - V({service_home}) stands for the home of O(service_user).
        type: list
        elements: dict
        required: true
      room:
        description: Paths whose file systems have to have room.
        type: list
        elements: path
        required: true
attributes:
  check_mode:
    support: full
    description: It never changes anything but the lock, which is not taken in check mode.
  diff_mode:
    support: none
    description: There is nothing to compare.
author: the kai-ansible authors (@kai-ansible)
"""

EXAMPLES = r"""
- name: The host is known
  kai.bot.kai_probe:
    service_user: kai
    os_users: [alice]
    install_dir: /opt/kai
    env_file: /etc/kai/env
    sudoers_file: /etc/sudoers.d/kai
    platforms: "{{ contract.platforms }}"
    binaries:
      - backend: codex
        name: codex
        env_key: CODEX_BIN
        usual_places:
          linux: [/usr/local/bin/codex]
        accounts: [alice]
        login_files: [.codex/auth.json]
  register: probe
"""

RETURN = r"""
probe:
  description: What was seen.
  returned: always
  type: dict
  contains:
    platform:
      description: The operating system, as the contract names it.
      type: str
      sample: linux
    system:
      description: What a report of a fault has to say of the host, its name, kernel and Python.
      type: dict
    is_controller:
      description: Whether the host is the machine that runs Ansible.
      type: bool
    privileged:
      description: Whether the look was taken as root.
      type: bool
    accounts:
      description: UID, GID and home of each account asked for, null where there is none.
      type: dict
    service_home:
      description: The service user's home, or where it will be.
      type: str
    tools:
      description: Paths of cat, tee, kill and visudo.
      type: dict
    interpreters:
      description:
        - Python interpreters with path, version and fault, newest first. Without a fault one can
          make a virtual environment that the service user can run.
      type: list
      elements: dict
    binaries:
      description: Per backend, candidates with path, source, fault and perhaps version, best first.
        Those without fault tell in changers who besides root may change them, and through which
        path, and in unseen why that cannot be seen; null without privilege to see it.
      type: dict
    logins:
      description: Per account and backend, whether a login is kept there.
      type: list
      elements: dict
    env_keys:
      description: Keys of the environment file that was proven last; none when it cannot be read.
      type: list
      elements: str
    directories:
      description: Per directory asked for, what it is.
      type: dict
    access:
      description: Per directory and account asked for, what keeps the account out and where.
      type: list
      elements: dict
    targets:
      description: Per target, what there is of it, on which device, and what can be written.
      type: dict
    release:
      description: The live release, the complete ones, and the size of the live one when measured.
        The release V(flat) is the one that Kai's own installer laid out.
      type: dict
    former_install:
      description: What there is of Kai's own installer while it is live, null otherwise. The paths
        beside its files, the drop-ins with rules for the service user, and each statement of its
        own drop-in with the number of its line.
      type: dict
    port:
      description: Who listens on the port and is not the unit's own, in words.
      type: list
      elements: str
    programs:
      description: Path of each program asked for, null when there is none.
      type: dict
    sudo:
      description: What sudo says of its version, and the flags of Defaults for the service user.
      type: dict
    file_sizes:
      description: Bytes of each of the files asked for that is there.
      type: dict
    sudoers_sha256:
      description: Digest of the deployed drop-in, empty when there is none.
      type: str
    manager_version:
      description: Version of systemd, null when it cannot be told.
      type: int
    lock:
      description:
        - The lock file, who this run is of, whether it took the lock, the run that holds it
          instead, and what keeps this run from going on.
      type: dict
    service:
      description: Whether the unit is active and enabled, its process, and how many users are being
        answered.
      type: dict
    damaged:
      description: Each record of the installs that is not whole. In problem what is wrong, in
        number the install that it is of, null when it is of none, and in needed whether an install
        needs it.
      type: list
      elements: dict
    installed:
      description: What is installed and how it runs. Only with O(installed).
      type: dict
    places:
      description: Where root would work, and any other account could change what is there. Nothing
        of it was read or run.
      type: list
      elements: dict
    live_python:
      description: Path and changers of the Python of the live release. Only with O(installed).
      type: dict
    faults:
      description: What keeps any installation from working here.
      type: list
      elements: dict
"""

import concurrent.futures
import errno
import glob
import hashlib
import os
import platform
import pwd
import re
import shlex
import socket
import stat
import subprocess
import time
from collections.abc import Sequence
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.host.built_release import ENVIRONMENT, find_uv, python_of
from ..module_utils.host.files import Damaged, look
from ..module_utils.host.flock import Busy, only_worker
from ..module_utils.host.install_probe import damages, look_at_installed
from ..module_utils.host.processes import strangers
from ..module_utils.host.records import Installs
from ..module_utils.host.root_places import place_problems, program_problem
from ..module_utils.host.run_as import (
    UNANSWERED,
    NoAnswer,
    ask_as,
    ask_each,
    fault_of_entry,
    fault_of_program,
)
from ..module_utils.host.run_lock import (
    BrokenRecord,
    problem_of_holder,
    problem_of_lock,
    processes_here,
    run_of,
    take,
)
from ..module_utils.host.service import deployed_port, turns_in
from ..module_utils.host.subprocesses import Started, run_bounded, run_program
from ..module_utils.host.trusted_paths import Accounts, changers_of
from ..module_utils.rules.accounts import has_expired
from ..module_utils.rules.documents import encodable, legible
from ..module_utils.rules.env_file import read_env
from ..module_utils.rules.installs import FLAT
from ..module_utils.rules.paths import fault_of_path
from ..module_utils.rules.problems import Problem, Refused
from ..module_utils.rules.program_trust import harmful, in_words
from ..module_utils.rules.sudoers import (
    MAIN_POLICY,
    accounts_with_rules,
    commands_by_account,
    flags_in_force,
    reads_directory,
    statements,
)
from ..module_utils.rules.unit import service_of

PROGRAM_SECONDS = 5
ASK_SECONDS = 60
LOGIN_CHECK_SECONDS = 60
VERSION = re.compile(r"[0-9]+(\.[0-9]+)+[0-9A-Za-z.+_-]{0,40}")
INTERPRETER = """
import sys
print(".".join(str(part) for part in sys.version_info[:3]))
import venv, ensurepip
print(getattr(sys, "_base_executable", sys.executable))
"""
MB = 1 << 20
SECONDS_OF_A_DAY = 86400
# what sudo -l begins with where it tells what its policy is (sudo(8))
LISTS = ("Matching Defaults", "may run the following", "is not allowed to", "must have a tty")
HANGING = "on a file system that does not answer"


def account_of(name: str) -> pwd.struct_passwd | None:
    """Return the passwd entry of an account, or None when there is none."""
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def read_text(path: str) -> str | None:
    """Return a file's text, or None when there is no file. Raises OSError when it is unreadable."""
    try:
        # files of the system are links now and then
        content = look(path, links=True).content
    except Damaged as error:
        raise OSError(errno.EINVAL, error.problem.found, path) from error
    return None if content is None else legible(content)


def system_of_host() -> dict[str, str]:
    """Return the name of the operating system, its kernel, and the Python that runs here."""
    try:
        # os-release(5); a value may stand in quotes
        release = read_env(read_text("/etc/os-release") or "")
    except OSError:
        release = {}
    return {
        "name": release.get("PRETTY_NAME", platform.system()),
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
    }


def unreadable(path: str, error: OSError) -> Problem:
    """Return the problem of a path of which root learns nothing."""
    return Problem(
        path,
        f"what cannot be read ({error.strerror or error})",
        "what root can read",
        f"look at it on the host: ls -la {shlex.quote(path)}",
    )


def kind_of(path: str) -> str:
    """Return directory, file, absent, unseen, or something else that a path is."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return "absent"
    except OSError:
        return "unseen"
    if stat.S_ISREG(mode):
        return "file"
    return "directory" if stat.S_ISDIR(mode) else "something else"


def readability(path: str) -> str:
    """Return readable, unreadable or absent, as this process finds a file."""
    try:
        os.stat(path)
    except FileNotFoundError:
        return "absent"
    except OSError:
        return "unreadable"
    return "readable" if os.path.isfile(path) and os.access(path, os.R_OK) else "unreadable"


def target_of(path: str) -> dict[str, Any]:
    """Return the nearest directory there is to a path, and whether and how much can be written."""
    nearest = path
    while not os.path.lexists(nearest):
        nearest = os.path.dirname(nearest)
    system = os.statvfs(nearest)
    return {
        "nearest": nearest,
        "directory": os.path.isdir(nearest),
        "device": os.stat(nearest).st_dev,
        "free": {
            "MB": system.f_bavail * system.f_frsize // MB,
            # some file systems make them as they are needed, and count none
            "inodes": system.f_favail if system.f_files else None,
        },
        "writable": os.access(nearest, os.W_OK),
    }


def fault_of_file(path: str, *, strict: bool = False) -> str | None:
    """Return why a path is no file at all, or None when it is one.

    strict: whether one that cannot be looked at is an OSError instead.
    """
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return "does not exist"
    except OSError as error:
        if strict:
            raise
        return f"cannot be looked at ({error.strerror})"
    return None if stat.S_ISREG(mode) else "is not a file"


def own(entry: dict[str, Any], name: str) -> bool:
    """Return whether an account alone, besides root, can change a place."""
    return not (entry["everybody"] or entry.get("unseen")) and entry["accounts"] == [name]


def any_file(home: str, names: list[str]) -> bool:
    """Return whether one of some files below a directory is there. Raises OSError."""
    return any(fault_of_file(os.path.join(home, name), strict=True) is None for name in names)


def paths_in(directory: str) -> list[str]:
    """Return the paths of everything in a directory, nothing where there is none."""
    try:
        return sorted(os.path.join(directory, name) for name in os.listdir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return []


def size_of(directory: str) -> dict[str, int]:
    """Return how many MB, rounded up, and how many inodes a directory takes."""
    total = inodes = 0
    for parent, directories, files in os.walk(directory):
        for name in directories + files:
            total += os.lstat(os.path.join(parent, name)).st_blocks * 512
            inodes += 1
    return {"MB": -(-total // MB), "inodes": inodes}


class Host:
    """The host as it is now."""

    def __init__(self, parameters: dict[str, Any]) -> None:
        self.parameters = parameters
        self.system = platform.system().lower()
        self.facts: dict[str, Any] = parameters["platforms"].get(self.system, {})
        self.privileged = os.geteuid() == 0
        self.faults: list[Problem] = []
        self.accounts = {
            name: account_of(name) for name in [parameters["service_user"], *parameters["os_users"]]
        }
        # a directory service may list nobody, so those who matter here are asked for by name
        self.known = Accounts(self.accounts)
        self.untrusted = [parameters["service_user"], *parameters["os_users"]]
        self.places: list[Problem] = []

    def look(self) -> dict[str, Any]:
        """Return everything that was seen."""
        # the lock comes first: what is seen under it stays as it is
        lock = self.lock()
        # then what root may not even read, as somebody else could have put it there
        self.places = self.loose_places()
        env = self.deployed(self.parameters["env_file"])
        drop_in = self.deployed(self.parameters["sudoers_file"])
        rules = None if drop_in is None else legible(drop_in)
        unit = self.deployed(self.facts["unit"]["path"]) if self.facts else None
        search_path = service_of(legible(unit or b""))[1].get("PATH", "").split(":")
        env_values = read_env(legible(env or b""))
        damaged = self.damaged()
        binaries = {
            request["backend"]: self.candidates(request, env_values, rules or "", search_path)
            for request in self.parameters["binaries"]
        }
        # agents take long to tell their versions, so they do it while the rest is looked at
        versions = self.versions(binaries)
        service = self.service()
        release = self.release()
        seen = {
            "lock": lock,
            "platform": self.system,
            "system": system_of_host(),
            "is_controller": bool(self.parameters["controller"])
            and self.parameters["controller"] == list(processes_here()),
            "privileged": self.privileged,
            "accounts": {
                name: account
                and {"uid": account.pw_uid, "gid": account.pw_gid, "home": account.pw_dir}
                for name, account in self.accounts.items()
            },
            "service_home": self.service_home(),
            "tools": self.tools(),
            "interpreters": self.interpreters() if self.may_build(release) else [],
            "directories": self.directories(),
            "access": self.access(),
            "targets": self.targets(),
            "release": release,
            "places": [problem.as_dict() for problem in self.places],
            "live_python": self.live_python(release),
            "service": {
                **{name: service[name] for name in ("active", "enabled", "pid")},
                "turns": self.turns() if service["active"] else 0,
            },
            "manager_version": service["version"],
            "port": self.port(service, env_values, release["live"]),
            "programs": self.programs(),
            "models": self.models(),
            "sudo": self.sudo(),
        }
        seen["env_keys"] = sorted(self.proven_env(env_values))
        seen["sudoers_sha256"] = "" if drop_in is None else hashlib.sha256(drop_in).hexdigest()
        seen["binaries"] = binaries
        seen["logins"] = self.logins(binaries)
        seen["damaged"] = damaged
        seen["installed"] = self.installed(damaged)
        seen["former_install"] = self.former_install(seen["release"], rules)
        seen["file_sizes"] = self.file_sizes()
        for entry, agent in versions:
            found = VERSION.search(agent.end()[1]) if agent else None
            entry["version"] = found[0] if found else "" if agent else None
        seen["faults"] = [fault.as_dict() for fault in dict.fromkeys(self.faults)]
        # names of files may be any bytes, and Ansible refuses what is not UTF-8
        result: dict[str, Any] = encodable(seen)
        return result

    def loose_places(self) -> list[Problem]:
        """Return each place in which root would work and that others can change."""
        files = [self.parameters["env_file"], self.parameters["sudoers_file"]]
        files += [self.facts["unit"]["path"]] if self.facts else []
        return place_problems(
            self.parameters["install_dir"],
            self.parameters["data_dir"] or "",
            wheelhouse=self.parameters["wheelhouse"] or "",
            directories=dict.fromkeys(map(os.path.dirname, files)),
            accounts=self.known,
        )

    @property
    def distrusted(self) -> str:
        """Why root reads nothing of what is installed, empty when it may."""
        place = self.parameters["install_dir"]
        loose = any(problem.where == place for problem in self.places)
        return f"not read, as others can change {place}" if loose else ""

    def no_answer(self, command: Sequence[str], reason: str) -> None:
        """Note that a program does not tell what has to be known."""
        line = shlex.join(command)
        self.faults.append(
            Problem(command[0], f"no answer: {reason}", "an answer", f"run it on the host: {line}")
        )

    def output_of(self, *command: str, optional: bool = False) -> str:
        """Return what a program says in plain English; note when it says nothing in time.

        optional: whether there may be no such program.
        """
        environment = {**os.environ, "LC_ALL": "C"}
        try:
            ended = run_program(command, ASK_SECONDS, stderr=subprocess.STDOUT, env=environment)
        except OSError as error:
            if not (optional and isinstance(error, FileNotFoundError)):
                self.no_answer(command, error.strerror or str(error))
            return ""
        return str(ended.stdout)

    def live_python(self, release: dict[str, Any]) -> dict[str, Any] | None:
        """Return the Python of the live release and who can change it, when that was asked for."""
        if self.parameters["installed"] is None or release["live"] is None:
            return None
        path = python_of(Installs(self.parameters["install_dir"]).release_path(release["live"]))
        found = changers_of(path, accounts=self.known)
        return {
            "path": path,
            "changers": [e for e in found if self.privileged or "unseen" not in e],
        }

    def damaged(self) -> list[dict[str, Any]]:
        """Return what is damaged of the records of installs, nothing where only root sees them."""
        if self.distrusted:
            return []
        try:
            return damages(Installs(self.parameters["install_dir"]))
        except PermissionError:
            return []

    def installed(self, damaged: list[dict[str, Any]]) -> dict[str, Any] | None:
        """Return what is installed and how it runs, when that was asked for."""
        request = self.parameters["installed"]
        if request is None:
            return None
        home = self.service_home()
        request = {
            **request,
            **{
                name: [
                    {**entry, "path": entry["path"].replace("{service_home}", home)}
                    for entry in request[name]
                ]
                for name in ("directories", "seeds")
            },
        }
        return look_at_installed(
            request,
            self.parameters["env_file"],
            Installs(self.parameters["install_dir"]),
            self.parameters["port"] or request["default_port"],
            damaged,
            self.distrusted,
        )

    def turns(self) -> int | None:
        """Return how many users the bot is answering, None when that is unknown."""
        return turns_in(self.parameters["turns"]) if self.parameters["turns"] else 0

    def service_home(self) -> str:
        """Return the service user's home, or where useradd would put it."""
        name = self.parameters["service_user"]
        account = self.accounts[name]
        return account.pw_dir if account else f"{self.facts.get('home_base', '/home')}/{name}"

    def tools(self) -> dict[str, str]:
        """Return the paths of the tools that rules name."""
        found = {}
        for tool in ("cat", "tee", "kill", "visudo"):
            places = self.facts.get(tool, [])
            path = next((place for place in places if os.access(place, os.X_OK)), None)
            if path:
                found[tool] = path
            elif self.facts:
                self.faults.append(
                    Problem(
                        tool,
                        f"no {tool} in {' or '.join(places)}",
                        f"an executable {tool}",
                        "install sudo and coreutils on the host",
                    )
                )
        if not self.facts:
            self.faults.append(
                Problem(
                    "the host",
                    f"the operating system {self.system}",
                    " or ".join(self.parameters["platforms"]),
                    "choose another host",
                )
            )
        elif self.facts["manager"] == "systemd" and not os.path.isdir("/run/systemd/system"):
            self.faults.append(
                Problem(
                    "the host",
                    "a system that systemd did not start",
                    "a host that runs systemd",
                    "choose another host, or boot this one with systemd",
                )
            )
        return found

    def lock(self) -> dict[str, Any]:
        """Take the lock where this is a run of its own; return what keeps it from that."""
        path = self.facts.get("lock", "")
        run, ended = self.parameters["run"], self.parameters["ended_run"]
        found: dict[str, Any] = {"path": path, "taken": False, "held_by": None, "problems": []}
        found["by"] = run["by"] if run else ""
        if not run or not path:
            return found
        try:
            held_by = take(path, run_of(run), run_of(ended) if ended else None)
            found["taken"] = held_by is None
            if held_by is None:
                with only_worker():
                    return found
            found["held_by"] = held_by.as_dict()
            problem = problem_of_holder(path, held_by)
        except Busy as error:
            problem = error.problem
        except (BrokenRecord, OSError) as error:
            problem = problem_of_lock(path, error)
        return {**found, "problems": [problem.as_dict()]}

    def sudo(self) -> dict[str, Any]:
        """Return what sudo says of itself; note what keeps the service user from using it."""
        directory = os.path.dirname(self.parameters["sudoers_file"])
        host = socket.gethostname().partition(".")[0]
        try:
            is_read = reads_directory(MAIN_POLICY, directory, read_text, host)
        except OSError as error:
            # without privilege nothing of the policy can be seen
            is_read = True
            if self.privileged:
                self.faults.append(unreadable(error.filename or MAIN_POLICY, error))
        if not is_read:
            self.faults.append(
                Problem(
                    MAIN_POLICY,
                    "no line that reads " + directory,
                    f"@includedir {directory}",
                    f"add that line to {MAIN_POLICY} with visudo",
                )
            )
        # it tells what is wrong with the policy before that
        began = time.monotonic()
        said = re.search(
            r"^sudo(-rs| version) .*", self.output_of("sudo", "-V", optional=True), re.I | re.M
        )
        found: dict[str, Any] = {
            "version": said[0] if said else "",
            "flags": [],
            "host": host,
            "seconds": round(time.monotonic() - began),
        }
        if not self.privileged:
            return found
        user = self.parameters["service_user"]
        # sudo serves nobody whose account has expired (pam_unix(8)); a locked or an old password,
        # a shell of nologin, and an expired account that it switches to do not matter to it
        entry = self.output_of("getent", "shadow", user)
        if has_expired(entry, int(time.time() // SECONDS_OF_A_DAY)):
            self.faults.append(
                Problem(
                    f"the account {user}",
                    "one that has expired, so that sudo refuses it",
                    "an account that does not expire",
                    f"chage --expiredate -1 {user}",
                )
            )
        if not found["version"]:
            return found
        listing = self.output_of("sudo", "-n", "-l", "-U", user)
        if "Matching Defaults" not in listing:
            # sudo tells them only of somebody who may do something
            command = ["sudo", "-n", "-l", "-U", "root"]
            listing = self.output_of(*command)
            if listing and not any(words in listing for words in LISTS):
                self.no_answer(command, listing.strip().rpartition("\n")[2])
        if "you must have a tty" in listing:
            return {**found, "flags": ["requiretty"]}
        return {**found, "flags": sorted(flags_in_force(listing))}

    def interpreters(self) -> list[dict[str, Any]]:
        """Return each Python 3 in the usual places and the one asked for, newest first.

        A build runs uv as well, where there is one.
        """
        uv = find_uv()
        problem = program_problem(uv, self.known) if uv and self.privileged else None
        self.faults += [problem] if problem else []
        found: dict[str, dict[str, Any]] = {}
        for directory in ("/usr/local/bin", "/usr/bin", "/opt/homebrew/bin"):
            # the name with a version first: python3 may be another Python after a system upgrade
            for path in sorted(glob.glob(f"{directory}/python3*"), reverse=True):
                if re.fullmatch(r"python3(\.\d+)?", os.path.basename(path)):
                    found.setdefault(os.path.realpath(path), self.interpreter(path))
        judged = list(found.values())
        asked = self.parameters["python"]
        if asked and asked not in [entry["path"] for entry in judged]:
            judged.append(self.interpreter(asked))
        return sorted(
            judged,
            key=lambda entry: [int(part) for part in entry["version"].split(".") if part],
            reverse=True,
        )

    def interpreter(self, path: str) -> dict[str, Any]:
        """Return version and fault of what should be a Python, judged by running it.

        What anybody else could change is not run: whoever builds a release is root.
        """
        me = self.known.name_of(os.geteuid())
        found = [e for e in changers_of(path, self.search_path(), self.known) if not own(e, me)]
        if found:
            fault = f"is not for {me} to run, as it can be changed by {in_words(*found)}"
            return {"path": path, "version": "", "fault": fault}
        try:
            ended = run_program([path, "-I", "-c", INTERPRETER], timeout=20, cwd="/")
        except OSError as error:
            return {"path": path, "version": "", "fault": f"does not run ({error})"}
        lines = ended.stdout.splitlines()
        if ended.returncode != 0 or len(lines) < 2:
            words = (ended.stderr.strip() or "it says nothing").splitlines()[-1]
            version = lines[0] if lines else ""
            return {"path": path, "version": version, "fault": f"is of no use ({words})"}
        fault = None
        if os.path.realpath(lines[1]) != os.path.realpath(path):
            fault = f"is a script that starts {lines[1]}, today"
        return {
            "path": path,
            "version": lines[0],
            "fault": fault or self.fault_of(path, [self.parameters["service_user"]]),
        }

    def directories(self) -> dict[str, str]:
        """Return what each directory asked for is."""
        paths = self.parameters["directories"]
        kinds = ask_as(None, [lambda path=path: kind_of(path) for path in paths])
        words = {UNANSWERED: HANGING}
        return {
            path: words.get(kind, "unseen") if isinstance(kind, NoAnswer) else kind
            for path, kind in zip(paths, kinds)
        }

    def access(self) -> list[dict[str, Any]]:
        """Return what keeps accounts out of directories that they have to enter."""
        asked, found = [], []
        for request in self.parameters["access"]:
            account = account_of(request["account"]) or account_of("nobody")
            if account and self.may_ask(account):
                asked.append((account, request))
            elif self.privileged:
                found.append(
                    {**request, "fault": "cannot be asked about", "place": request["path"]}
                )
        faults = ask_each(
            [
                (account, lambda request=request: fault_of_entry(request["path"], request["write"]))
                for account, request in asked
            ]
        )
        for (_account, request), answer in zip(asked, faults):
            if isinstance(answer, NoAnswer):
                answer = ["gets no answer from", request["path"]]
            fault, place = answer or (None, None)
            found.append({**request, "fault": fault, "place": place})
        return found

    def targets(self) -> dict[str, dict[str, Any]]:
        """Return what there is of each place where files will be written."""
        if not self.privileged or not self.facts:
            return {}
        own = [os.path.dirname(path) for path in (self.facts["unit"]["path"], self.facts["lock"])]
        paths = [*self.parameters["targets"], *own]
        found = ask_as(None, [lambda path=path: target_of(path) for path in paths])
        for path, target in zip(paths, found):
            if isinstance(target, NoAnswer):
                self.faults.append(
                    Problem(
                        path,
                        f"a path {HANGING}"
                        if target is UNANSWERED
                        else "a path that leads nowhere",
                        "a place where files can be written",
                        f"look at it on the host: findmnt --target {path}",
                    )
                )
        return {path: target for path, target in zip(paths, found) if isinstance(target, dict)}

    def file_sizes(self) -> dict[str, int]:
        """Return the sizes of the files that are there; note what is there and is no file."""
        sizes = {}
        for path in self.parameters["files"]:
            try:
                content = look(path).content
            except Damaged as error:
                self.faults.append(error.problem)
                # not even a file is there
                content = b""
            except OSError as error:
                if self.privileged:
                    self.faults.append(unreadable(path, error))
                continue
            if content is not None:
                sizes[path] = len(content)
        return sizes

    def port(self, service: dict[str, Any], env: dict[str, str], live: str | None) -> list[str]:
        """Return who else listens on the port that the bot will have.

        An agent that has taken the one of an installed bot is in nobody's way: it is ended when the
        bot starts.
        """
        port, installed = self.parameters["port"], self.parameters["installed"]
        if port is None or self.system != "linux":
            return []
        try:
            others = strangers(port, service["pid"], service["group"])
        except OSError as error:
            self.faults.append(unreadable(error.filename or "/proc", error))
            return []
        # on another port than so far it may be at work for good reasons
        if (
            live
            and installed
            and deployed_port(env, installed["port_key"], installed["default_port"]) == port
        ):
            others = [other for other in others if other.user not in self.accounts]
        return [str(other) for other in others]

    def programs(self) -> dict[str, str | None]:
        """Return where each program asked for is."""
        home = self.service_home()
        places = [place.format(service_home=home) for place in self.facts.get("search_path", [])]
        places += ["/usr/sbin", "/sbin"]
        return {
            name: next(
                (path for place in places if os.access(path := f"{place}/{name}", os.X_OK)), None
            )
            for name in self.parameters["programs"]
        }

    def models(self) -> dict[str, str]:
        """Return whether each large file asked for is readable to the bot, unreadable or absent."""
        paths = self.parameters["models"]
        account = self.accounts[self.parameters["service_user"]]
        asking = account if self.may_ask(account) else None
        answers = ask_as(asking, [lambda path=path: readability(path) for path in paths])
        return {
            path: "unseen" if isinstance(answer, NoAnswer) else answer
            for path, answer in zip(paths, answers)
        }

    def release(self) -> dict[str, Any]:
        """Return the live release and every complete one."""
        installs = Installs(self.parameters["install_dir"])
        live: str | None = None
        complete: list[str] = []
        has_models = True
        try:
            if not self.distrusted:
                live = installs.live()
                has_models = live is None or not installs.lacks_models(live)
                complete = sorted(name for name, whole in installs.built().items() if whole)
        except OSError as error:
            if self.privileged:
                self.faults.append(unreadable(error.filename or installs.install_dir, error))
        except Refused as error:
            self.faults.append(
                Problem(installs.install_dir, str(error), "an install", "move it away on the host")
            )
        wanted = self.parameters["release"]
        missing = bool(wanted) and wanted not in complete
        size = None
        if live and missing:
            # it is nearly all of a release, and the rest of a flat one is not
            size = size_of(os.path.join(installs.release_path(live), ENVIRONMENT))
        return {
            "live": live,
            "complete": complete,
            "missing": missing,
            "size": size,
            "has_models": has_models,
        }

    def may_build(self, release: dict[str, Any]) -> bool:
        """Return whether a release may have to be built; what is installed has its own Python."""
        return self.parameters["installed"] is None or release["missing"]

    def former_install(self, release: dict[str, Any], rules: str | None) -> dict[str, Any] | None:
        """Return what an adoption of Kai's own installer has to know, None when it is none."""
        if release["live"] != FLAT or not self.privileged or not self.facts:
            return None
        drop_ins = os.path.dirname(self.parameters["sudoers_file"])
        installs = Installs(self.parameters["install_dir"])
        if os.path.lexists(installs.pending):
            # an adoption that was cut short judged the rules, and may have written its own already
            rules = None
        return {
            "paths": [
                *installs.others(),
                *paths_in(os.path.dirname(self.parameters["env_file"])),
                *paths_in(self.facts["unit"]["path"] + ".d"),
            ],
            "drop_ins": [
                path for path in paths_in(drop_ins) if os.path.isfile(path) and self.has_rules(path)
            ],
            "rules": [list(statement) for statement in statements(rules or "")],
        }

    def service(self) -> dict[str, Any]:
        """Return what systemd knows of the unit, and its own version."""
        unit = self.facts.get("unit", {}).get("name")
        if self.facts.get("manager") != "systemd" or not os.path.isdir("/run/systemd/system"):
            return {"active": False, "enabled": False, "pid": 0, "group": "", "version": None}
        names = "ActiveState,UnitFileState,MainPID,ControlGroup"
        command = ["systemctl", "show", f"{unit}.service", f"--property={names}"]
        said = self.output_of(*command)
        said += self.output_of("systemctl", "show", "--property=Version")
        values = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
        version = re.match(r"\d+", values.get("Version", ""))
        if said and not (version and values.get("ActiveState")):
            self.no_answer(command, said.strip().rpartition("\n")[2])
        return {
            "active": values.get("ActiveState") == "active",
            "enabled": values.get("UnitFileState") == "enabled",
            "pid": int(values.get("MainPID") or 0),
            "group": values.get("ControlGroup", ""),
            "version": int(version[0]) if version else None,
        }

    def deployed(self, path: str) -> bytes | None:
        """Return what a deployed file holds, None when absent; unreadable is a fault."""
        try:
            return look(path).content
        except Damaged as error:
            self.faults.append(error.problem)
        except OSError as error:
            # without privilege nothing of it can be seen
            if self.privileged:
                self.faults.append(unreadable(path, error))
        return None

    def has_rules(self, path: str) -> bool:
        """Return whether a drop-in has rules for the service user; one that cannot be read may."""
        try:
            text = read_text(path) or ""
        except OSError:
            return True
        return self.parameters["service_user"] in accounts_with_rules(text)

    def proven_env(self, live: dict[str, str]) -> dict[str, str]:
        """Return the environment file that was proven last; the live one may be of a killed run."""
        installs = Installs(self.parameters["install_dir"])
        path = self.parameters["env_file"]
        if self.distrusted:
            return live
        try:
            former = (
                {state.path: state for state in installs.former()} if installs.journal() else {}
            )
        except (OSError, Refused):
            return live
        if path not in former:
            return live
        return read_env(legible(former[path].content or b""))

    def candidates(
        self, request: dict[str, Any], env: dict[str, str], rules: str, search_path: list[str]
    ) -> list[dict[str, Any]]:
        """Return where a binary may be, best first, each with what is wrong with it."""
        paths: list[tuple[str, str]] = []
        executing = [*request["accounts"], *request["resolvers"]]
        if request["wanted"]:
            paths.append((request["wanted"], "host_vars"))
        else:
            known = env.get(request["env_key"]) if request["env_key"] else None
            if known and known.startswith("/"):
                paths.append((known, "deployed"))
            paths += [
                (command, "deployed")
                for runas, command in commands_by_account(rules)
                if os.path.basename(command) == request["name"]
            ]
            # what the bot starts by name it finds in the PATH of its unit
            places = () if request["env_key"] else filter(None, search_path)
            named = (os.path.join(place, request["name"]) for place in places)
            paths += [(path, "deployed") for path in named if os.access(path, os.X_OK)][:1]
            # the PATH of the people costs a login shell each, so it is asked only when needed
            if all(self.fault_of(entry[0], executing) for entry in paths):
                paths += [(path, "path") for path in self.in_path_of(request)]
                paths += [
                    (place.format(service_home=self.service_home()), "usual")
                    for place in request["usual_places"].get(self.system, [])
                ]
        unique = dict(reversed(paths))
        judged: list[dict[str, Any]] = [
            {"path": path, "source": source, "fault": self.fault_of(path, executing)}
            for path, source in sorted(unique.items(), key=paths.index)
        ]
        for entry in judged:
            if not entry["fault"]:
                entry["changers"] = self.changers(entry["path"])
        return judged

    def versions(
        self, binaries: dict[str, list[dict[str, Any]]]
    ) -> list[tuple[dict[str, Any], Started | None]]:
        """Return the best candidate of each binary, with its program that tells its version."""
        asked = []
        for request in self.parameters["binaries"] if self.parameters["versions"] else []:
            best = self.to_start(request, binaries)
            if best:
                asked.append((best, self.telling_version(best["path"], request)))
        return asked

    def to_start(
        self, request: dict[str, Any], binaries: dict[str, list[dict[str, Any]]]
    ) -> dict[str, Any] | None:
        """Return the best candidate that may be started as those who run it, None without one."""
        for entry in binaries[request["backend"]]:
            if entry["fault"]:
                continue
            found = entry["changers"]
            if self.parameters["trust_user_binaries"] or (
                found is not None and not harmful(found, request["accounts"], self.untrusted)
            ):
                return entry
        return None

    def search_path(self) -> list[str]:
        """Return where programs find others; the service user's own is nothing for other ones."""
        return [place for place in self.facts.get("search_path", []) if place.startswith("/")]

    def changers(self, path: str) -> list[dict[str, Any]] | None:
        """Return who besides root may change a program, None without privilege to see that."""
        found = changers_of(path, self.search_path(), self.known)
        unseen = any(entry.get("unseen") for entry in found)
        return None if unseen and not self.privileged else found

    def telling_version(self, path: str, request: dict[str, Any]) -> Started | None:
        """Return a binary that was asked for its version by somebody who runs it."""
        account = next(filter(None, map(account_of, request["accounts"])), None)
        if account is None or not self.may_ask(account):
            return None
        environment = {
            "HOME": account.pw_dir,
            "USER": account.pw_name,
            "PATH": "/usr/local/bin:/usr/bin:/bin",
        }
        command = [path, *request["version"]]
        try:
            return Started(command, environment, PROGRAM_SECONDS, account=account)
        except (OSError, subprocess.SubprocessError):
            return None

    def in_path_of(self, request: dict[str, Any]) -> list[str]:
        """Return what the login shells of the accounts find under the binary's name."""
        found = []
        for name in request["accounts"]:
            account = account_of(name)
            if account is None or not (self.privileged and self.may_ask(account)):
                continue

            def question(account: pwd.struct_passwd = account) -> str:
                environment = {
                    "HOME": account.pw_dir,
                    "USER": account.pw_name,
                    "LOGNAME": account.pw_name,
                }
                shell = ["/bin/sh", "-lc", 'command -v -- "$1"', "sh", request["name"]]
                said = run_bounded(shell, environment, PROGRAM_SECONDS)[1]
                return said.strip().rpartition("\n")[2]

            [path] = ask_as(account, [question])
            if isinstance(path, str) and path.startswith("/"):
                found.append(path)
        return found

    def fault_of(self, path: str, accounts: list[str]) -> str | None:
        """Return why some account cannot execute a path, or None when all can."""
        fault = fault_of_path(path)
        if fault:
            return fault
        # an account that is still to be made will be able to do what nobody can
        people = {name: account_of(name) or account_of("nobody") for name in accounts}
        # without privilege nobody can judge for another account
        asked = {name: account for name, account in people.items() if self.may_ask(account)}
        unasked = [name for name in people if name not in asked]
        if unasked and self.privileged:
            return f"{unasked[0]} cannot be asked about, as nothing is run as UID 0"
        faults = ask_each(
            [
                (None, lambda: fault_of_file(path)),
                *((account, lambda: fault_of_program(path)) for account in asked.values()),
            ]
        )
        for name, fault in zip([None, *asked], faults):
            if fault is UNANSWERED:
                return f"is {HANGING}"
            if isinstance(fault, NoAnswer):
                return f"{name or 'root'} cannot be asked about ({fault})"
            if fault:
                return f"{name} {fault}" if name else str(fault)
        return None

    def logins(self, binaries: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
        """Return per account and backend whether there is a login, None when nobody could look."""
        wanted = [
            (account, request)
            for request in self.parameters["binaries"]
            for account in request["accounts"]
            if request["login_files"]
        ]
        if not self.parameters["ask_logins"]:
            found = self.keep_logins(wanted)
        else:
            with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
                found = list(pool.map(lambda pair: self.says_login(*pair, binaries), wanted))
        return [
            {"account": account, "backend": request["backend"], "logged_in": logged_in}
            for (account, request), logged_in in zip(wanted, found)
        ]

    def may_ask(self, account: pwd.struct_passwd | None) -> bool:
        """Return whether this process is an account, or can become it."""
        # what runs as a UID 0, whatever its name, runs as root
        if account is None or account.pw_uid == 0:
            return False
        return self.privileged or account.pw_uid == os.geteuid()

    def keep_logins(self, wanted: list[tuple[str, dict[str, Any]]]) -> list[bool | None]:
        """Return whether each account has a file of a login."""
        people = [(account_of(name), request["login_files"]) for name, request in wanted]
        answers = iter(
            ask_each(
                [
                    (account, lambda files=files, home=account.pw_dir: any_file(home, files))
                    for account, files in people
                    if account and self.may_ask(account)
                ]
            )
        )
        found = [next(answers) if self.may_ask(account) else None for account, _files in people]
        return [None if isinstance(answer, NoAnswer) else answer for answer in found]

    def says_login(
        self, name: str, request: dict[str, Any], binaries: dict[str, list[dict[str, Any]]]
    ) -> bool | None:
        """Return whether a program says that an account is logged in."""
        account = account_of(name)
        best = self.to_start(request, binaries)
        if account is None or best is None or not self.may_ask(account):
            return None
        places = [
            place.format(service_home=self.service_home())
            for place in self.facts.get("search_path", [])
        ]
        environment = {
            "HOME": account.pw_dir,
            "USER": account.pw_name,
            "LOGNAME": account.pw_name,
            "PATH": ":".join(places),
        }
        command = [best["path"], *request["login_check"]]
        try:
            code = run_bounded(command, environment, LOGIN_CHECK_SECONDS, account=account)[0]
        except (OSError, subprocess.SubprocessError):
            return None
        return {0: True, 1: False}.get(code)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "service_user": {"type": "str", "required": True},
            "os_users": {"type": "list", "elements": "str", "default": []},
            "install_dir": {"type": "path", "required": True},
            "data_dir": {"type": "path"},
            "wheelhouse": {"type": "path"},
            "python": {"type": "str", "default": ""},
            "directories": {"type": "list", "elements": "path", "default": []},
            "access": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "path": {"type": "str", "required": True},
                    "account": {"type": "str", "required": True},
                    "write": {"type": "bool", "default": False},
                },
            },
            "targets": {"type": "list", "elements": "path", "default": []},
            "files": {"type": "list", "elements": "path", "default": []},
            "release": {"type": "str", "default": ""},
            "port": {"type": "int"},
            "programs": {"type": "list", "elements": "str", "default": []},
            "models": {"type": "list", "elements": "path", "default": []},
            "versions": {"type": "bool", "default": False},
            "trust_user_binaries": {"type": "bool", "default": False},
            "ask_logins": {"type": "bool", "default": False},
            "exclusive": {"type": "bool", "default": False},
            "run": {"type": "dict"},
            "controller": {"type": "list", "elements": "str", "default": []},
            "ended_run": {"type": "dict"},
            "installed": {
                "type": "dict",
                "options": {
                    "unit": {"type": "str", "required": True},
                    "host": {"type": "str", "required": True},
                    "health_path": {"type": "str", "required": True},
                    "port_key": {"type": "str", "required": True, "no_log": False},
                    "default_port": {"type": "int", "required": True},
                    "patience": {"type": "int", "default": 120},
                    "data_dir": {"type": "path"},
                    "files": {
                        "type": "list",
                        "elements": "dict",
                        "required": True,
                        "options": {
                            "path": {"type": "str", "required": True},
                            "content": {
                                "type": "str",
                                "choices": ["env", "shown", "sealed"],
                                "required": True,
                            },
                        },
                    },
                    "directories": {"type": "list", "elements": "dict", "required": True},
                    "seeds": {"type": "list", "elements": "dict", "required": True},
                    "room": {"type": "list", "elements": "path", "required": True},
                },
            },
            "turns": {"type": "path"},
            "env_file": {"type": "path", "required": True},
            "sudoers_file": {"type": "path", "required": True},
            "platforms": {"type": "dict", "required": True},
            "binaries": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "backend": {"type": "str", "required": True},
                    "name": {"type": "str", "required": True},
                    "env_key": {"type": "str", "default": "", "no_log": False},
                    "wanted": {"type": "str", "default": ""},
                    "usual_places": {"type": "dict", "required": True},
                    "version": {"type": "list", "elements": "str", "default": []},
                    "accounts": {"type": "list", "elements": "str", "required": True},
                    "resolvers": {"type": "list", "elements": "str", "default": []},
                    "login_files": {"type": "list", "elements": "str", "default": []},
                    "login_check": {"type": "list", "elements": "str", "default": []},
                },
            },
        },
        supports_check_mode=True,
    )
    if module.check_mode:
        module.params["run"] = None
    try:
        probe = Host(module.params).look()
    except OSError as error:
        module.fail_json(msg=f"{error.filename or 'a file'}: {error.strerror}")
    module.exit_json(changed=False, probe=probe)


if __name__ == "__main__":
    main()
