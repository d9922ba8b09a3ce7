"""A desk for each test."""

from pathlib import Path

import pytest

from tests.cli.desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """An operator's desk with nothing on it."""
    return Desk(tmp_path / "desk")
