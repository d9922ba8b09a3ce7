# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kai_report: publish the report of a run, or fail with the reason that it failed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from ansible.plugins.action import ActionBase

from ..module_utils.controller.contracts import contract_of_line
from ..module_utils.rules import run_report
from ..module_utils.rules.diagnosis import causes_in
from ..module_utils.rules.enrolment import enrol_lines
from ..module_utils.rules.option_specs import documented
from ..module_utils.rules.plain import plain
from ..modules import kai_report


class ActionModule(ActionBase):
    """Reports how a run ended; nothing runs on the host."""

    _requires_connection = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the report and its lines, and publish it in the custom stats."""
        super().run(tmp, task_vars)
        _checked, parameters = self.validate_argument_spec(
            argument_spec=documented(kai_report.DOCUMENTATION)
        )
        given = {name: plain(value) for name, value in parameters.items()}
        results = run_report.Results(
            **{one.name: given[one.name] for one in fields(run_report.Results)}
        )
        check, run = bool(self._task.check_mode), given["run"]
        if run == "failure":
            contract = contract_of_line(os.path.join(given["role_path"], "vars"), given["line"])
            causes = causes_in(contract, given["failure"])
            message = run_report.failure_report(
                given["failure"], causes, given["install_dir"], results, check=check
            )
            is_back = run_report.is_restored(results, check=check)
            return {"failed": True, "msg": message, "restored": is_back}
        report: Mapping[str, Any]
        hints: list[str] = []
        if run == "rollback":
            report = run_report.rollback_report(given["number"], results)
        elif run == "uninstall":
            report = run_report.uninstall_report(results)
        elif run == "restart":
            report = run_report.restart_report(results)
        else:
            restores = run == "restore"
            write = run_report.restore_report if restores else run_report.install_report
            installed = write(given["planned"], results)
            report, hints = installed, enrol_lines(installed)
        report = {**report, "check": check}
        return {
            "changed": False,
            "report": report,
            "lines": [
                *report.get("notes", ()),
                *report.get("login_notice", ()),
                *hints,
            ],
            "ansible_stats": {
                "data": {"kai_install_reports": {(task_vars or {})["inventory_hostname"]: report}},
                "aggregate": True,
                "per_host": False,
            },
        }
