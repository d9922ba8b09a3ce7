"""What every test may use: the contract, where things are, and throwaway machines."""

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

ROOT = Path(__file__).parents[1]
TESTS = ROOT / "tests"
STAND_IN = TESTS / "fixtures" / "kai"
VARS = ROOT / "roles" / "kai_install" / "vars"
COLLECTIONS = ROOT / ".cache" / "collections"
# root works in no place that others can change, and everybody can change the usual one
PRIVATE = Path("/var/lib/kai-ansible-tests") if os.geteuid() == 0 else Path(tempfile.gettempdir())
PRIVATE.mkdir(mode=0o755, exist_ok=True)
ANSIBLE_LOG = Path(tempfile.gettempdir(), f"kai-ansible-tests-{os.getpid()}.log")
# what later versions of ansible-core will refuse is refused now, and every warning is on record
STRICT_ANSIBLE = {
    "ANSIBLE_ALLOW_BROKEN_CONDITIONALS": "false",
    "ANSIBLE_ALLOW_EMBEDDED_TEMPLATES": "false",
    "ANSIBLE_DEPRECATION_WARNINGS": "true",
    "ANSIBLE_DUPLICATE_YAML_DICT_KEY": "error",
    "ANSIBLE_INJECT_FACT_VARS": "false",
    "ANSIBLE_LOG_PATH": str(ANSIBLE_LOG),
}


# the test bed and the stand-in bot are no installed packages
for place in (ROOT, STAND_IN / "src"):
    if str(place) not in sys.path:
        sys.path.insert(0, str(place))

from kai_ansible.rules.contract import Contract, read_contract  # noqa: E402 - found by the path above
from tests import tiers  # noqa: E402 - as above
from tests.tiers import (  # noqa: E402, F401 - the import makes them hooks
    pytest_addoption,
    pytest_runtest_setup,
    pytest_terminal_summary,
)
from tests.workers import pytest_xdist_make_scheduler  # noqa: E402, F401 - as above

if TYPE_CHECKING:
    from kai_ansible.rules.release_line import Line
    from tests.machine.site import Snapshot
    from tests.testbed.machines import Machine

hypothesis.settings.register_profile("quick", deadline=None, max_examples=60)
hypothesis.settings.register_profile("loop", deadline=None, max_examples=10)
hypothesis.settings.register_profile("ci", deadline=None, max_examples=150, derandomize=True)
CONTRACT = read_contract((VARS / "kai_1.yml").read_text(encoding="utf-8"), "kai_1.yml")
BACKENDS = tuple(CONTRACT.backends)


def line_1() -> "Line":
    """Return how a source of line 1 is known."""
    from kai_ansible.ansible.collection import lines

    found = lines().named("1")
    assert found
    return found


hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "quick")


# make test-fast leaves these out: each starts many whole processes, or takes seconds of CPU
SLOW = [
    TESTS / f"{directory}/test_{name}.py"
    for directory, names in {
        "cli": (
            *("advice", "damaged_files", "group_vars", "import_file", "migrate"),
            *("rollback_command", "runner_leaves_nothing", "settings_command", "show"),
            *("source_line", "sudo_prompt", "telegram", "users", "vault", "vault_ids"),
            *("wizard_arrow_keys", "wizard_hostile_answers", "wizard_of_kai_2"),
            *("wizard_questions", "wizard_terminal", "without_terminal"),
        ),
        "contract": ("generated_files", "json_schemas"),
        "hostile": ("corpus_in_rules", "fuzz"),
        "tools": ("tiers",),
        "unit": (
            *("agent_start", "audit", "contract_choice", "git_source", "kai_plan", "kai_source"),
            *("removal", "stand_in_bot", "stand_in_bot_2", "subprocesses"),
        ),
    }.items()
    for name in names
]

# what takes longest comes first, so that at the end no worker is left alone with it
FIRST = [TESTS / name for name in ("molecule", "collection", "machine", "issue_486")]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    tiers.leave_all_but_samples(items)
    items.sort(key=lambda item: [not item.path.is_relative_to(place) for place in FIRST])
    for item in items:
        if item.path.is_relative_to(TESTS / "machine"):
            item.add_marker(pytest.mark.machine)
        if item.path in SLOW:
            item.add_marker(pytest.mark.slow)
    tiers.take_the_slice(config, items)


@pytest.fixture(scope="session")
def contract() -> Contract:
    """The contract of Kai 1.x."""
    return CONTRACT


@pytest.fixture(scope="session")
def collections_path() -> Path:
    """A directory in which Ansible finds this checkout as the collection kai.bot."""
    link = COLLECTIONS / "ansible_collections" / "kai" / "bot"
    if not link.exists():
        link.parent.mkdir(parents=True, exist_ok=True)
        # another process that runs tests may have made it in between
        with contextlib.suppress(FileExistsError):
            link.symlink_to("../../../..")
    return COLLECTIONS


