"""Which tests one worker of pytest-xdist takes together: those that share a machine."""

from __future__ import annotations

from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

# a directory whose files have their machines in common
_TOGETHER = "tests/issue_486/"
# a file whose tests take a minute each, and share nothing
_APART = "tests/unit/test_hostile_trees.py"


class Scheduling(LoadFileScheduling):
    """Gives a file to one worker, and a directory whose files share their machines as well."""

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith(_APART):
            return nodeid
        return _TOGETHER if nodeid.startswith(_TOGETHER) else str(super()._split_scope(nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling | None:
    """Return the scheduling of --dist loadfile; another one stays as it is."""
    return Scheduling(config, log) if config.getoption("dist") == "loadfile" else None
