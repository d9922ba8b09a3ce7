"""Which part of the code may import which, read from the imports.

CONTRIBUTING.md draws the same map in words.
"""

import ast
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import ROOT

MODULE_UTILS = ROOT / "plugins" / "module_utils"
# the Python package has the rules by a link, so one file has two names; here it has the first one
LINKED = {"rules", "host", "controller"}
# what does I/O by its nature
NO_RULE_IMPORTS = {"os", "subprocess", "socket", "pwd", "grp", "shutil", "tempfile", "fcntl"}

# the command may use what runs on a host only here; each with its reason
HOST_FROM_COMMAND = {
    ("kai_ansible.commands.logs", "host.system"): "follows the log with the command of the host",
    ("kai_ansible.commands.status", "host.symlink_guard"): "names the kind of a file in errors",
    ("kai_ansible.inventory.inventory", "host.files"): "knows the size that a file may have",
    ("kai_ansible.inventory.inventory", "host.symlink_guard"): "names the kind of a file in errors",
    ("kai_ansible.inventory.variable_text", "host.files"): "reads files as a host does: bounded",
    ("kai_ansible.secrets.vault_password", "host.files"): "reads files as a host does: bounded",
}
# a package imports those below it, and never those above
FORBIDDEN = [
    ("rules", "host"),
    ("rules", "controller"),
    ("rules", "kai_ansible"),
    ("rules", "plugins"),
    ("host", "controller"),
    ("host", "kai_ansible"),
    ("host", "plugins"),
    ("controller", "kai_ansible"),
    ("controller", "plugins"),
    ("plugins", "kai_ansible"),
    *(
        (f"kai_ansible.{package}", "kai_ansible.cli")
        for package in ("commands", "wizard", "terminal", "ansible", "inventory", "secrets")
    ),
    *(
        (f"kai_ansible.{package}", f"kai_ansible.{user}")
        for package in ("terminal", "ansible", "inventory", "secrets")
        for user in ("commands", "wizard")
    ),
    # what every package of the command uses, and which uses none of them
    *(
        (f"kai_ansible.{shared}", f"kai_ansible.{package}")
        for shared in ("calling", "errors", "files", "operator")
        for package in ("cli", "commands", "wizard", "terminal", "ansible", "inventory", "secrets")
    ),
    # which shows on a screen what Telegram answers
    *(
        ("kai_ansible.telegram", f"kai_ansible.{package}")
        for package in ("cli", "commands", "wizard")
    ),
    ("kai_ansible.wizard", "kai_ansible.commands"),
    ("kai_ansible.ansible", "kai_ansible.terminal"),
    ("kai_ansible.inventory", "kai_ansible.terminal"),
    ("kai_ansible.secrets", "kai_ansible.terminal"),
]
Arrow = tuple[str, str]


def name_of(path: Path) -> str:
    """Return the one name of a module."""
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    if parts[-1] == "__init__":
        parts.pop()
    if parts[:2] == ["plugins", "module_utils"]:
        parts = parts[2:]
    return ".".join(parts)


@cache
def modules() -> dict[str, Path]:
    """Every module of the product by its name."""
    paths = [*ROOT.glob("plugins/**/*.py")]
    for path in ROOT.glob("kai_ansible/**/*.py"):
        if path.relative_to(ROOT / "kai_ansible").parts[0] not in LINKED:
            paths.append(path)
    return {name_of(path): path for path in sorted(paths)}


@cache
def parsed(path: Path) -> ast.Module:
    """Return the syntax tree of a module."""
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(tree: ast.AST, *, types: bool) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yield the imports below a node, those inside functions too; types: also of type checkers."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING" and not types:
            for other in node.orelse:
                yield from imports(other, types=types)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        else:
            yield from imports(node, types=types)


def imported(name: str, *, types: bool) -> Iterator[str]:
    """Yield the names of the modules that a module imports, its own package's first."""
    path = modules()[name]
    package = [*path.relative_to(ROOT).parent.parts]
    for node in imports(parsed(path), types=types):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
            continue
        start = ".".join(package[: len(package) - node.level + 1]) + "." if node.level else ""
        module = ours(f"{start}{node.module or ''}".rstrip("."))
        for alias in node.names:
            below = f"{module}.{alias.name}".lstrip(".")
            yield below if below in modules() else module


def ours(name: str) -> str:
    """Return the one name of a module that was imported by any of its names."""
    for prefix in ("plugins.module_utils.", "ansible_collections.kai.bot.plugins.module_utils."):
        name = name.removeprefix(prefix)
    first, _, rest = name.partition(".")
    return rest if first == "kai_ansible" and rest.partition(".")[0] in LINKED else name


