"""The types of the arguments of modules, held to the documentation of each."""

import ast
from typing import Any

import pytest
import yaml

from kai_ansible.rules import checkup
from kai_ansible.rules import module_arguments as types
from tests.conftest import ROOT


def options_of(module: str) -> dict[str, Any]:
    found = documentation(f"modules/{module}.py")
    options: dict[str, Any] = dict(found["options"])
    for name in found.get("extends_documentation_fragment", ()):
        file, fragment = name.split(".")[2:]
        options |= documentation(f"doc_fragments/{file}.py", fragment.upper())["options"]
    # modules take the parts of a wait for arguments of their own
    return {**options, **options.get("wait", {}).get("suboptions", {})}


def documentation(path: str, name: str = "DOCUMENTATION") -> dict[str, Any]:
    source = (ROOT / "plugins" / path).read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            found: dict[str, Any] = yaml.safe_load(ast.literal_eval(node.value))
            return found
    raise AssertionError(f"{path} has no documentation")


@pytest.mark.parametrize(
    ("module", "kind"),
    [
        ("kai_backup", types.BackupArguments),
        ("kai_checkup", checkup.CheckupRequest),
        ("kai_installs", types.RecordArguments),
        ("kai_probe", types.ProbeArguments),
        ("kai_proof", types.ProofArguments),
        ("kai_release", types.BuildArguments),
        ("kai_restore", types.RestoreArguments),
        ("kai_source", types.SourceArguments),
        ("kai_switch", types.SwitchArguments),
        ("kai_user_tree", types.TreeArguments),
        ("kai_workshop", types.WaitArguments),
    ],
)
def test_a_module_has_every_argument_of_its_type(module: str, kind: type) -> None:
    assert set(kind.__annotations__) - set(options_of(module)) == set()


@pytest.mark.parametrize("name", ["module_arguments", "run_results"])
def test_the_types_bring_little_along(name: str) -> None:
    # Ansible sends a host whatever a module imports, under TYPE_CHECKING as well
    source = (ROOT / f"plugins/module_utils/rules/{name}.py").read_text(encoding="utf-8")
    imported = {
        node.module
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and node.level
    }
    assert imported <= {"module_arguments", "probe", "problems", "proof_arguments"}
