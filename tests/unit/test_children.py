"""Processes of Ansible end with what they have started, and no other process does."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kai_ansible.ansible import reading
from kai_ansible.ansible.children import end
from kai_ansible.ansible.reading import raise_if_full

SECONDS = 30


def test_a_process_whose_children_cannot_be_read_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(_path: Path) -> str:
        raise ProcessLookupError

    monkeypatch.setattr(Path, "read_text", read)
    with subprocess.Popen(["sleep", "60"]) as process:
        try:
            end(process.pid)
            assert process.wait(SECONDS) < 0
        finally:
            process.kill()


def test_the_process_of_another_user_ends_no_command(monkeypatch: pytest.MonkeyPatch) -> None:
    kill, refused = os.kill, []

    def kill_ours(process: int, number: int) -> None:
        if process in refused:
            raise PermissionError
        kill(process, number)

    def interrupted(process: subprocess.Popen[bytes], **_given: bool) -> None:
        assert process.stdout
        refused.append(int(process.stdout.readline()))
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "kill", kill_ours)
    monkeypatch.setattr(reading, "_until_end", interrupted)
    with pytest.raises(KeyboardInterrupt):
        reading._done(["sh", "-c", "sleep 60 & echo $!; wait"], {}, at_terminal=False)
    assert end(refused[0]) == []


def test_a_process_that_has_ended_is_not_signalled(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []

    def interrupted(process: subprocess.Popen[bytes], **_given: bool) -> None:
        process.wait()
        raise KeyboardInterrupt

    monkeypatch.setattr(reading, "_until_end", interrupted)
    monkeypatch.setattr(reading, "end", ended.append)
    with pytest.raises(KeyboardInterrupt):
        reading._done([sys.executable, "-c", ""], {}, at_terminal=False)
    assert ended == []


def test_nothing_waits_for_a_program_that_a_script_leaves_behind() -> None:
    # it keeps the output open
    command = ["sh", "-c", "sleep 600 & echo $!; echo 'said' >&2"]
    done = reading._done(command, {"PATH": os.environ["PATH"]}, at_terminal=False)
    os.kill(int(done.stdout), signal.SIGKILL)
    assert done.stderr == "said\n"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_the_one_that_ansible_names(tmp_path: Path, number: int) -> None:
    for path in ("/home/ada/.ansible/tmp/x", None):
        error = OSError(number, os.strerror(number), path)
        with pytest.raises(OSError, match=os.strerror(number)) as full:
            raise_if_full(f"ERROR! an exception: {error}\n\nTraceback: 'line'\n", tmp_path)
        assert full.value.filename == (path or str(tmp_path))
    raise_if_full(str(OSError(errno.EACCES, "Permission denied", "/x")), tmp_path)
