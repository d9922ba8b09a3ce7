"""A process is of the bot by the whole path of its control group, which a user cannot have."""

import builtins
import io
from typing import Any

import pytest

from kai_ansible.host import system

UNIT = "/system.slice/kai.service"
USERS = "/user.slice/user-1000.slice/user@1000.service"


@pytest.mark.parametrize(
    ("text", "is_of_it"),
    [
        (f"0::{UNIT}\n", True),
        (f"9:name=systemd:{UNIT}\n8:pids:/x\n0::/x\n", True),
        (f"0::{USERS}{UNIT}\n", False),
        (f"0::{UNIT}/agent\n", False),
        (f"8:pids:{UNIT}\n0::/x\n", False),
        ("", False),
    ],
)
def test_the_whole_path_counts(monkeypatch: pytest.MonkeyPatch, text: str, is_of_it: bool) -> None:
    def opened(path: str, *_: Any, **__: Any) -> io.StringIO:
        assert path == "/proc/7/cgroup"
        return io.StringIO(text)

    monkeypatch.setattr(builtins, "open", opened)
    assert system.belongs(7, UNIT) is is_of_it


def test_a_process_that_is_gone_belongs_to_nothing() -> None:
    assert not system.belongs(2**22 + 1, UNIT)
