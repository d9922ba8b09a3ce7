"""A terminal after a prompt that was cut off."""

import os
import pty
import sys
import termios
import tty
import warnings
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import pexpect
import pytest

from kai_ansible.operator import terminal_kept
from tests.cli.desk import SECONDS


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[TextIOWrapper]:
    """A terminal that is the standard input."""
    master, slave = pty.openpty()
    with os.fdopen(slave) as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        yield stream
    os.close(master)


def settings(stream: TextIOWrapper) -> list[Any]:
    return termios.tcgetattr(stream)


def test_a_prompt_that_is_cut_off_leaves_no_trace(terminal: TextIOWrapper) -> None:
    before = settings(terminal)
    with pytest.raises(KeyboardInterrupt), terminal_kept():
        tty.setraw(terminal)
        raise KeyboardInterrupt
    assert settings(terminal) == before


def test_the_settings_of_a_pager_do_not_come_back(terminal: TextIOWrapper) -> None:
    usual = settings(terminal)
    tty.setraw(terminal)
    with pytest.raises(KeyboardInterrupt), terminal_kept():
        # it ends in between
        termios.tcsetattr(terminal, termios.TCSANOW, usual)
        raise KeyboardInterrupt
    assert settings(terminal) == usual


def test_without_a_terminal_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path(os.devnull).open() as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        with pytest.raises(KeyboardInterrupt), terminal_kept():
            raise KeyboardInterrupt


IN_THE_BACKGROUND = 'set -m; "$0" -c "$1" & wait $!; echo "ended by $?"'
CUT_OFF = (
    "from kai_ansible.operator import terminal_kept\nwith terminal_kept(): raise SystemExit(7)"
)


def test_a_command_in_the_background_is_not_stopped() -> None:
    with warnings.catch_warnings():
        # a worker of pytest has threads, but the child only becomes another program
        warnings.simplefilter("ignore", DeprecationWarning)
        child = pexpect.spawn(
            "/bin/sh",
            ["-c", IN_THE_BACKGROUND, sys.executable, CUT_OFF],
            encoding="utf-8",
            timeout=SECONDS,
        )
    child.expect(pexpect.EOF)
    assert str(child.before).strip() == "ended by 7"
