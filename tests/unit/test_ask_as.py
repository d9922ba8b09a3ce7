"""Questions that another process asks."""

import threading
from pathlib import Path

from kai_ansible.rules.ask_as import (
    UNANSWERED,
    ask_as,
    blocked_at,
    fault_of_entry,
    fault_of_program,
)


def test_a_question_that_hangs_or_fails_takes_no_other_with_it() -> None:
    answers = ask_as(
        None,
        [lambda: 1, threading.Event().wait, lambda: [2], lambda: 1 / 0, lambda: None],
        seconds=0.3,
    )
    assert answers == [1, UNANSWERED, [2], None, None]
    assert ask_as(None, []) == []


def test_a_long_answer_arrives_whole() -> None:
    assert ask_as(None, [lambda: "x" * 300_000, lambda: "y"]) == ["x" * 300_000, "y"]


def test_what_is_not_there_is_not_closed(tmp_path: Path) -> None:
    assert fault_of_entry(str(tmp_path / "none" / "deeper")) is None
    assert fault_of_entry(str(tmp_path), write=True) is None


def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert blocked_at(str(tmp_path / "a")) is None
    assert fault_of_entry(str(tmp_path / "a")) == ("cannot enter", str(tmp_path / "a"))
    assert fault_of_program(str(tmp_path / "a")) == "cannot execute"
