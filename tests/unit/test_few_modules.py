"""The role does not loop over people or files: a module run for each would be felt by all."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import ROOT

TASKS = sorted((ROOT / "roles" / "kai_install" / "tasks").glob("*.yml"))
# accounts are made once, and no run that changes nothing comes by here
LOOPS = [
    "Create the service account",
    "Create the missing OS users",
    "Make the new homes private",
]


def tasks_of(entries: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield every task, those of blocks as well."""
    for entry in entries:
        yield entry
        for part in ("block", "rescue", "always"):
            yield from tasks_of(entry.get(part, []))


def loops_of(path: Path) -> list[str]:
    """Return the names of the tasks of a file that loop."""
    return [
        task["name"]
        for task in tasks_of(yaml.safe_load(path.read_text(encoding="utf-8")))
        if any(key == "loop" or key.startswith("with_") for key in task)
    ]


def test_only_what_happens_once_on_a_host_loops() -> None:
    found = {path.name: loops_of(path) for path in TASKS}
    assert {name: loops for name, loops in found.items() if loops} == {
        "layout.yml": LOOPS,
        "first_start.yml": ["Write the helper programs"],
    }


def test_what_lays_a_host_out_is_left_out_where_nothing_differs() -> None:
    path = ROOT / "roles" / "kai_install" / "tasks" / "main.yml"
    tasks = list(tasks_of(yaml.safe_load(path.read_text(encoding="utf-8"))))
    included = [task for task in tasks if "ansible.builtin.include_tasks" in task]
    [layout] = [
        task for task in included if task["ansible.builtin.include_tasks"]["file"] == "layout.yml"
    ]
    assert layout["when"] == "_kai_install_plan.changes"
