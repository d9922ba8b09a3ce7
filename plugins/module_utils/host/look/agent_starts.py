# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start the programs of the agents as the accounts that will run them, to learn if they can."""

from __future__ import annotations

import concurrent.futures
import os
import pwd
import re
import shlex
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...rules.agent_starts import STRANGER
from ...rules.sudoers import commands_by_account
from ..subprocesses import Started, run_bounded
from ..system import account_of
from .agents import environment_of, to_start

if TYPE_CHECKING:
    from ...rules.module_arguments import BinaryRequest
    from ...rules.probe import AgentStart, Candidate
    from .agents import Candidates
    from .host import Host

# an agent on Node takes many seconds to start on a busy host
VERSION_SECONDS = 60
VERSION = re.compile(r"[0-9]+(\.[0-9]+)+[0-9A-Za-z.+_-]{0,40}")
SHOWN_LINES = 3
# the exit codes with which a shell, env(1) and sudo report a program that did not run
NOT_RUN = (126, 127)


@dataclass
class Trial:
    """A program to start as an account. stands_for: the account that will run it."""

    candidate: Candidate
    account: pwd.struct_passwd
    stands_for: str
    command: list[str]
    environment: dict[str, str]
    process: Started | OSError | None = None

    def begin(self) -> None:
        """Start the program, if it can be started."""
        try:
            self.process = Started(
                self.command, self.environment, VERSION_SECONDS, account=self.account
            )
        except OSError as error:
            self.process = error

    def finish(self) -> AgentStart:
        """Wait for its end, and return how it started."""
        if self.process is None:
            self.begin()
        if isinstance(self.process, TimeoutError):
            return self.seen(late=True)
        if isinstance(self.process, OSError):
            return self.seen(fault=self.process.strerror or str(self.process))
        code, said = self.process.end() if self.process else (None, "")
        found = VERSION.search(said)
        if code is None and not found:
            return self.seen(late=True)
        if code in (0, None) or found or not self._counts(code):
            return self.seen(version=found[0] if found else "")
        return self.seen(fault=f"{_end_of(code or 0)}{self._reason()}")

    def _counts(self, code: int | None) -> bool:
        """Return whether an exit code is a fault: a stand-in has no home, which programs need."""
        return self.account.pw_name == self.stands_for or code in NOT_RUN

    def _reason(self) -> str:
        """Return what the program prints about its fault, from another start."""
        try:
            said = run_bounded(
                self.command, self.environment, VERSION_SECONDS, errors=True, account=self.account
            )[1]
        except OSError:
            return ""
        lines = [line for line in said.splitlines() if line.strip()]
        return ": " + " / ".join(lines[:SHOWN_LINES]) if lines else ""

    def seen(self, *, version: str = "", fault: str = "", late: bool = False) -> AgentStart:
        """Return how it started."""
        return {
            "account": self.stands_for,
            "path": self.environment["PATH"],
            "command": shlex.join(self.command),
            "version": version,
            "fault": fault,
            "late": late,
        }


def begin_starts(host: Host, binaries: Candidates, rules: str) -> list[Trial]:
    """Begin to start the best candidate of each program, so that it prints its version.

    An account that has a rule for the program was verified when it got the rule, so only one of
    these starts it again. rules: the deployed drop-in. No more begin at once than there are
    processors.
    """
    verified = set(commands_by_account(rules))
    trials = []
    for request in host.parameters["binaries"] if host.parameters["versions"] else []:
        best = to_start(host, request, binaries)
        if best is None:
            continue
        known = [name for name in request["accounts"] if (name, best["path"]) in verified]
        due = [name for name in request["accounts"] if name not in known[1:]]
        trials += [trial for name in due for trial in _trial(host, request, best, name)]
    for trial in trials[: os.cpu_count() or 1]:
        trial.begin()
    return trials


def finish_starts(host: Host, trials: list[Trial]) -> None:
    """Set ``version`` and ``starts`` of each candidate.

    Where a program fails for all accounts, an account without a home tries it as well: whether it
    starts there tells a fault of the program from one of an account.
    """
    late: set[str] = set()

    def finish(trial: Trial) -> AgentStart:
        # a program that hangs would keep the run for as many minutes as it has accounts
        if trial.process is None and trial.candidate["path"] in late:
            return trial.seen(late=True)
        start = trial.finish()
        if start["late"]:
            late.add(trial.candidate["path"])
        return start

    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        found = list(pool.map(finish, trials))
    for trial, start in zip(trials, found):
        trial.candidate.setdefault("starts", []).append(start)
    for trial in {id(trial.candidate): trial for trial in trials}.values():
        starts = trial.candidate["starts"]
        if all(start["fault"] for start in starts):
            starts += [stranger.finish() for stranger in _strangers(host, trial)]
        seen = [start for start in starts if not start["late"]]
        versions = [start["version"] for start in seen if start["version"]]
        trial.candidate["version"] = versions[0] if versions else "" if seen else None


def _trial(host: Host, request: BinaryRequest, best: Candidate, name: str) -> list[Trial]:
    # an account that is still to be made can do no more than any other
    account = account_of(name) or account_of(STRANGER)
    if account is None or not host.may_ask(account):
        best.setdefault("version", None)
        return []
    environment = environment_of(host, request, best["path"], account)
    return [Trial(best, account, name, [best["path"], "--version"], environment)]


def _strangers(host: Host, trial: Trial) -> list[Trial]:
    account = account_of(STRANGER)
    if account is None or trial.account == account or not host.may_ask(account):
        return []
    if not host.may_start(trial.candidate["changers"], [STRANGER]):
        return []
    environment = {**trial.environment, "HOME": "/", "USER": STRANGER, "LOGNAME": STRANGER}
    return [Trial(trial.candidate, account, STRANGER, trial.command, environment)]


def _end_of(code: int) -> str:
    if code < 0:
        names = {number.value: number.name for number in signal.Signals}
        return f"it is ended by {names.get(-code, f'signal {-code}')}"
    return f"it ends with exit code {code}"
