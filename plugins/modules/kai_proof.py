#!/usr/bin/python
# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proof that an installation works, by the commands that the bot itself will run."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kai_proof
short_description: The bot answers, and everything that it will run works
version_added: 0.1.0
description:
  - Waits until the unit's own process answers its health path with 200.
  - Reads each protected file as the service user through its sudo rule.
  - Starts each agent as the service user through its sudo rule.
  - Reports everything that failed, with what the commands said.
options:
  service_user:
    description: The account that runs the bot.
    type: str
    required: true
  unit:
    description: Name of the systemd unit without its suffix.
    type: str
    required: true
  host:
    description: Address on which the bot answers.
    type: str
    default: 127.0.0.1
  port:
    description: Port on which the bot answers.
    type: int
    required: true
  health_path:
    description: Path of the health route.
    type: str
    default: /health
  timeout:
    description: How many seconds the bot may take to answer.
    type: int
    default: 120
  environment:
    description: Environment of the service, with which commands are run.
    type: dict
    default: {}
  secrets:
    description: Values that must not appear in what is reported.
    type: list
    elements: str
    default: []
  commands:
    description: Commands that must succeed as the service user.
    type: list
    elements: dict
    default: []
    suboptions:
      what:
        description: What the command proves.
        type: str
        required: true
      argv:
        description: The command.
        type: list
        elements: str
        required: true
      only_if_exists:
        description: A path; when nothing is there the command is left out.
        type: str
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
- name: The bot answers and its agents start
  kai.bot.kai_proof:
    service_user: kai
    unit: kai
    port: 8080
    commands:
      - what: the bot can read /etc/kai/env
        argv: [sudo, -n, cat, /etc/kai/env]
"""

RETURN = r"""
pid:
  description: The unit's process that answered.
  returned: success
  type: int
proven:
  description: What was proven.
  returned: success
  type: list
  elements: str
seconds:
  description: How long the bot took to answer.
  returned: success
  type: float
"""

import concurrent.futures
import glob
import http.client
import os
import pwd
import subprocess
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule

POLL_SECONDS = 0.25
COMMAND_SECONDS = 60
LISTENING = "0A"
LOG_LINES = 30


def unit_state(unit: str) -> dict[str, str]:
    """Return what systemd knows about a unit."""
    run = subprocess.run(
        [
            "systemctl",
            "show",
            f"{unit}.service",
            "--property=ActiveState,MainPID,NRestarts,ControlGroup",
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    return dict(line.split("=", 1) for line in run.stdout.splitlines() if "=" in line)


def listening_sockets(port: int) -> set[str]:
    """Return the inodes of all TCP sockets that listen on a port."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(table, encoding="ascii") as handle:
                rows = handle.read().splitlines()[1:]
        except FileNotFoundError:
            continue
        for row in rows:
            columns = row.split()
            if columns[3] == LISTENING and int(columns[1].rpartition(":")[2], 16) == port:
                found.add(columns[9])
    return found


def holders(port: int) -> dict[int, str]:
    """Return the processes that listen on a port, by PID, with their command lines."""
    sockets = {f"socket:[{inode}]" for inode in listening_sockets(port)}
    found = {}
    for link in glob.glob("/proc/[0-9]*/fd/*") if sockets else ():
        try:
            if os.readlink(link) in sockets:
                pid = link.split("/")[2]
                with open(f"/proc/{pid}/cmdline", "rb") as handle:
                    found[int(pid)] = (
                        handle.read().replace(b"\0", b" ").decode(errors="replace").strip()
                    )
        except OSError:
            continue
    return found


def belongs(pid: int, control_group: str) -> bool:
    """Return whether a process is one of the unit's own."""
    try:
        with open(f"/proc/{pid}/cgroup", encoding="utf-8") as handle:
            return any(line.rstrip().rpartition(":")[2].endswith(control_group) for line in handle)
    except OSError:
        return False


def health(host: str, port: int, path: str) -> int:
    """Return the status that the health route answers. Raises OSError when nobody does."""
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except http.client.HTTPException as error:
        raise OSError(f"no HTTP answer: {error}") from error
    finally:
        connection.close()


