"""A terminal after a prompt that was cut off."""

import os
import pty
import sys
import termios
import tty
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import pytest

from kai_ansible.operator import terminal_kept


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
