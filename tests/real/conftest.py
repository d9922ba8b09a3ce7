"""What tests with a real Kai share; without one they are all skipped, with a sentence."""

from pathlib import Path

import pytest

from tests.real.source import NONE_GIVEN, Source, given_source

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
    """The real Kai that the tests were given."""
    source = given_source(Path(tmp_path_factory.mktemp("real-kai")))
    if source is None:
        pytest.skip(NONE_GIVEN)
    return source