def wait_for_bot(parameters: dict[str, Any]) -> tuple[int | None, str]:
    """Return the process that answered well, or None and what stood in its way."""
    deadline = time.monotonic() + parameters["timeout"]
    reason = "nothing answered"
    while time.monotonic() < deadline:
        state = unit_state(parameters["unit"])
        pid = int(state.get("MainPID") or 0)
        if int(state.get("NRestarts") or 0) >= 3 or state.get("ActiveState") == "failed":
            return None, "the process ends again and again"
        others = {
            other: command
            for other, command in holders(parameters["port"]).items()
            if not belongs(other, state.get("ControlGroup") or "no control group")
        }
        if others:
            named = "; ".join(f"PID {other} ({command})" for other, command in others.items())
            return None, f"port {parameters['port']} is held by {named}"
        try:
            status = health(parameters["host"], parameters["port"], parameters["health_path"])
            if status == 200 and pid and state.get("ActiveState") == "active":
                return pid, ""
            reason = f"{parameters['health_path']} answers {status}"
        except OSError as error:
            reason = str(error)
        time.sleep(POLL_SECONDS)
    return None, f"{reason} for {parameters['timeout']} s"


def last_log(unit: str) -> str:
    """Return the end of the unit's journal."""
    run = subprocess.run(
        [
            "journalctl",
            f"--unit={unit}.service",
            f"--lines={LOG_LINES}",
            "--no-pager",
            "--output=cat",
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    return run.stdout.strip()


def attempt(command: dict[str, Any], account: str, environment: dict[str, str]) -> str:
    """Return what a command said when it failed as the account, empty when it succeeded."""
    try:
        run = subprocess.run(
            ["/sbin/runuser", "-u", account, "--", *command["argv"]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            check=False,
            timeout=COMMAND_SECONDS,
            cwd="/",
            env=environment,
        )
    except subprocess.TimeoutExpired:
        return f"no end within {COMMAND_SECONDS} s"
    except OSError as error:
        return str(error)
    if run.returncode == 0:
        return ""
    return run.stderr.strip() or f"exit code {run.returncode}"


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "service_user": {"type": "str", "required": True},
            "unit": {"type": "str", "required": True},
            "host": {"type": "str", "default": "127.0.0.1"},
            "port": {"type": "int", "required": True},
            "health_path": {"type": "str", "default": "/health"},
            "timeout": {"type": "int", "default": 120},
            "environment": {"type": "dict", "default": {}},
            "secrets": {"type": "list", "elements": "str", "default": [], "no_log": True},
            "commands": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "what": {"type": "str", "required": True},
                    "argv": {"type": "list", "elements": "str", "required": True},
                    "only_if_exists": {"type": "str"},
                },
            },
        },
        supports_check_mode=True,
    )
    parameters = module.params
    started = time.monotonic()
    pid, reason = wait_for_bot(parameters)
    seconds = round(time.monotonic() - started, 1)
    failures = []
    if pid is None:
        failures.append(f"{parameters['unit']} is not healthy: {reason}")
    account = pwd.getpwnam(parameters["service_user"])
    environment = {"HOME": account.pw_dir, "USER": account.pw_name, "LOGNAME": account.pw_name}
    environment.update(parameters["environment"])
    commands = [
        command
        for command in parameters["commands"]
        if not command["only_if_exists"] or os.path.exists(command["only_if_exists"])
    ]
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        said = list(
            pool.map(lambda command: attempt(command, account.pw_name, environment), commands)
        )
    failures += [
        f"{command['what']} failed: {text} ({' '.join(command['argv'])})"
        for command, text in zip(commands, said)
        if text
    ]
    if failures:
        log = last_log(parameters["unit"]) if pid is None else ""
        module.fail_json(
            msg="\n".join(failures) + (f"\nThe bot's last words:\n{log}" if log else "")
        )
    module.exit_json(
        changed=False,
        pid=pid,
        seconds=seconds,
        proven=["the unit's own process answers " + parameters["health_path"]]
        + [command["what"] for command in commands],
    )


if __name__ == "__main__":
    main()
