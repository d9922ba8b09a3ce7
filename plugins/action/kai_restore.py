# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run kai_restore with a backup that the controller reads, decrypts and sends."""

from __future__ import annotations

import base64
import os
from typing import Any

from ansible.plugins.action import ActionBase

from ..module_utils.controller.decrypted_backup import decrypted
from ..module_utils.controller.host_facts import refusal_of_facts
from ..module_utils.rules.backup_archive import BadArchive, read_archive
from ..module_utils.rules.module_arguments import CheckedSummary
from ..module_utils.rules.tar_stream import Digesting

MODULE = "kai.bot.kai_restore"
# a piece is in memory several times; a module run takes as long as some MB
PIECE = 2 << 20


class ActionModule(ActionBase):
    """Reads the backup for the module, which checks the host and unpacks it."""

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Check the whole backup, or send it and let the module unpack it."""
        super().run(tmp, task_vars)
        refused = refusal_of_facts(task_vars)
        if refused:
            return refused
        arguments = dict(self._task.args)

        def ask(state: str, **more: Any) -> dict[str, Any]:
            result: dict[str, Any] = self._execute_module(
                module_name=MODULE,
                module_args={**arguments, "state": state, **more},
                task_vars=task_vars,
            )
            return result

        checks = arguments.get("state", "checked") == "checked"
        if not checks and self._task.check_mode:
            return ask("laid")
        archive = os.path.expanduser(arguments["archive"])
        try:
            with open(os.path.expanduser(arguments["identity_file"]), encoding="utf-8") as handle:
                identity = handle.read()
            length = arguments.get("length")
            with decrypted(
                archive,
                identity,
                int(arguments.get("offset") or 0),
                None if length is None else int(length),
            ) as backup:
                if checks:
                    found = read_archive(backup).as_dict()
                    backup.finish()
                    summary: CheckedSummary = {
                        **found,
                        "sha256": backup.digest,
                        "bytes": backup.size,
                    }
                    return {**ask("checked", summary=summary), "summary": summary}
                failed = self._send(backup, ask)
        except ImportError:
            return {"failed": True, "msg": f"{MODULE} needs pyrage here: pip install pyrage"}
        except (OSError, BadArchive) as error:
            return {"failed": True, "msg": f"{archive}: {error}"}
        return failed or ask("laid")

    def _send(self, backup: Digesting, ask: Any) -> dict[str, Any] | None:
        """Send a backup; return the result of the module when it failed."""
        offset = 0
        while True:
            piece = backup.read(PIECE)
            if not piece:
                return None
            content = base64.b64encode(piece).decode()
            result: dict[str, Any] = ask("received", offset=offset, content=content)
            if result.get("failed"):
                return result
            offset += len(piece)
