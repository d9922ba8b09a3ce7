# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running commands and agents as the bot does."""

from __future__ import annotations

import contextlib
import os
import pwd
import tempfile
from typing import TYPE_CHECKING

from ..rules.accounts import refuse_alias_of_root
from ..rules.problems import Refused
from ..rules.proof_arguments import command_of_agent, commands_of_rules
from .agent_start import fault_of_agent
from .left_processes import end_processes
from .subprocesses import run_bounded
from .tree_removal import remove_filled
from .trusted_paths import changers_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ..rules.proof_arguments import AgentProof

COMMAND_SECONDS = 60
HIDDEN = "hidden"


class BotAccount:
    """The account of the bot, and the environment with which it runs."""

    def __init__(
        self,
        name: str,
        environment: Mapping[str, str],
        secret_keys: Iterable[str],
        env: Mapping[str, str],
    ) -> None:
        """Look up the account.

        name, environment, secret_keys: service_user, environment and secret_keys of kai_proof. env:
        what its environment file gives it. Raises KeyError when there is no such account,
        PermissionError for one that is root under another name.
        """
        self.account = pwd.getpwnam(name)
        refuse_alias_of_root(self.account)
        self.env = env
        self.secret_keys = frozenset(secret_keys)
        self.environment: dict[str, str] = {
            "HOME": self.account.pw_dir,
            "USER": self.account.pw_name,
            "LOGNAME": self.account.pw_name,
            **environment,
        }

    def fault_of_command(self, argv: Sequence[str]) -> str:
        """Return the output of a command that failed, empty when it succeeded."""
        try:
            code, said = run_bounded(
                argv, self.environment, COMMAND_SECONDS, errors=True, account=self.account
            )
        except OSError as error:
            return str(error)
        if code == 0:
            return ""
        if code is None:
            return f"no end within {COMMAND_SECONDS} s"
        return said.strip() or f"exit code {code}"

    def fault_of_agent(self, agent: AgentProof) -> str:
        """Return why an agent cannot be started and ended, empty when it can."""
        try:
            # sudo would make it root
            refuse_alias_of_root(pwd.getpwnam(agent["account"]))
        except KeyError:
            # sudo reports that there is none
            pass
        except OSError as error:
            return f"{agent['account']} is {error.strerror}"
        return fault_of_agent(agent, self.account, self.environment_of(agent))

    def is_own_fault(self, agent: AgentProof, search_path: Sequence[str]) -> bool:
        """Return whether nothing but its own account keeps an agent from starting or ending.

        It returns True when sudo lets the bot do both, and the program starts as the service user
        as well: an account can break its settings, close its home, or stop its own processes at
        any moment. A program that another account can change is not started as the service user,
        for it may be another one by then; it counts as one that starts. search_path: where sudo
        finds programs.
        """
        if not agent["kill"]:
            return False
        rules = commands_of_rules(agent).values()
        if any(map(self.fault_of_command, rules)):
            return False
        changers = changers_of(agent["program"], search_path)
        if any(one.get("unseen") for one in changers):
            return False
        names = {name for one in changers for name in one["accounts"]}
        if names - {self.account.pw_name} or any(one["everybody"] for one in changers):
            return True
        home = tempfile.mkdtemp(prefix="kai-proof-")
        try:
            os.chown(home, self.account.pw_uid, self.account.pw_gid)
            places = {"HOME": home, "TMPDIR": home, "PATH": ":".join(search_path)}
            elsewhere: AgentProof = {
                **agent,
                "argv": command_of_agent(agent),
                "directory": home,
                "kill": [],
            }
            environment = {**self.environment_of(agent), **places}
            return not fault_of_agent(elsewhere, self.account, environment)
        finally:
            end_processes(home)
            with contextlib.suppress(OSError, Refused):
                remove_filled(home)

    def environment_of(self, agent: AgentProof) -> dict[str, str]:
        """Return the whole environment of an agent, without a secret."""
        # sudo logs the environment, so a secret is replaced by a word
        env = {key: HIDDEN if key in self.secret_keys else text for key, text in self.env.items()}
        copies = {name: env[key] for name, key in agent["copies"].items() if env.get(key)}
        # the service's own environment wins over its file
        return {**env, **self.environment, **agent["sets"], **copies}
