# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run kai_source on the controller, without a module process."""

from __future__ import annotations

import os
import tarfile
import tempfile
import zipfile
from typing import Any

from ansible import constants
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ..module_utils.controller.source_files import refuse_changeable
from ..module_utils.controller.source_packing import packed_once
from ..module_utils.rules.option_specs import documented
from ..module_utils.rules.problems import Refused
from ..module_utils.rules.releases import release_identifier, release_name
from ..modules import kai_source


class ActionModule(ActionBase):
    """Reads and packs Kai's code on the controller."""

    _requires_connection = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the release and its archive."""
        super().run(tmp, task_vars)
        options = documented(kai_source.DOCUMENTATION)
        # documentation does not say that a value is hidden
        options["environment"]["no_log"] = True
        _checked, parameters = self.validate_argument_spec(argument_spec=options)
        # removed when the run ends, failed or not, and the same for every host and task
        parameters["cache"] = parameters["cache"] or constants.DEFAULT_LOCAL_TMP
        # a task has a process of its own
        os.umask(0o077)
        # for what git fetches: Ansible removes it when a signal ends the run
        tempfile.tempdir = constants.DEFAULT_LOCAL_TMP
        source, probe = parameters["source"], parameters["probe"]
        try:
            if probe and probe["is_controller"] and not parameters["trust_user_binaries"]:
                refuse_changeable(
                    source,
                    parameters["files"],
                    list(probe["accounts"]),
                    parameters["constraints"],
                )
            packed = packed_once(parameters)
        except Refused as error:
            text = str(error) if error.problem else f"kai_install_source: {error}"
            raise AnsibleActionFail(text) from error
        except (OSError, tarfile.TarError, zipfile.BadZipFile) as error:
            raise AnsibleActionFail(
                f"kai_install_source: {source} cannot be read: {error}. Fix: check its owner and "
                f"mode and whether it is whole"
            ) from error
        # an extra that this source does not have
        extras = [
            name
            for name in parameters["extras"]
            if parameters["extra_features"].get(name) in (None, *packed["features"])
        ]
        identifier = release_identifier(packed["digest"], extras, parameters["python"])
        there = probe["release"] if probe else {"live": None, "complete": []}
        name = release_name(identifier, there["live"], there["complete"])
        result = {key: value for key, value in packed.items() if key != "digest"}
        return {"changed": False, "release": name, "extras": extras, **result}