@pytest.fixture(scope="session")
def collection_plugins(collections_path: Path) -> None:
    """Ansible, in this very process, finds the filters of the collection."""
    from ansible.plugins.loader import init_plugin_loader

    # it may be called once in a process
    init_plugin_loader([str(collections_path)])


@pytest.fixture(scope="session")
def render(collection_plugins: None) -> Callable[..., Any]:
    """Return what Ansible makes of an expression, given variables by name."""
    from ansible.parsing.dataloader import DataLoader
    from ansible.template import Templar, trust_as_template

    def evaluate(expression: str, **values: Any) -> Any:
        templar = Templar(loader=DataLoader(), variables=values)
        return templar.template(trust_as_template("{{ " + expression + " }}"))

    return evaluate


@pytest.fixture(scope="session")
def ansible_environment(collections_path: Path) -> dict[str, str]:
    """The environment for Ansible's commands, with nothing of the caller's settings."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith("ANSIBLE_") and key not in ("PYTHONPATH", "PYTHONWARNINGS")
    }
    return {
        **kept,
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(collections_path),
        "ANSIBLE_NOCOLOR": "1",
        **STRICT_ANSIBLE,
    }


@pytest.fixture(scope="module", autouse=True)
def signals_are_as_before() -> Iterator[None]:
    """No test of the module has left an action for a signal to the tests after it."""
    numbers = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    yield
    assert [signal.getsignal(number) for number in numbers] == before


@pytest.fixture(scope="module", autouse=True)
def warnings_of_ansible_are_errors(request: pytest.FixtureRequest) -> Iterator[None]:
    """No run of Ansible was warned of anything but what WARNED_OF of the module tells."""
    yield
    with contextlib.suppress(FileNotFoundError):
        lines = ANSIBLE_LOG.read_text(encoding="utf-8").splitlines()
        ANSIBLE_LOG.unlink()
        # a hint that comes with the first of them, which is on record itself
        meant = ("Deprecation warnings can be disabled", *getattr(request.module, "WARNED_OF", ()))
        warnings = [line for line in lines if "WARNING]" in line]
        assert not [line for line in warnings if not any(words in line for words in meant)]


@pytest.fixture(scope="session")
def machine_factory() -> Iterator[Callable[..., "Machine"]]:
    """Start machines that end with the session: ``machine_factory(suite, options=[...])``."""
    from tests.testbed import machines

    numbers = itertools.count(1)
    with contextlib.ExitStack() as stack:

        def start(suite: str = "trixie", *, options: Sequence[str] = ()) -> "Machine":
            name = f"pytest-{os.getpid()}-{next(numbers)}"
            return stack.enter_context(machines.running(name, suite, options=options))

        yield start


@pytest.fixture(scope="module")
def machine(request: pytest.FixtureRequest) -> Iterator["Machine"]:
    """One machine for a module.

    SUITE and MACHINE_OPTIONS of the module say which; an indirect parameter names another suite.
    INSTALLED says that it starts from the snapshot of an installed host.
    """
    from tests.machine import installed
    from tests.testbed import machines

    snapshot = request.getfixturevalue("snapshot")
    suite = getattr(request, "param", None) or getattr(request.module, "SUITE", "trixie")
    options = getattr(request.module, "MACHINE_OPTIONS", ())
    name = request.module.__name__.rpartition(".")[2].removeprefix("test_").replace("_", "-")
    with machines.running(
        f"{name}-{suite}-{os.getpid()}",
        suite,
        options=options,
        image=snapshot.image if snapshot else None,
    ) as started:
        if snapshot:
            installed.settle(started)
        yield started


@pytest.fixture(scope="module")
def snapshot(request: pytest.FixtureRequest) -> "Snapshot | None":
    """What the machine of a module starts from, None for a bare host."""
    from tests.machine import installed

    return installed.ensure() if getattr(request.module, "INSTALLED", False) else None


@pytest.fixture(scope="module")
def run_module(
    machine: "Machine", ansible_environment: dict[str, str]
) -> Callable[..., dict[str, Any]]:
    """Run a module of the collection on the machine, and return its result.

    ``run_module(name, arguments, check=False)``; ``failed`` in the result tells whether it failed.
    """

    def run(name: str, arguments: dict[str, Any], *, check: bool = False) -> dict[str, Any]:
        command = [
            str(Path(sys.executable).with_name("ansible")),
            *("-i", str(machine.inventory), "all", "-m", f"kai.bot.{name}"),
            *("-a", json.dumps(arguments)),
            *(["--check"] if check else []),
        ]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=ansible_environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        verdict, arrow, text = done.stdout.partition("=> ")
        assert arrow, done.stdout + done.stderr
        assert "UNREACHABLE" not in verdict, done.stdout + done.stderr
        result: dict[str, Any] = json.JSONDecoder().raw_decode(text)[0]
        return {**result, "failed": "FAILED" in verdict}

    return run
