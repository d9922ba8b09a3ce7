"""Writes what Ansible knows of a host where the command that asked for it reads it."""

from __future__ import annotations

import os
import pickle
import secrets
from multiprocessing import parent_process
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

from kai_ansible.ansible.api import AnsibleRefused, host_reading
from kai_ansible.ansible.children import end_with
from kai_ansible.ansible.reading import DIRECTORY, UNFINISHED


class ActionModule(ActionBase):  # type: ignore[misc]
    """Connects to nothing, and returns nothing: a result may be printed and logged."""

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Write the reading of the host to a private file."""
        super().run(tmp, task_vars)
        # a lost terminal ends Ansible, but not its workers, and a lookup may take its time
        ansible = parent_process()
        if ansible and ansible.pid:
            end_with(ansible.pid)
        known = task_vars or {}
        # all of it is read before anything is written: a file that is there is whole
        try:
            reading = host_reading(self, known)
        except AnsibleRefused as error:
            return {"failed": True, "msg": str(error)}
        content = pickle.dumps((str(known["inventory_hostname"]), reading))
        path = Path(os.environ[DIRECTORY], secrets.token_hex(8))
        unfinished = path.with_suffix(UNFINISHED)
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(content)
        unfinished.rename(path)
        return {"changed": False}
