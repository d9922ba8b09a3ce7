"""Files with secrets are private from their first instant, whatever the umask."""

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kai_ansible.files import write_private
from kai_ansible.host.files import replace
from kai_ansible.rules.file_state import FileState

Writer = Callable[[Path, str], None]


def of_the_role(path: Path, text: str) -> None:
    """Write as the role writes protected files; who runs the test stands for root."""
    replace([FileState(str(path), text.encode(), 0o600, os.getuid(), os.getgid())])


def of_the_command(path: Path, text: str) -> None:
    """Write as the command writes host_vars and the vault password."""
    write_private({path: text})


@pytest.mark.parametrize("write", [of_the_role, of_the_command])
def test_a_file_with_a_secret_is_private_before_it_holds_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Writer
) -> None:
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
