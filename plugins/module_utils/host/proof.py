# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proving that the bot answers, and that everything works that it will run."""

from __future__ import annotations

import concurrent.futures
import contextlib
import functools
import os
import pwd
import re
import time
from typing import TYPE_CHECKING, Any

from ..rules.problems import Refused
from ..rules.readiness import LOG_OF_START, unready_parts
from ..rules.redact import masked
from ..rules.sanitize import printable
from .access_lists import lists_of
from .bot_account import BotAccount
from .free_space import fault_of_space
from .isolation import concerned, trespasses
from .left_processes import end_listener
from .mounts import closed_mounts
from .proof_cache import (
    EarlierProofs,
    digest_of,
    facts_of_account,
    facts_of_directory,
    facts_of_policy,
    facts_of_program,
)
from .service import deployed_env, deployed_port, health, health_page
from .system import (
    Listener,
    account_of,
    environment_of,
    log_of,
    server_of,
    service_state,
    strangers,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TypeVar

    from ..rules.module_arguments import ProofArguments, WaitArguments
    from ..rules.proof_arguments import AgentProof, Command
    from ..rules.run_results import Proved

    Check = TypeVar("Check", AgentProof, Command)

POLL_SECONDS = 0.25
LOG_SECONDS = 2
LOG_LINES = 20
MOST_RESTARTS = 2
MOST_ENDED = 5
OWN_FAULT = (
    "Its sudo rule is in force, and the program starts elsewhere, so check the home, the settings "
    "and the processes of {account}"
)
EARLIER = "more checks succeeded earlier, and nothing on which they depend has changed"
ISOLATED = "each account works in its own directories and in no other account's"


class Wait:
    """Waiting until the bot answers."""

    def __init__(self, parameters: WaitArguments, env: dict[str, str]) -> None:
        self.parameters = parameters
        self.env = env
        self.port = self.port_of(env)
        self.starts: set[str] = set()
        self.user = ""
        self.ended: list[str] = []
        self.accounts = set(parameters["accounts"])
        self.final = [re.compile(line) for line in parameters["final_lines"]]
        self.log_due = 0.0

    def port_of(self, env: Mapping[str, str]) -> int:
        """Return the port that an environment gives the bot."""
        return deployed_port(env, self.parameters["port_key"], self.parameters["default_port"])

    def for_answer(self) -> tuple[int | None, str]:
        """Return the process that answered with 200, or None and the reason."""
        limit = self.parameters["timeout"]
        deadline = time.monotonic() + limit
        reason = "nothing answered"
        while time.monotonic() < deadline:
            try:
                state = service_state(self.parameters["unit"])
            except OSError as error:
                reason = f"systemd does not answer: {error.strerror}"
                time.sleep(POLL_SECONDS)
                continue
            self.user = state.user
            if state.start_id:
                self.starts.add(state.start_id)
            # a bot whose port is in use ends as well
            if state.state == "failed" or state.restarts >= MOST_RESTARTS + len(self.ended):
                return None, "the process ends again and again"
            if state.pid:
                # the environment of the process wins over the file
                self.port = self.port_of({**self.env, **environment_of(state.pid)})
            host = self.parameters["host"]
            others = strangers(self.port, state.pid, state.group, host)
            if others and not self.end(others):
                return None, f"port {self.port} is held by {'; '.join(map(str, others))}"
            path = self.parameters["health_path"]
            try:
                places = self.parameters.get("readiness") or []
                status, page = health_page(host, self.port, path) if places else (0, b"")
                status = status or health(host, self.port, path)
                unready = unready_parts(page, places) if status == 200 else []
                if status == 200 and not unready and state.pid and state.state == "active":
                    return state.pid, ""
                reason = f"{path} answers {status}"
                if unready:
                    reason = f"{path} says of {', '.join(unready)} that it is not ready"
            except ConnectionRefusedError:
                reason = f"nothing listens on port {self.port}"
            except OSError as error:
                reason = str(error)
            if self.gave_up():
                return None, f"{reason}, and by its log, waiting does not help"
            time.sleep(POLL_SECONDS)
        return None, f"{reason} for {limit} s"

    def gave_up(self) -> bool:
        """Return whether the log of this start has a line after which no answer comes."""
        now = time.monotonic()
        if not self.final or now < self.log_due:
            return False
        self.log_due = now + LOG_SECONDS
        log = self.last_log()
        return any(line.search(log) for line in self.final)

    def end(self, listeners: list[Listener]) -> bool:
        """End the processes that hold the port; return whether all are of the bot's accounts."""
        own = all(listener.user in self.accounts for listener in listeners)
        if not own or len(self.ended) >= MOST_ENDED:
            return False
        for listener in listeners:
            end_listener(listener, thoroughly=bool(self.ended))
        names = "; ".join(map(str, listeners))
        self.ended.append(
            f"port {self.port} was held by {names}, a process of the bot's accounts; it was ended"
        )
        return True

    def last_log(self) -> str:
        """Return the end of the log of the bot since this start."""
        account = account_of(self.user)
        try:
            return log_of(self.starts, LOG_LINES, uid=account.pw_uid if account else None)
        except OSError as error:
            return str(error)


class Remembered:
    """Which agents, commands and directories this run must verify."""

    def __init__(self, known: str, parameters: ProofArguments, bot: BotAccount) -> None:
        self.parameters, self.bot = parameters, bot
        self.earlier = EarlierProofs(known, time.time())
        # a part of every digest, and long
        self.policy = digest_of(facts_of_policy())
        self.programs: dict[str, list[Any]] = {}
        # every answer takes the reading of all mounts
        self.server_of = functools.lru_cache(maxsize=None)(server_of)
        self.bots = facts_of_account(bot.account.pw_name)
        self.digests = {
            **{agent["what"]: self.digest(agent) for agent in parameters["agents"]},
            **{
                command["what"]: self.circumstances(command, bot.environment)
                for command in parameters["commands"]
                if command["account"] and command["program"]
            },
        }
        self.isolation = self.digest_of_private_directories()

    def digest(self, agent: AgentProof) -> str:
        """Return the digest of everything that the start of an agent depends on."""
        home = pwd.getpwnam(agent["account"]).pw_dir
        return self.circumstances(
            agent,
            self.bot.environment_of(agent),
            facts_of_directory(agent["directory"], self.server_of),
            facts_of_directory(home, self.server_of),
        )

    def circumstances(
        self, check: AgentProof | Command, environment: Mapping[str, str], *more: Any
    ) -> str:
        """Return the digest of everything that a check depends on. more: other facts of it."""
        path = check["program"]
        if path not in self.programs:
            self.programs[path] = facts_of_program(path, self.parameters["search_path"])
        account = facts_of_account(check["account"])
        return digest_of(
            self.policy, check, environment, self.programs[path], account, self.bots, *more
        )

    def digest_of_private_directories(self) -> str:
        """Return the digest of everything that keeps accounts out of other directories."""
        private = self.parameters["private_directories"]
        names = sorted(concerned(private))
        places = [
            [entry, facts_of_directory(entry["path"], self.server_of), lists_of(entry["path"])]
            for entry in private
        ]
        return digest_of(places, [facts_of_account(name) for name in names])

    def due(self, checks: Sequence[Check]) -> list[Check]:
        """Return the agents, or the commands, to verify."""
        if self.parameters["anew"]:
            return list(checks)
        by_program: dict[str, list[str]] = {}
        for check in checks:
            if check["what"] in self.digests:
                by_program.setdefault(check["program"], []).append(self.digests[check["what"]])
        chosen = [self.earlier.due(digests) for digests in by_program.values()]
        wanted = {None}.union(*chosen)
        return [check for check in checks if self.digests.get(check["what"]) in wanted]

    def accounts(self, started: list[AgentProof]) -> set[str]:
        """Return the accounts that try the directories. started: the agents that are started."""
        wanted = concerned(self.parameters["private_directories"])
        known = self.isolation in self.earlier.times and not self.parameters["anew"]
        return wanted & {agent["account"] for agent in started} if known else wanted

    def keep(self, verified: list[str], closed: bool) -> None:
        """Store the checks. verified: what was. closed: whether the directories are private."""
        digests = [self.digests[what] for what in verified if what in self.digests]
        valid = [*self.digests.values(), *([self.isolation] if closed else [])]
        whole = closed and self.isolation not in self.earlier.times
        self.earlier.keep(valid, [*digests, *([self.isolation] if whole else [])])


def places_to_try(parameters: ProofArguments) -> set[str]:
    """Return the directories on which agents and accounts depend. Raises KeyError."""
    agents, private = parameters["agents"], parameters["private_directories"]
    homes = {pwd.getpwnam(agent["account"]).pw_dir for agent in agents}
    return homes | {agent["directory"] for agent in agents} | {entry["path"] for entry in private}


def remembered(parameters: ProofArguments, bot: BotAccount) -> Remembered | None:
    """Return the earlier proofs, None where they cannot be read or are not wanted."""
    known = parameters["known"]
    named = all(agent["account"] and agent["program"] for agent in parameters["agents"])
    if not known or not named:
        return None
    try:
        # processes that can be left behind try paths behind a mount that hangs
        closed = closed_mounts(places_to_try(parameters))
        return None if closed else Remembered(known, parameters, bot)
    except (OSError, KeyError, Refused):
        # an unreadable fact is tried, and that reports the reason
        return None


def prove(parameters: ProofArguments) -> Proved:
    """Prove that the bot works; return the result of the module.

    parameters: those of kai_proof. ``failures`` of the result is for ``fail_json``. Raises OSError
    and Refused for a file that cannot be read.
    """
    env = deployed_env(parameters["env_file"])
    secrets = [env[key] for key in parameters["secret_keys"] if env.get(key)]
    wait = Wait(parameters, env)
    started = time.monotonic()
    pid, reason = wait.for_answer()
    answered = time.monotonic()
    lenient, search_path = parameters["lenient"], parameters["search_path"]
    failures: list[str] = []
    notes = list(wait.ended)
    verified: list[str] = []
    if pid is None:
        failures.append(f"{parameters['unit']} is not healthy: {reason}")
        with contextlib.suppress(OSError):
            # the cause of many other messages, and rarely named by them
            fault = fault_of_space(parameters["data_dir"]) if parameters["data_dir"] else ""
            failures += [fault] if fault else []
    commands = [
        command
        for command in parameters["commands"]
        if not command["only_if_exists"] or os.path.exists(command["only_if_exists"])
    ]
    # an agent writes into the home of its account; an unhealthy bot is no reason for that
    agents = parameters["agents"] if pid is not None else []
    private = parameters["private_directories"]
    accounts = concerned(private)
    before = None
    count = len(commands) + len(agents)
    if commands or agents:
        bot = BotAccount(
            parameters["service_user"], parameters["environment"], parameters["secret_keys"], env
        )
        before = remembered(parameters, bot) if agents else None
        if before:
            agents, commands = before.due(agents), before.due(commands)
            accounts = before.accounts(agents)
        with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
            # agents take longer, so they start first
            starts = pool.map(bot.fault_of_agent, agents)
            faults = [*pool.map(bot.fault_of_command, [one["argv"] for one in commands]), *starts]
        for tried, fault in zip([*commands, *agents], faults):
            message = f"{tried['what']} failed: {fault} ({' '.join(tried['argv'])})"
            if not fault:
                verified.append(tried["what"])
            elif lenient and tried in agents and bot.is_own_fault(tried, search_path):
                notes.append(f"{message}. {OWN_FAULT.format(**tried)}")
            else:
                failures.append(message)
    opened, unknown = trespasses(private, accounts)
    # before a switch they were made private, as far as that is possible
    (notes if lenient and parameters["anew"] else failures).extend([*opened, *unknown])
    closed = not (opened or unknown)
    if before:
        with contextlib.suppress(OSError):
            # the cache only saves time
            before.keep(verified, closed=closed)
    rest = count - len(commands) - len(agents)
    log = wait.last_log() if pid is None else ""
    if log:
        failures.append(f"{LOG_OF_START}\n{log}")
    stopped = parameters["stopped_at"]
    return {
        "failures": [printable(masked(failure, secrets)) for failure in failures],
        "pid": pid,
        "seconds": round(answered - started, 1),
        "seconds_without": None if stopped is None else round(answered - stopped, 1),
        "notes": [printable(masked(note, secrets)) for note in notes],
        "verified": [
            f"the unit's own process answers {parameters['health_path']}",
            *verified,
            *([f"{rest} {EARLIER}"] if rest else []),
            *([ISOLATED] if private and closed else []),
        ],
    }
