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
  - Waits until the unit's own process answers its health path with 200. What else holds its port is
    ended when it belongs to one of O(accounts).
  - Reads each protected file as the service user through its sudo rule.
  - Starts each agent as the bot does, hears that it lives, and ends it as the bot does. Nothing is
    asked of a model, and no login is needed. An agent writes what it writes at every start.
  - Reports everything that failed, with what the commands said and, when the bot does not answer,
    the end of the log of this start.
options:
  service_user:
    description: The account that runs the bot; needed for O(commands) and O(agents).
    type: str
  unit:
    description: Name of the systemd unit without its suffix.
    type: str
    required: true
  host:
    description: Address on which the bot answers.
    type: str
    default: 127.0.0.1
  env_file:
    description: The bot's environment file, which gives it its port and its secrets.
    type: path
    required: true
  port_key:
    description: The key of the environment file that gives the bot its port.
    type: str
    required: true
  default_port:
    description: The port without that key.
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
  stopped_at:
    description: When the bot was stopped for this, on the host's monotonic clock, in seconds.
    type: float
  environment:
    description: Environment of the service, with which commands are run. Agents get what the
      environment file has as well.
    type: dict
    default: {}
  secret_keys:
    description: Keys of the environment file whose values must not appear in what is reported.
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
  agents:
    description: Agents that the service user starts and ends.
    type: list
    elements: dict
    default: []
    suboptions:
      what:
        description: What the start proves.
        type: str
        required: true
      argv:
        description: The command, with sudo where the bot uses it.
        type: list
        elements: str
        required: true
      directory:
        description: Where the agent starts; the service user enters it.
        type: path
        required: true
      sets:
        description: Variables that the bot sets for the agent.
        type: dict
        default: {}
      copies:
        description: Variables that get the value of a key of the environment file, if it has one.
        type: dict
        default: {}
      kill:
        description: The command that signals the agent as its owner, before signal and process;
          empty where the service user itself owns it.
        type: list
        elements: str
        default: []
      say:
        description: A line for the agent. Without one its input is closed, and it has to end well.
        type: str
        default: ""
      hear:
        description: What a line of the answer has, a JSON document; there may be more in it.
        type: dict
        default: {}
      account:
        description: Who the agent runs as.
        type: str
        default: ""
      program:
        description: The path of the agent; without it nothing is known of earlier starts.
        type: str
        default: ""
  known:
    description:
      - A file of root's, below a directory that is empty after a boot, that remembers what was
        proven. Agents that were started before, and of which nothing has changed since, are not
        started again, but one of each program is, in turn; and directories that were closed to
        others before, and are as they were, are tried by the accounts of these alone.
      - Without it everything is proven, and nothing remembered.
    type: path
  anew:
    description: Whether everything is proven, whatever O(known) remembers.
    type: bool
    default: false
  accounts:
    description: Accounts whose processes are ended when they hold the port of the bot; its own and
      those of its agents.
    type: list
    elements: str
    default: []
  lenient:
    description:
      - Whether what an account can bring about by itself is noted instead of failing, so that
        nobody can keep a bot from being replaced. That is what keeps its agents from starting while
        sudo lets the bot start them, and the program starts elsewhere; and with O(anew) what it
        makes of its own directories.
    type: bool
    default: false
  search_path:
    description: Where sudo and scripts find programs.
    type: list
    elements: str
    default: []
  private_directories:
    description: Directories of which no account sees anything but the one that each is kept for.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: The directory.
        type: path
        required: true
      account:
        description: The account that it is kept for; none for the service user alone.
        type: str
      only_reads:
        description: Whether that account reads there and does not write.
        type: bool
        default: false
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
    env_file: /etc/kai/env
    port_key: WEBHOOK_PORT
    default_port: 8080
    commands:
      - what: the bot can read /etc/kai/env
        argv: [sudo, -n, cat, /etc/kai/env]
    agents:
      - what: the bot starts codex as alice, and ends it
        argv: [sudo, -H, -u, alice, --preserve-env=TMPDIR, --, /usr/local/bin/codex, app-server]
        directory: /var/lib/kai/home/1
        kill: [sudo, -n, -u, alice, /bin/kill]
        say: >-
          {"id": 1, "method": "initialize",
          "params": {"clientInfo": {"name": "kai-ansible", "version": "1"}}}
        hear: {id: 1, result: {}}
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
notes:
  description: What did not succeed, and with O(lenient) does not count.
  returned: success
  type: list
  elements: str
