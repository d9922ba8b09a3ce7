"""What tests with a real Kai share; without one they are all skipped, with a sentence."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.lab import Lab, prepare
from tests.real.source import NONE_GIVEN, Source, found_in, given_source
from tests.testbed import machines

COUNTS = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[COUNTS] = []


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for line in config.stash[COUNTS]:
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def counts(pytestconfig: pytest.Config) -> list[str]:
    """Lines that are printed at the end."""
    return pytestconfig.stash[COUNTS]


@pytest.fixture(scope="session")
def real_kai(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """The real Kai that the tests were given, if it is of line 1; line_2 has tests for others."""
    tree = Path(os.environ.get("KAI_SOURCE", ""))
    if tree.name and tree.is_dir() and found_in(tree).line in ("2", "2.0"):
        pytest.skip(f"{tree} is not of Kai 1")
    try:
        source = given_source(Path(tmp_path_factory.mktemp("real-kai")))
    except ValueError as error:
        # else every test would fail for it
        pytest.exit(str(error), returncode=1)
    if source is None:
        pytest.skip(NONE_GIVEN)
    return source


@pytest.fixture(scope="session")
def lab(real_kai: Source) -> Iterator[Lab]:
    """The real Kai, installed on a machine and running, with users who can talk to it.

    KAI_REAL_MACHINE names a machine of the test bed that is up, and stays up.
    """
    kept = os.environ.get("KAI_REAL_MACHINE")
    # ssh's socket below this home has to have a short path
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="desk-")))
        machine = machines.find(kept) if kept else None
        if machine is None:
            machine = stack.enter_context(machines.running(f"real-{os.getpid()}"))
        prepare(machine)
        found = Lab(machine, directory, real_kai)
        found.install()
        found.log_in()
        yield found
