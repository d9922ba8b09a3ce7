"""A directory of root's own goes whole, whatever its file system can move."""

import errno
import os
from pathlib import Path

import pytest

from kai_ansible.host.files import remove_tree


def test_a_directory_that_came_with_an_image_goes_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rename(*_: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    (tmp_path / "1" / "deployed").mkdir(parents=True)
    (tmp_path / "1" / "record.json").touch()
    monkeypatch.setattr(os, "rename", rename)
    remove_tree(str(tmp_path / "1"))
    assert list(tmp_path.iterdir()) == []


def test_another_failure_is_not_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def rename(*_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    (tmp_path / "1").mkdir()
    monkeypatch.setattr(os, "rename", rename)
    with pytest.raises(OSError, match="Read-only"):
        remove_tree(str(tmp_path / "1"))
    assert (tmp_path / "1").exists()
