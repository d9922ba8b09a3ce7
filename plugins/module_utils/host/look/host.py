# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The common parts of every probe: the request, the accounts, and the list of faults."""

from __future__ import annotations

import errno
import os
import pwd
import shlex
import stat
import subprocess
from typing import TYPE_CHECKING, Any

from ...rules.documents import legible
from ...rules.paths import fault_of_path
from ...rules.problems import Problem
from ...rules.program_trust import harmful
from .. import system
from ..files import Damaged, look
from ..records import Installs
from ..root_places import place_problems
from ..run_as import UNANSWERED, NoAnswer, ask_each, fault_of_program
from ..system import account_of, run_program
from ..trusted_paths import Accounts, changers_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...rules.module_arguments import ProbeArguments
    from ...rules.probe import Changer
    from ...rules.run_results import RecordedInstall

ASK_SECONDS = 60
HANGING = "on a file system that does not answer"


class Host:
    """A host that is being probed.

    parameters: those of kai_probe. system: its platform in the contract, empty where it is not
    supported. facts: the contract's entry of that platform. privileged: whether this is root.
    faults: problems that keep any installation from working here. accounts: the entry of each
    account asked for, None where there is none. places: paths where root would work and that other
    accounts can change.
    """

    def __init__(self, parameters: ProbeArguments) -> None:
        self.parameters = parameters
        self.system = system.platform_name(parameters["platforms"])
        self.facts: dict[str, Any] = parameters["platforms"].get(self.system, {})
        self.privileged = os.geteuid() == 0
        self.faults: list[Problem] = []
        self.installs = _UnchangedInstalls(parameters["install_dir"])
        self.accounts = {
            name: account_of(name) for name in [parameters["service_user"], *parameters["os_users"]]
        }
        # a directory service may not list its accounts, so these are asked for by name
        self.known = Accounts(self.accounts)
        self.untrusted = [parameters["service_user"], *parameters["os_users"]]
        self.places: list[Problem] = []

    @property
    def distrusted(self) -> str:
        """Why root must not read the installation, empty when it may."""
        place = self.parameters["install_dir"]
        loose = any(problem.where == place for problem in self.places)
        return f"not read, as other accounts can change {place}" if loose else ""

    @property
    def service_home(self) -> str:
        """The service user's home, or where it will be."""
        name = self.parameters["service_user"]
        account = self.accounts[name]
        return account.pw_dir if account else f"{self.facts.get('home_base', '/home')}/{name}"

    @property
    def search_path(self) -> list[str]:
        """The PATH of programs, without the service user's own directories."""
        return [place for place in self.facts.get("search_path", []) if place.startswith("/")]

    def loose_places(self) -> list[Problem]:
        """Return a problem for each place where root would work and that others can change."""
        files = [self.parameters["env_file"], self.parameters["sudoers_file"]]
        files += [self.facts["unit"]["path"]] if self.facts else []
        return place_problems(
            self.parameters["install_dir"],
            self.parameters["data_dir"] or "",
            wheelhouse=self.parameters["wheelhouse"] or "",
            index=self.parameters["index"] or "",
            directories=dict.fromkeys(map(os.path.dirname, files)),
            accounts=self.known,
        )

    def add_fault(self, where: str, found: str, expected: str, fix: str) -> None:
        """Add a fault, as the fields of ``Problem``."""
        self.faults.append(Problem(where, found, expected, fix))

    def no_answer(self, command: Sequence[str], reason: str) -> None:
        """Add the fault of a program that gives no answer."""
        line = shlex.join(command)
        self.add_fault(
            command[0], f"no answer: {reason}", "an answer", f"run it on the host: {line}"
        )

    def output_of(self, *command: str, optional: bool = False) -> str:
        """Return the output of a program in plain English; without an answer, add a fault.

        optional: whether a missing program is no fault.
        """
        environment = {**os.environ, "LC_ALL": "C"}
        try:
            ended = run_program(command, ASK_SECONDS, stderr=subprocess.STDOUT, env=environment)
        except OSError as error:
            if not (optional and isinstance(error, FileNotFoundError)):
                self.no_answer(command, error.strerror or str(error))
            return ""
        return str(ended.stdout)

    def deployed(self, path: str) -> bytes | None:
        """Return the content of a deployed file, None when absent; unreadable is a fault."""
        try:
            return look(path).content
        except Damaged as error:
            self.faults.append(error.problem)
        except OSError as error:
            # without privilege it is unseen
            if self.privileged:
                self.faults.append(unreadable(path, error))
        return None

    def may_ask(self, account: pwd.struct_passwd | None) -> bool:
        """Return whether this process is an account, or can become it."""
        # UID 0 is root under any name
        if account is None or account.pw_uid == 0:
            return False
        return self.privileged or account.pw_uid == os.geteuid()

    def changers(self, path: str) -> list[Changer] | None:
        """Return the accounts besides root that can change a program, None without privilege."""
        found = changers_of(path, self.search_path, self.known)
        unseen = any(entry.get("unseen") for entry in found)
        return None if unseen and not self.privileged else found

    def may_start(self, found: Sequence[Changer] | None, accounts: Sequence[str]) -> bool:
        """Return whether a program may be started as its accounts. found: its ``changers``."""
        if self.parameters["trust_user_binaries"]:
            return True
        return found is not None and not harmful(found, accounts, self.untrusted)

    def fault_of(self, path: str, accounts: Sequence[str]) -> str | None:
        """Return why an account cannot execute a path, None when all accounts can.

        An account that does not exist yet can do no more than any other.
        """
        fault = fault_of_path(path)
        if fault:
            return fault
        wanted = {name: account_of(name) or account_of("nobody") for name in accounts}
        # without privilege only this account can be asked
        asked = {name: account for name, account in wanted.items() if self.may_ask(account)}
        unasked = [name for name in wanted if name not in asked]
        if unasked and self.privileged:
            return f"could not be checked as {unasked[0]}: nothing runs as an account with UID 0"
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
                return f"could not be checked as {name or 'root'} ({fault})"
            if fault:
                return f"{name} {fault}" if name else str(fault)
        return None


