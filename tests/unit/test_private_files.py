"""Files with secrets are private from their first instant, whatever the umask."""

import importlib
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kai_ansible.files import write_private

Writer = Callable[[Path, str], None]


@pytest.fixture
def of_the_role(collection_plugins: None, monkeypatch: pytest.MonkeyPatch) -> Writer:
    """Write as the module kai_files does; giving the file to root is left out."""
    module = importlib.import_module("ansible_collections.kai.bot.plugins.modules.kai_files")
    monkeypatch.setattr(os, "fchown", lambda descriptor, uid, gid: None)

    def write(path: Path, text: str) -> None:
        Path(module.write_beside(str(path), text.encode(), 0o600)).replace(path)

    return write


@pytest.fixture
def of_the_command() -> Writer:
    """Write as the command writes host_vars and the vault password."""
    return lambda path, text: write_private({path: text})


@pytest.mark.parametrize("writer", ["of_the_role", "of_the_command"])
def test_a_file_with_a_secret_is_private_before_it_holds_anything(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writer: str
) -> None:
    write: Writer = request.getfixturevalue(writer)
    path = tmp_path / "made" / "secret"
    path.parent.mkdir(mode=0o700)
    opened: list[tuple[int, int, bool]] = []
    fdopen = os.fdopen

    def looked_at(descriptor: int, *arguments: Any, **more: Any) -> Any:
        status = os.fstat(descriptor)
        opened.append((stat.S_IMODE(status.st_mode), status.st_size, path.exists()))
        return fdopen(descriptor, *arguments, **more)

    monkeypatch.setattr(os, "fdopen", looked_at)
    umask = os.umask(0)
    try:
        write(path, "sesame")
    finally:
        os.umask(umask)
    # its name is taken by a rename, when it is whole
    assert opened == [(0o600, 0, False)]
    assert path.read_text() == "sesame"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