seconds:
  description: How long the bot took to answer.
  returned: success
  type: float
seconds_without:
  description: The time from the stop of the bot until it answered, null when it was not stopped.
  returned: success
  type: float
"""

import concurrent.futures
import contextlib
import os
import pwd
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.access_lists import lists_of
from ..module_utils.borders import concerned, trespasses
from ..module_utils.bot_account import BotAccount
from ..module_utils.bot_service import deployed_env, deployed_port, health, journal_of, unit_state
from ..module_utils.earlier_proofs import (
    EarlierProofs,
    digest_of,
    facts_of_account,
    facts_of_directory,
    facts_of_policy,
    facts_of_program,
)
from ..module_utils.left_processes import end_listener
from ..module_utils.masking import masked
from ..module_utils.mounts import closed_mounts
from ..module_utils.printable import printable
from ..module_utils.problems import problem_of_error
from ..module_utils.processes import Listener, strangers
from ..module_utils.proof_arguments import AGENTS, COMMANDS, PRIVATE_DIRECTORIES
from ..module_utils.root_files import Refused

POLL_SECONDS = 0.25
LOG_LINES = 30
MOST_RESTARTS = 2
MOST_ENDED = 5
OWN_FAULT = (
    "Its rule is in force, and the program starts elsewhere, so look at what is {account}'s own: "
    "the home, the settings and the processes of that account"
)
BORDERS = "everybody works in their own directories and nobody in another's"


class Wait:
    """Waiting for the bot to answer."""

    def __init__(self, parameters: dict[str, Any], env: dict[str, str]) -> None:
        self.parameters = parameters
        self.port = deployed_port(env, parameters["port_key"], parameters["default_port"])
        # systemd gives every start of a unit an id of its own
        self.invocations: set[str] = set()
        self.ended: list[str] = []
        self.accounts = set(parameters["accounts"])

    def for_answer(self) -> tuple[int | None, str]:
        """Return the process that answered well, or None and what stood in its way."""
        limit = self.parameters["timeout"]
        deadline = time.monotonic() + limit
        reason = "nothing answered"
        while time.monotonic() < deadline:
            try:
                state = unit_state(self.parameters["unit"])
            except OSError as error:
                reason = f"systemd does not answer: {error.strerror}"
                time.sleep(POLL_SECONDS)
                continue
            if state.get("InvocationID"):
                self.invocations.add(state["InvocationID"])
            pid = int(state.get("MainPID") or 0)
            # without the port it ends as well
            if (
                int(state.get("NRestarts") or 0) >= MOST_RESTARTS + len(self.ended)
                or state.get("ActiveState") == "failed"
            ):
                return None, "the process ends again and again"
            host = self.parameters["host"]
            others = strangers(self.port, pid, state.get("ControlGroup", ""), host)
            if others and not self.end(others):
                return None, f"port {self.port} is held by {'; '.join(map(str, others))}"
            path = self.parameters["health_path"]
            try:
                status = health(self.parameters["host"], self.port, path)
                if status == 200 and pid and state.get("ActiveState") == "active":
                    return pid, ""
                reason = f"{path} answers {status}"
            except ConnectionRefusedError:
                reason = f"nothing listens on port {self.port}"
            except OSError as error:
                reason = str(error)
            time.sleep(POLL_SECONDS)
        return None, f"{reason} for {limit} s"

    def end(self, listeners: list[Listener]) -> bool:
        """End what has taken the port, if all of it is the bot's own; return whether it was."""
        own = all(listener.user in self.accounts for listener in listeners)
        if not own or len(self.ended) >= MOST_ENDED:
            return False
        for listener in listeners:
            end_listener(listener, thoroughly=bool(self.ended))
        told = "; ".join(map(str, listeners))
        self.ended.append(f"port {self.port} was held by {told}, which is the bot's own, and ended")
        return True

    def last_log(self) -> str:
        """Return the end of what the bot, and systemd about it, logged since this start."""
        try:
            return journal_of(self.invocations, LOG_LINES)
        except OSError as error:
            return str(error)


