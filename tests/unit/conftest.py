"""What unit tests share: a directory below which the rules trust what root does."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import PRIVATE


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A directory of this test, in no place that another account can change."""
    with tempfile.TemporaryDirectory(dir=PRIVATE, ignore_cleanup_errors=True) as directory:
        yield Path(directory)
