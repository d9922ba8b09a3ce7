"""A contract of a later version: a variable renamed, one removed, one that means something else."""

import copy
from typing import Any, cast

from kai_ansible.rules.contract import Contract
from kai_ansible.rules.typed_data import read
from tests.conftest import VARS
from tests.contract_files import data_of

RENAMED, NEW_NAME = "kai_install_keep_releases", "kai_install_kept_releases"
REMOVED = "kai_install_ollama_host"
CHANGED = "kai_install_agent_timeout_seconds"
CHANGES: list[dict[str, Any]] = [
    {
        "version": 2,
        "what": "releases that are kept are named by what they are",
        "renamed": {RENAMED: NEW_NAME},
    },
    {"version": 2, "what": "goose finds its host by itself", "removed": [REMOVED]},
    {"version": 3, "what": "the time counts for one turn alone", "changed": [CHANGED]},
]


def later_data() -> dict[str, Any]:
    """Return the data of the contract as version 3 of it would be."""
    changed: dict[str, Any] = data_of(VARS / "kai_1.yml")
    changed.update(version=3, changes=copy.deepcopy(CHANGES))
    changed["host"]["kept_releases"] = changed["host"].pop("keep_releases")
    del changed["settings"]["OLLAMA_HOST"]
    return changed


def later() -> Contract:
    """Return the contract as version 3 of it would be."""
    return cast("Contract", read(Contract, later_data()))