@cache
def arrows(*, types: bool = True) -> frozenset[Arrow]:
    """Every import of one module of the product by another."""
    return frozenset(
        (name, target)
        for name in modules()
        for target in imported(name, types=types)
        if target in modules() and target != name
    )


def is_in(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def test_every_part_of_the_product_is_read() -> None:
    assert {"rules.users", "host.files", "controller.git_source"} <= modules().keys()
    assert ("rules.configuration", "rules.problems") in arrows()
    assert ("kai_ansible.commands.host_users", "rules.users") in arrows()
    assert ("plugins.modules.kai_switch", "host.flock") in arrows()
    assert ("kai_ansible.cli.app", "kai_ansible.commands.install") in arrows()
    # a check that reads a module by a second name would miss what that one imports
    assert not [name for name in modules() if ".module_utils" in name]


@pytest.mark.parametrize(("source", "target"), FORBIDDEN, ids=str)
def test_no_package_imports_one_above_it(source: str, target: str) -> None:
    wrong = [
        f"{user} imports {used}"
        for user, used in arrows()
        if is_in(user, source) and is_in(used, target)
    ]
    assert wrong == []


def test_no_command_imports_another() -> None:
    # the command line imports a verb to run it; the other modules there are what verbs share
    verbs = {used for user, used in arrows() if is_in(user, "kai_ansible.cli")} & {
        name for name in modules() if is_in(name, "kai_ansible.commands")
    } - {"kai_ansible.commands.options"}
    assert {f"kai_ansible.commands.{verb}" for verb in ("install", "users", "vault")} <= verbs
    assert "kai_ansible.commands.target" not in verbs
    wrong = [
        f"{user} imports {used}"
        for user, used in arrows()
        if is_in(user, "kai_ansible.commands") and used in verbs
    ]
    assert wrong == []


def test_the_command_uses_what_runs_on_hosts_only_where_a_reason_is_given() -> None:
    used = {
        arrow for arrow in arrows() if is_in(arrow[0], "kai_ansible") and is_in(arrow[1], "host")
    }
    assert used == set(HOST_FROM_COMMAND)


def test_no_import_leads_back_to_where_it_began() -> None:
    ahead = defaultdict(set)
    for user, used in arrows(types=False):
        ahead[user].add(used)
    finished: set[str] = set()

    def circle(way: list[str]) -> list[str]:
        for used in sorted(ahead[way[-1]] - finished):
            found = [*way[way.index(used) :], used] if used in way else circle([*way, used])
            if found:
                return found
        finished.add(way[-1])
        return []

    assert [circle([name]) for name in sorted(modules()) if circle([name])] == []


def test_a_reading_loads_no_contract_into_ansible() -> None:
    # it takes a tenth of a second, before each command
    loaded = {"kai_ansible.ansible.action_plugins.kai_read"}
    while more := {used for user, used in arrows(types=False) if user in loaded} - loaded:
        loaded |= more
    assert "kai_ansible.ansible.api" in loaded
    assert "rules.contract" not in loaded


def test_no_rule_imports_what_does_io() -> None:
    wrong = [
        f"{name} imports {target}"
        for name in modules()
        if is_in(name, "rules")
        for target in imported(name, types=False)
        if target.partition(".")[0] in NO_RULE_IMPORTS
    ]
    assert wrong == []


IMPORT_ALL_RULES = """
import builtins, importlib, pkgutil, sys
real, forbidden = builtins.__import__, set(sys.argv[1:])

def guarded(name, globals=None, locals=None, fromlist=(), level=0):
    importer = (globals or {}).get("__name__", "")
    if importer.startswith("kai_ansible.rules.") and name.partition(".")[0] in forbidden:
        sys.exit(f"{importer} imports {name}")
    return real(name, globals, locals, fromlist, level)

import kai_ansible.rules
builtins.__import__ = guarded
names = [module.name for module in pkgutil.iter_modules(kai_ansible.rules.__path__)]
for name in names:
    importlib.import_module(f"kai_ansible.rules.{name}")
print(len(names))
"""


def test_the_rules_can_be_imported_where_nothing_that_does_io_is() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL_RULES, *NO_RULE_IMPORTS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) == len([*(MODULE_UTILS / "rules").glob("[!_]*.py")])


def test_a_clone_without_symbolic_links_says_what_to_do(tmp_path: Path) -> None:
    package = shutil.copytree(ROOT / "kai_ansible", tmp_path / "kai_ansible", symlinks=True)
    for name in LINKED:
        link = package / name
        # as git writes a link where core.symlinks is false
        text = str(link.readlink())
        link.unlink()
        link.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "kai_ansible", "--version"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert f"{package}/rules" in line
    assert line.endswith("git clone -c core.symlinks=true")