class _UnchangedInstalls(Installs):
    """The installs of a host during a probe, which changes none: nothing is read twice."""

    def __init__(self, install_dir: str) -> None:
        super().__init__(install_dir)
        self._built: dict[str, bool] | None = None
        self._records: dict[int, RecordedInstall] = {}

    def built(self) -> dict[str, bool]:
        """Return as ``Installs.built`` does, which starts the Python of each release."""
        if self._built is None:
            self._built = super().built()
        return self._built

    def record(self, number: int) -> RecordedInstall:
        """Return as ``Installs.record`` does."""
        if number not in self._records:
            self._records[number] = super().record(number)
        return self._records[number]


def read_text(path: str) -> str | None:
    """Return the text of a file, None when there is none. Raises OSError when it is unreadable."""
    try:
        # files of the system may be links
        content = look(path, links=True).content
    except Damaged as error:
        raise OSError(errno.EINVAL, error.problem.found, path) from None
    return None if content is None else legible(content)


def unreadable(path: str, error: OSError) -> Problem:
    """Return the problem of a path that not even root can read."""
    return Problem(
        path,
        f"a path that cannot be read ({error.strerror or error})",
        "a path that root can read",
        f"check it on the host: ls -la {shlex.quote(path)}",
    )


def fault_of_file(path: str, *, strict: bool = False) -> str | None:
    """Return why a path is not a file, None when it is one.

    strict: whether to raise OSError for a path that cannot be seen.
    """
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return "does not exist"
    except OSError as error:
        if strict:
            raise
        return f"cannot be checked ({error.strerror})"
    return None if stat.S_ISREG(mode) else "is not a file"


def paths_in(directory: str) -> list[str]:
    """Return the paths of everything in a directory, nothing where there is none."""
    try:
        return sorted(os.path.join(directory, name) for name in os.listdir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return []