class Remembered:
    """What of the agents and directories has to be proven in this run."""

    def __init__(self, parameters: dict[str, Any], bot: BotAccount) -> None:
        self.parameters, self.bot = parameters, bot
        self.earlier = EarlierProofs(parameters["known"], time.time())
        self.policy = facts_of_policy()
        self.programs: dict[str, list[Any]] = {}
        self.digests = {agent["what"]: self.digest(agent) for agent in parameters["agents"]}
        self.borders = self.digest_of_borders()

    def digest(self, agent: dict[str, Any]) -> str:
        """Return the digest of all that the start of an agent depends on."""
        path, name = agent["program"], agent["account"]
        if path not in self.programs:
            self.programs[path] = facts_of_program(path, self.parameters["search_path"])
        return digest_of(
            self.policy,
            agent,
            self.bot.environment_of(agent),
            self.programs[path],
            facts_of_account(name),
            facts_of_account(self.bot.account.pw_name),
            facts_of_directory(agent["directory"]),
            facts_of_directory(pwd.getpwnam(name).pw_dir),
        )

    def digest_of_borders(self) -> str:
        """Return the digest of all that keeps accounts out of each other's directories."""
        borders = self.parameters["private_directories"]
        names = sorted(concerned(borders))
        places = [
            [entry, facts_of_directory(entry["path"]), lists_of(entry["path"])] for entry in borders
        ]
        return digest_of(places, [facts_of_account(name) for name in names])

    def agents(self) -> list[dict[str, Any]]:
        """Return the agents that are to be started."""
        agents: list[dict[str, Any]] = self.parameters["agents"]
        if self.parameters["anew"]:
            return agents
        due = {
            digest
            for path in self.programs
            for digest in self.earlier.due(
                [self.digests[agent["what"]] for agent in agents if agent["program"] == path]
            )
        }
        return [agent for agent in agents if self.digests[agent["what"]] in due]

    def accounts(self, started: list[dict[str, Any]]) -> set[str]:
        """Return the accounts that are to try the directories."""
        wanted = concerned(self.parameters["private_directories"])
        known = self.borders in self.earlier.times and not self.parameters["anew"]
        if known:
            return wanted & {agent["account"] for agent in started}
        return wanted

    def keep(self, proven: list[str], closed: bool) -> None:
        """Remember what was proven; closed: whether the directories are."""
        digests = [self.digests[what] for what in proven]
        valid = [*self.digests.values(), *([self.borders] if closed else [])]
        whole = closed and self.borders not in self.earlier.times
        self.earlier.keep(valid, [*digests, *([self.borders] if whole else [])])


def places_to_try(parameters: dict[str, Any]) -> set[str]:
    """Return the directories on which agents and accounts depend. Raises KeyError."""
    agents, borders = parameters["agents"], parameters["private_directories"]
    homes = {pwd.getpwnam(agent["account"]).pw_dir for agent in agents}
    return homes | {agent["directory"] for agent in agents} | {entry["path"] for entry in borders}


def remembered(parameters: dict[str, Any], bot: BotAccount) -> Remembered | None:
    """Return what is known of earlier proofs, None where it cannot be or is not to be known."""
    named = all(agent["account"] and agent["program"] for agent in parameters["agents"])
    if not parameters["known"] or not named:
        return None
    try:
        # what lies behind a mount that hangs is tried by processes that can be left behind
        return None if closed_mounts(places_to_try(parameters)) else Remembered(parameters, bot)
    except (OSError, KeyError, Refused):
        # what cannot be looked at is tried, and then told
        return None


