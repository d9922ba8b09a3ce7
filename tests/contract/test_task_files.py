"""What holds for every task that is written in this repository."""

from collections.abc import Iterator
from typing import Any

import yaml

from tests.conftest import ROOT

FILES = [
    *ROOT.glob("playbooks/*.yml"),
    *ROOT.glob("roles/*/tasks/**/*.yml"),
    *ROOT.glob("molecule/**/*.yml"),
]


def templated_arguments(node: Any) -> Iterator[str]:
    """Find modules whose arguments, all together, are a template."""
    if isinstance(node, list):
        for entry in node:
            yield from templated_arguments(entry)
    if isinstance(node, dict):
        for name, value in node.items():
            if str(name).count(".") == 2 and str(value).startswith("{{"):
                yield name
            yield from templated_arguments(value)


def test_no_task_takes_all_its_arguments_from_a_variable() -> None:
    # Ansible calls it unsafe: a fact of a host could bring options along
    found = {
        str(path.relative_to(ROOT)): modules
        for path in FILES
        if (modules := list(templated_arguments(yaml.safe_load(path.read_text(encoding="utf-8")))))
    }
    assert len(FILES) > 30
    assert not found


def test_every_argument_stands_in_the_task_that_passes_it() -> None:
    assert not [path for path in FILES if "module_defaults" in path.read_text(encoding="utf-8")]
