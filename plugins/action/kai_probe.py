# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run kai_probe, and let it take the lock of the host for this run."""

from __future__ import annotations

import getpass
import multiprocessing
import os
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase

from ..module_utils.host.run_lock import BrokenRecord, is_gone, run_of, run_of_process
from ..module_utils.host.system import boot_and_namespace


class ActionModule(ActionBase):
    """Gives the module the identity of its run, and checks holders that run on this controller."""

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module; run it again when the holder of the lock has ended on this controller."""
        super().run(tmp, task_vars)
        arguments = {**self._task.args, "controller": list(boot_and_namespace())}
        if not boolean(arguments.get("exclusive", False)) or self._task.check_mode:
            return self._probe(arguments, task_vars)
        # a task runs in a worker, which ends with it
        parent = multiprocessing.parent_process()
        mine = run_of_process(
            (parent.pid if parent else None) or os.getpid(),
            os.environ.get("SUDO_USER") or getpass.getuser(),
            str((task_vars or {}).get("inventory_hostname", "")),
        )
        result = self._probe({**arguments, "run": mine.as_dict()}, task_vars)
        held_by = result.get("probe", {}).get("lock", {}).get("held_by")
        if held_by and _is_gone(held_by):
            again = {**arguments, "run": mine.as_dict(), "ended_run": held_by}
            return self._probe(again, task_vars)
        return result

    def _probe(self, arguments: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        found: dict[str, Any] = self._execute_module(
            module_name="kai.bot.kai_probe", module_args=arguments, task_vars=task_vars
        )
        return found


def _is_gone(holder: Any) -> bool:
    try:
        return is_gone(run_of(holder), boot_and_namespace())
    except BrokenRecord:
        # a record that is not one ends nothing
        return False
