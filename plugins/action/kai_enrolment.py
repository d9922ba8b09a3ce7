# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run kai_enrolment on the host, and keep its token out of the result."""

from __future__ import annotations

import os
from typing import Any

from ansible.plugins.action import ActionBase

from ..module_utils.controller.host_facts import refusal_of_facts
from ..module_utils.rules.enrolment import chosen_user
from ..module_utils.rules.problems import Problem, problem_of_error

MODULE = "kai.bot.kai_enrolment"


class ActionModule(ActionBase):
    """Writes the token to a private file of the controller."""

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Make the file first, so that no token is issued that nobody gets."""
        super().run(tmp, task_vars)
        refused = refusal_of_facts(task_vars)
        if refused:
            return refused
        arguments = dict(self._task.args)
        user = chosen_user(arguments["users"], str(arguments["user"]))
        if isinstance(user, Problem):
            return {"failed": True, "msg": str(user), "problems": [user.as_dict()]}
        dest = os.path.expanduser(str(arguments["dest"]))
        try:
            # what may be read is nobody else's: it is new, and no link
            made = os.open(dest, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            return {"failed": True, "msg": str(problem_of_error(error, dest))}
        with os.fdopen(made, "w", encoding="utf-8") as handle:
            result: dict[str, Any] = self._execute_module(
                module_name=MODULE, module_args=arguments, task_vars=task_vars
            )
            token = result.pop("token", "")
            if token:
                handle.write(f"{token}\n")
        if not token:
            os.unlink(dest)
        return result
