# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kai_plan: read the contract, the variables and the probe, and return the plan of the role.

It runs on the controller alone. The decisions are in module_utils/rules; here variables and files
are read and templates are rendered.
"""

from __future__ import annotations

import os
import shlex
import tempfile
from collections.abc import Mapping
from typing import Any

from ansible import constants
from ansible.errors import AnsibleError, AnsibleUndefinedVariable, AnsibleValueOmittedError
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import lookup_loader

from ..module_utils.controller.contracts import lines_of
from ..module_utils.controller.host_facts import problems_of_facts
from ..module_utils.controller.source_line import contract_for
from ..module_utils.rules import run_plan
from ..module_utils.rules.operator_files import FILES, read_with_files
from ..module_utils.rules.option_specs import documented
from ..module_utils.rules.plain import plain
from ..module_utils.rules.problems import Problem
from ..module_utils.rules.release_line import code_signs
from ..module_utils.rules.variable_names import PREFIX, variable
from ..modules import kai_plan


class ActionModule(ActionBase):
    """Plans a run."""

    _requires_connection = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the plan: without a probe the configuration, with a probe everything."""
        super().run(tmp, task_vars)
        # Ansible removes it when a signal ends the run, and a task has a process of its own
        tempfile.tempdir = constants.DEFAULT_LOCAL_TMP
        self.variables: dict[str, Any] = task_vars or {}
        _checked, given = self.validate_argument_spec(
            argument_spec=documented(kai_plan.DOCUMENTATION)
        )
        arguments = {name: plain(value) for name, value in given.items()}
        self.role_path: str = arguments["role_path"]
        variables = arguments["variables"]
        if not variables:
            from_host = problems_of_facts(self.variables)
            if from_host:
                return _refused(from_host)
            given, problems = self._given()
            variables = {"values": given, "problems": [one.as_dict() for one in problems]}
        given = dict(variables["values"])
        problems = [Problem(**one) for one in variables["problems"]]
        directory = os.path.join(self.role_path, "vars")
        contract, more = contract_for(
            directory,
            given,
            constants.DEFAULT_LOCAL_TMP,
            is_judged=arguments["purpose"] in ("install", "logins"),
        )
        if contract is None:
            return _refused([*more, *problems])
        given[variable("release")] = contract.release
        texts, more = self._texts(given)
        read = read_with_files(contract, given, texts)
        # an unreadable file is not checked as well
        unread = {problem.where for problem in (*problems, *more)}
        if more:
            unread.add(variable("users"))
        read.problems = [
            *problems,
            *more,
            *(problem for problem in read.problems if problem.where not in unread),
        ]
        subject = run_plan.Subject(read, given, texts, self._render)
        purpose = arguments["purpose"]
        if purpose in ("status", "doctor"):
            run_plan.use_usual_places(read)
        refused = run_plan.refusals(subject, purpose)
        if refused:
            return _refused(refused)
        probe, source = arguments["probe"], arguments["source"]
        with_data = arguments["with_data"]
        plan: dict[str, object] = {
            "changed": False,
            "problems": [],
            "variables": variables,
            **run_plan.host_plan(subject, purpose, probe, source, with_data=with_data),
            "code_signs": code_signs(lines_of(directory)),
        }
        if probe is not None:
            plan.update(self._decided(purpose, subject, arguments))
        return plan

    def _decided(
        self, purpose: str, subject: run_plan.Subject, arguments: Mapping[str, Any]
    ) -> Mapping[str, object]:
        """Return the decisions that require a probe of the host."""
        probe = arguments["probe"]
        if purpose == "install":
            return run_plan.install_plan(
                subject,
                probe,
                arguments["source"],
                check=bool(self._task.check_mode),
                agreed=arguments["agreed"],
                workshop=arguments["workshop"],
                with_data=arguments["with_data"],
            )
        if purpose == "logins":
            return run_plan.logins_plan(subject, probe)
        if purpose == "status":
            return run_plan.status_plan(subject, probe)
        if purpose == "doctor":
            if arguments["checkup"] is None:
                return run_plan.checkup_plan(subject, probe)
            return run_plan.findings_plan(subject, probe, arguments["checkup"])
        if purpose == "rollback":
            to, with_database = arguments["rollback_to"], arguments["rollback_database"]
            return run_plan.rollback_plan(probe, to, with_database=with_database)
        if purpose == "uninstall":
            return {"problems": run_plan.uninstall_problems(probe)}
        return {"problems": run_plan.bars(probe)}

    def _given(self) -> tuple[dict[str, Any], list[Problem]]:
        """Return the variables of the role by name, and those that Ansible cannot evaluate."""
        given: dict[str, Any] = {}
        problems = []
        host = self.variables.get("inventory_hostname")
        for name in sorted(name for name in self.variables if name.startswith(PREFIX)):
            found = ""
            try:
                given[name] = plain(self._templar.template(self.variables[name]))
            except AnsibleValueOmittedError:
                pass
            except AnsibleUndefinedVariable as error:
                found = f"a template that uses an undefined variable: {error.message}"
            except AnsibleError as error:
                # the message may quote a value that is a secret
                found = f"a value that Ansible cannot read ({type(error).__name__})"
            if found:
                fix = f"correct {name} in the variables of {host}"
                problems.append(Problem(name, found, "a value", fix))
        return given, problems

    def _texts(self, given: Mapping[str, Any]) -> tuple[dict[str, str | None], list[Problem]]:
        """Return the texts of the operator's own files by setting, and those unreadable."""
        texts: dict[str, str | None] = {}
        problems = []
        for setting in FILES:
            path = given.get(variable(setting))
            if not path or not isinstance(path, str):
                continue
            try:
                texts[setting] = self._look_up("file", path, self.variables, rstrip=False)
            except AnsibleError:
                found = f"{path}, which cannot be read on the controller"
                expected, fix = (
                    "the path of a file there",
                    f"check it there: ls -l {shlex.quote(str(path))}",
                )
                problems.append(Problem(variable(setting), found, expected, fix))
        return texts, problems

    def _render(self, template: str, values: Mapping[str, Any]) -> str:
        path = os.path.join(self.role_path, "templates", template)
        return self._look_up("template", path, {"plan": values})

    def _look_up(self, name: str, term: str, variables: Any, **options: Any) -> str:
        lookup = lookup_loader.get(
            f"ansible.builtin.{name}", loader=self._loader, templar=self._templar
        )
        [text] = lookup.run([term], variables=variables, **options)
        return "".join(str(text))


def _refused(problems: list[Problem]) -> dict[str, Any]:
    return {"changed": False, "problems": [problem.as_dict() for problem in problems]}
