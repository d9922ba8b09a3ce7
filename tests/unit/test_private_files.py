"""Files with secrets are private from their first instant, and whole or not there."""

import errno
import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kai_ansible.errors import CommandError
from kai_ansible.files import private_directory, write_files
from kai_ansible.host.files import replace
from kai_ansible.rules.file_state import FileState

Writer = Callable[[Path, str], None]


def of_the_role(path: Path, text: str) -> None:
    """Write as the role writes protected files; who runs the test stands for root."""
    replace([FileState(str(path), text.encode(), 0o600, os.getuid(), os.getgid())])


def of_the_command(path: Path, text: str) -> None:
    """Write as the command writes host_vars and the vault password."""
    write_files({path: text})


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


def interrupting(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that gets a signal before it does its work."""

    def interrupted(*arguments: Any, **named: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        return function(*arguments, **named)

    return interrupted


def test_a_signal_waits_until_every_file_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = {tmp_path / "new" / name: name for name in ("first", "second")}
    monkeypatch.setattr(os, "fsync", interrupting(os.fsync))
    # who started the tests in the background has it ignored
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            write_files(texts)
    finally:
        signal.signal(signal.SIGINT, former)
    assert {path: path.read_text() for path in (tmp_path / "new").iterdir()} == texts


def test_a_full_disk_leaves_no_file_and_no_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as error:
        write_files({tmp_path / "new" / "first": "text"})
    assert error.value.filename == str(tmp_path / "new" / "first")
    assert [*tmp_path.iterdir()] == []


def test_a_file_that_is_written_over_keeps_its_content_on_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "shared.yml"
    path.write_text("former\n")
    # as a directory that the operator may not write to has it
    monkeypatch.setattr("kai_ansible.files._staged", lambda _target, _text: None)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len("former\n"), limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_files({path: "the new content, which is longer\n"})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_text() == "former\n"


def test_a_second_signal_does_not_end_the_removal_of_a_private_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(shutil, "rmtree", interrupting(shutil.rmtree))
    with pytest.raises(KeyboardInterrupt), private_directory() as directory:
        (directory / "secret").touch()
        raise KeyboardInterrupt
    assert [*tmp_path.iterdir()] == []


KILLED = """
import os, signal
from kai_ansible.files import private_directory
with private_directory() as directory:
    (directory / "secret").write_text("s3cret")
    {then}
    os.kill(os.getpid(), signal.SIGKILL)
"""


def killed_in(place: Path, then: str = "pass") -> Path:
    """Let a command be killed with a private directory in a place; return the directory."""
    variables = {**os.environ, "TMPDIR": str(place)}
    program = [sys.executable, "-c", KILLED.format(then=then)]
    assert subprocess.run(program, env=variables, check=False).returncode == -signal.SIGKILL
    (left,) = place.iterdir()
    return left


def test_the_directory_of_a_killed_command_goes_with_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = killed_in(tmp_path)
    assert (left / "secret").read_text() == "s3cret"
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with private_directory() as directory:
        assert [*tmp_path.iterdir()] == [directory]


def test_a_directory_in_use_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Ansible goes on without the command
    left = killed_in(tmp_path, f'(directory / "pid").write_text("{os.getpid()}")')
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with private_directory() as first, private_directory() as second:
        assert {*tmp_path.iterdir()} == {left, first, second}
    assert [*tmp_path.iterdir()] == [left]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a directory away")
def test_what_another_user_made_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = tmp_path / "kai-ansible-run-theirs"
    theirs.mkdir()
    os.chown(theirs, 65534, 65534)
    kept = tmp_path / "kept"
    kept.mkdir()
    (tmp_path / "kai-ansible-run-link").symlink_to(kept)
    before = {*tmp_path.iterdir()}
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with private_directory() as directory:
        assert {*tmp_path.iterdir()} == {*before, directory}
    assert {*tmp_path.iterdir()} == before


@pytest.mark.parametrize("mode", [0o777, 0o1777])
def test_where_every_account_can_exchange_it_no_private_directory_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    # as anybody may name a directory there
    ours = tmp_path / "kai-ansible-run-ours"
    ours.mkdir()
    tmp_path.chmod(mode)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    if mode & stat.S_ISVTX:
        with private_directory() as directory:
            assert [*tmp_path.iterdir()] == [directory]
        return
    with (
        pytest.raises(CommandError, match=rf"chmod \+t {tmp_path}, or TMPDIR="),
        private_directory(),
    ):
        pass
    assert [*tmp_path.iterdir()] == [ours]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a directory away")
def test_in_a_directory_of_another_user_nothing_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = tmp_path / "ours"
    ours.mkdir()
    os.chown(tmp_path, 65534, 65534)
    # as its owner may do
    named = ours.rename(tmp_path / "kai-ansible-run-ours")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with private_directory():
        pass
    assert [*tmp_path.iterdir()] == [named]
