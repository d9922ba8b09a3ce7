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
  python:
    description: An interpreter to judge besides those in the usual places.
    type: str
    default: ""
  directories:
    description: Directories whose existence matters.
    type: list
    elements: path
    default: []
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
      accounts:
        description: The accounts that run it.
        type: list
        elements: str
        required: true
      login_files:
        description: Where a login is kept, relative to the account's home.
        type: list
        elements: str
        default: []
attributes:
  check_mode:
    support: full
    description: It never changes anything.
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
      description: Per backend, candidates with path, source and fault, best first.
      type: dict
    logins:
      description: Per account and backend, whether a login is kept there.
      type: list
      elements: dict
    env_keys:
      description: Keys of the deployed environment file, null when it cannot be read.
      type: list
      elements: str
    directories:
      description: Per directory asked for, what it is.
      type: dict
    release:
      description: The live release and the complete ones.
      type: dict
    service:
      description: Whether the unit is active and enabled.
      type: dict
    faults:
      description: What keeps any installation from working here.
      type: list
      elements: dict
"""

import glob
import json
import os
import platform
import pwd
import re
import stat
import subprocess
from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.built_release import MARKER, is_complete
from ..module_utils.env_file import read_env
from ..module_utils.problems import Problem
from ..module_utils.sudoers import commands_by_account, includes_directory

if TYPE_CHECKING:
    from collections.abc import Callable

MAIN_POLICY = "/etc/sudoers"
LOGIN_SHELL_SECONDS = 5
INTERPRETER = """
import sys
print(".".join(str(part) for part in sys.version_info[:3]))
import venv, ensurepip
print(getattr(sys, "_base_executable", sys.executable))
"""


def account_of(name: str) -> pwd.struct_passwd | None:
    """Return the passwd entry of an account, or None when there is none."""
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def as_account(account: pwd.struct_passwd, question: Callable[[], Any]) -> Any:
    """Return what ``question`` answers in a child process that has become the account.

    Only root can become another account; anybody else asks as themselves.
    """
    if os.geteuid() != 0:
        return question()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            os.setgroups(os.getgrouplist(account.pw_name, account.pw_gid))
            os.setgid(account.pw_gid)
            os.setuid(account.pw_uid)
            with os.fdopen(writing, "w") as answer:
                json.dump(question(), answer)
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return json.loads(text) if text else None


def read_text(path: str) -> str | None:
    """Return a file's text, or None when there is no file. Raises OSError when it is unreadable."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as handle:
            return handle.read()
    except FileNotFoundError:
        return None


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

    def look(self) -> dict[str, Any]:
        """Return everything that was seen."""
        seen = {
            "platform": self.system,
            "privileged": self.privileged,
            "accounts": {
                name: account
                and {"uid": account.pw_uid, "gid": account.pw_gid, "home": account.pw_dir}
                for name, account in self.accounts.items()
            },
            "service_home": self.service_home(),
            "tools": self.tools(),
            "interpreters": self.interpreters(),
            "directories": {path: self.kind(path) for path in self.parameters["directories"]},
            "release": self.release(),
            "service": self.service(),
        }
        env = self.deployed(self.parameters["env_file"])
        rules = self.deployed(self.parameters["sudoers_file"])
        env_values = read_env(env) if env is not None else {}
        seen["env_keys"] = sorted(env_values)
        seen["binaries"] = {
            request["backend"]: self.candidates(request, env_values, rules or "")
            for request in self.parameters["binaries"]
        }
        seen["logins"] = [
            self.login(account, request)
            for request in self.parameters["binaries"]
            for account in request["accounts"]
            if request["login_files"]
        ]
        self.judge_sudo()
        seen["faults"] = [fault.as_dict() for fault in self.faults]
        return seen

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

    def judge_sudo(self) -> None:
        """Note when a drop-in would have no effect."""
        directory = os.path.dirname(self.parameters["sudoers_file"])
        try:
            policy = read_text(MAIN_POLICY)
        except PermissionError:
            return
        if policy is None or not includes_directory(policy, directory):
            self.faults.append(
                Problem(
                    MAIN_POLICY,
                    "no line that reads " + directory,
                    f"@includedir {directory}",
                    f"add that line to {MAIN_POLICY} with visudo",
                )
            )

    def interpreters(self) -> list[dict[str, Any]]:
        """Return each Python 3 in the usual places and the one asked for, newest first."""
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
        """Return version and fault of what should be a Python, judged by running it."""
        try:
            run = subprocess.run(
                [path, "-I", "-c", INTERPRETER],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=20,
                cwd="/",
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return {"path": path, "version": "", "fault": f"does not run ({error})"}
        lines = run.stdout.splitlines()
        if run.returncode != 0 or len(lines) < 2:
            words = (run.stderr.strip() or "it says nothing").splitlines()[-1]
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

    def kind(self, path: str) -> str:
        """Return directory, absent, unseen, or something else that a path is."""
        try:
            mode = os.stat(path).st_mode
        except FileNotFoundError:
            return "absent"
        except OSError:
            return "unseen"
        return "directory" if stat.S_ISDIR(mode) else "something else"

    def release(self) -> dict[str, Any]:
        """Return the live release and every complete one."""
        root = os.path.join(self.parameters["install_dir"], "releases")
        try:
            live = os.path.basename(
                os.readlink(os.path.join(self.parameters["install_dir"], "current"))
            )
        except OSError:
            live = None
        complete = [
            os.path.basename(os.path.dirname(marker))
            for marker in sorted(glob.glob(os.path.join(glob.escape(root), "*", MARKER)))
            if is_complete(os.path.dirname(marker))
        ]
        return {"live": live, "complete": complete}

    def service(self) -> dict[str, Any]:
        """Return whether the unit is active and enabled, and which process it is."""
        unit = self.facts.get("unit", {}).get("name")
        if self.facts.get("manager") != "systemd" or not os.path.isdir("/run/systemd/system"):
            return {"active": False, "enabled": False, "pid": 0}
        run = subprocess.run(
            [
                "systemctl",
                "show",
                f"{unit}.service",
                "--property=ActiveState,UnitFileState,MainPID",
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )
        values = dict(line.split("=", 1) for line in run.stdout.splitlines() if "=" in line)
        return {
            "active": values.get("ActiveState") == "active",
            "enabled": values.get("UnitFileState") == "enabled",
            "pid": int(values.get("MainPID") or 0),
        }

    def deployed(self, path: str) -> str | None:
        """Return a deployed file's text, None when absent; unreadable is a fault, not absence."""
        try:
            return read_text(path)
        except OSError as error:
            if self.privileged:
                self.faults.append(
                    Problem(
                        path,
                        f"a file that cannot be read ({error.strerror})",
                        "a readable file",
                        f"look at it on the host: ls -la {path}",
                    )
                )
            return None

    def candidates(
        self, request: dict[str, Any], env: dict[str, str], rules: str
    ) -> list[dict[str, Any]]:
        """Return where a binary may be, best first, each with what is wrong with it."""
        paths: list[tuple[str, str]] = []
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
            # the PATH of the people costs a login shell each, so it is asked only when needed
            if all(self.fault_of(entry[0], request["accounts"]) for entry in paths):
                paths += [(path, "path") for path in self.in_path_of(request)]
                paths += [
                    (place.format(service_home=self.service_home()), "usual")
                    for place in request["usual_places"].get(self.system, [])
                ]
        unique = dict(reversed(paths))
        return [
            {"path": path, "source": source, "fault": self.fault_of(path, request["accounts"])}
            for path, source in sorted(unique.items(), key=paths.index)
        ]

    def in_path_of(self, request: dict[str, Any]) -> list[str]:
        """Return what the login shells of the accounts find under the binary's name."""
        found = []
        for name in request["accounts"]:
            account = account_of(name)
            if account is None or not self.privileged:
                continue

            def question(account: pwd.struct_passwd = account) -> str:
                run = subprocess.run(
                    ["/bin/sh", "-lc", 'command -v -- "$1"', "sh", request["name"]],
                    capture_output=True,
                    text=True,
                    check=False,
                    timeout=LOGIN_SHELL_SECONDS,
                    stdin=subprocess.DEVNULL,
                    cwd="/",
                    env={
                        "HOME": account.pw_dir,
                        "USER": account.pw_name,
                        "LOGNAME": account.pw_name,
                    },
                )
                return run.stdout.strip().rpartition("\n")[2]

            path = as_account(account, question)
            if path and path.startswith("/"):
                found.append(path)
        return found

    def fault_of(self, path: str, accounts: list[str]) -> str | None:
        """Return why some account cannot execute a path, or None when all can."""
        if not path.startswith("/"):
            return "is not absolute"
        try:
            mode = os.stat(path).st_mode
        except FileNotFoundError:
            return "does not exist"
        except OSError as error:
            return f"cannot be looked at ({error.strerror})"
        if not stat.S_ISREG(mode):
            return "is not a file"
        for name in accounts:
            # an account that is still to be made will be able to do what nobody can
            account = account_of(name) or account_of("nobody")
            # without privilege nobody can judge for another account
            judged = account and (self.privileged or account.pw_uid == os.geteuid())
            if judged and not as_account(account, lambda: os.access(path, os.X_OK)):
                return f"{name} cannot execute"
        return None

    def login(self, name: str, request: dict[str, Any]) -> dict[str, Any]:
        """Return whether an account keeps a login of a backend, None when nobody could look."""
        account = account_of(name)
        logged_in = None
        if account and (self.privileged or account.pw_uid == os.geteuid()):
            files = [os.path.join(account.pw_dir, path) for path in request["login_files"]]
            logged_in = as_account(account, lambda: any(os.path.isfile(path) for path in files))
        return {"account": name, "backend": request["backend"], "logged_in": logged_in}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "service_user": {"type": "str", "required": True},
            "os_users": {"type": "list", "elements": "str", "default": []},
            "install_dir": {"type": "path", "required": True},
            "python": {"type": "str", "default": ""},
            "directories": {"type": "list", "elements": "path", "default": []},
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
                    "accounts": {"type": "list", "elements": "str", "required": True},
                    "login_files": {"type": "list", "elements": "str", "default": []},
                },
            },
        },
        supports_check_mode=True,
    )
    module.exit_json(changed=False, probe=Host(module.params).look())


if __name__ == "__main__":
    main()