def prove(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return the module's result; ``failures`` in it tells what is not as it should be."""
    env = deployed_env(parameters["env_file"])
    secrets = [env[key] for key in parameters["secret_keys"] if env.get(key)]
    wait = Wait(parameters, env)
    started = time.monotonic()
    pid, reason = wait.for_answer()
    answered = time.monotonic()
    lenient, search_path = parameters["lenient"], parameters["search_path"]
    failures: list[str] = []
    notes = list(wait.ended)
    proven: list[str] = []
    if pid is None:
        failures.append(f"{parameters['unit']} is not healthy: {reason}")
    commands = [
        command
        for command in parameters["commands"]
        if not command["only_if_exists"] or os.path.exists(command["only_if_exists"])
    ]
    # an agent writes into the home of its account, which a bot that is not well is no reason for
    agents = parameters["agents"] if pid is not None else []
    borders = parameters["private_directories"]
    accounts = concerned(borders)
    before = None
    if commands or agents:
        bot = BotAccount(parameters, env)
        before = remembered(parameters, bot) if agents else None
        if before:
            agents = before.agents()
            accounts = before.accounts(agents)
        with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
            # agents take longer, so they begin
            starts = pool.map(bot.fault_of_agent, agents)
            faults = [*pool.map(bot.fault_of_command, commands), *starts]
        for tried, fault in zip([*commands, *agents], faults):
            told = f"{tried['what']} failed: {fault} ({' '.join(tried['argv'])})"
            if not fault:
                proven.append(tried["what"])
            elif lenient and tried in agents and bot.is_own_fault(tried, search_path):
                notes.append(f"{told}. {OWN_FAULT.format(**tried)}")
            else:
                failures.append(told)
    opened, unknown = trespasses(borders, accounts)
    # before a switch they were closed, as far as that can be done
    (notes if lenient and parameters["anew"] else failures).extend([*opened, *unknown])
    closed = not (opened or unknown)
    if before:
        started_well = [agent["what"] for agent in agents if agent["what"] in proven]
        with contextlib.suppress(OSError):
            # it is only there to be quicker the next time
            before.keep(started_well, closed=closed)
    rest = len(parameters["agents"]) - len(agents) if pid is not None else 0
    log = wait.last_log() if pid is None else ""
    if log:
        failures.append(f"The bot's last words since this start:\n{log}")
    stopped = parameters["stopped_at"]
    return {
        "failures": [printable(masked(failure, secrets)) for failure in failures],
        "pid": pid,
        "seconds": round(answered - started, 1),
        "seconds_without": None if stopped is None else round(answered - stopped, 1),
        "notes": [printable(masked(note, secrets)) for note in notes],
        "proven": ["the unit's own process answers " + parameters["health_path"]]
        + proven
        + ([f"{rest} more starts of agents are as they were when proven"] if rest else [])
        + ([BORDERS] if borders and closed else []),
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "service_user": {"type": "str"},
            "unit": {"type": "str", "required": True},
            "host": {"type": "str", "default": "127.0.0.1"},
            "env_file": {"type": "path", "required": True},
            "port_key": {"type": "str", "required": True, "no_log": False},
            "default_port": {"type": "int", "required": True},
            "health_path": {"type": "str", "default": "/health"},
            "timeout": {"type": "int", "default": 120},
            "stopped_at": {"type": "float"},
            "environment": {"type": "dict", "default": {}},
            "secret_keys": {"type": "list", "elements": "str", "default": [], "no_log": False},
            "commands": COMMANDS,
            "agents": AGENTS,
            "known": {"type": "path"},
            "accounts": {"type": "list", "elements": "str", "default": []},
            "anew": {"type": "bool", "default": False},
            "lenient": {"type": "bool", "default": False},
            "search_path": {"type": "list", "elements": "str", "default": []},
            "private_directories": PRIVATE_DIRECTORIES,
        },
        supports_check_mode=True,
    )
    needing = module.params["commands"] or module.params["agents"]
    if needing and not module.params["service_user"]:
        module.fail_json(msg="commands and agents need a service_user")
    if module.check_mode:
        module.params["accounts"] = []
    try:
        result = prove(module.params)
    except Refused as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=str(problem_of_error(error, "a file")))
    failures = result.pop("failures")
    if failures:
        module.fail_json(msg="\n".join(failures), seconds_without=result["seconds_without"])
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
