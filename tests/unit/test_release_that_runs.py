"""From which release a process of the bot was started, whatever the clock says by now."""

import os
import pwd
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kai_ansible.host import install_probe
from kai_ansible.host.records import Installs

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another account")


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """The live release, whose link is from the future."""
    place = tmp_path / "releases" / "a"
    place.mkdir(parents=True)
    (tmp_path / "current").symlink_to("releases/a")
    os.utime(tmp_path / "current", (2**33, 2**33), follow_symlinks=False)
    return place


@pytest.fixture
def pid(release: Path) -> Iterator[int]:
    """A process of another account that was started in that release."""
    account = pwd.getpwnam("nobody")
    ids = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    user = ids if os.geteuid() == 0 else {}
    with subprocess.Popen(["sleep", "60"], cwd=release, **user) as process:  # type: ignore[call-overload]
        yield process.pid
        process.kill()


def state_of(pid: int) -> Any:
    """What systemd knows of the service that the process is."""
    return SimpleNamespace(pid=pid, entered=0)


def test_the_directory_of_the_process_shows_it(tmp_path: Path, pid: int) -> None:
    assert install_probe.release_of(state_of(pid), Installs(str(tmp_path))) == "a"


@needs_root
def test_the_account_of_the_process_is_asked_where_root_may_not_look(
    tmp_path: Path, pid: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = os.readlink

    def refused(path: str, **more: int) -> str:
        if os.geteuid() == 0 and path == f"/proc/{pid}/cwd":
            raise PermissionError
        return read(path, **more)

    monkeypatch.setattr(os, "readlink", refused)
    assert install_probe.release_of(state_of(pid), Installs(str(tmp_path))) == "a"


def test_nobody_is_asked_about_a_process_that_is_gone(tmp_path: Path, pid: int) -> None:
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    assert install_probe.directory_of(ended.pid) is None
