"""What a full file system is called, and to whom."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from kai_ansible.host import free_space


def of_size(monkeypatch: pytest.MonkeyPatch, available: int) -> None:
    """Let a file system have free blocks of one KiB, and more for root alone."""
    found = SimpleNamespace(f_bavail=available, f_bfree=available + 5000, f_frsize=1024)
    monkeypatch.setattr(os, "statvfs", lambda _path: found)


def test_what_root_alone_may_write_is_not_free(monkeypatch: pytest.MonkeyPatch) -> None:
    of_size(monkeypatch, 3)
    assert free_space.free_bytes("/") == 3072


@pytest.mark.parametrize(("available", "full"), [(0, True), (1023, True), (1024, False)])
def test_a_bot_needs_a_megabyte(
    monkeypatch: pytest.MonkeyPatch, available: int, full: bool
) -> None:
    of_size(monkeypatch, available)
    fault = free_space.fault_of_space("/var/lib/kai")
    assert bool(fault) == full
    assert not full or "df -h /var/lib/kai" in fault


def test_a_directory_that_is_gone_raises(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="gone"):
        free_space.free_bytes(str(tmp_path / "gone"))
