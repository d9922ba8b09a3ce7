"""Open directories are closed or reported, and no account stops that by opening them again."""

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kai_ansible.host import isolation
from kai_ansible.host.isolation import close, trespasses
from kai_ansible.host.proof import Remembered
from kai_ansible.host.run_as import UNANSWERED

FAULT = "bob can access it"


@pytest.fixture
def directories(tmp_path: Path) -> list[dict[str, Any]]:
    return [{"path": str(tmp_path), "account": "root", "only_reads": False}]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], list[str]]]:
    """What is found by each look, the last one from then on."""
    looks: list[tuple[list[str], list[str]]] = []
    monkeypatch.setattr(
        isolation, "trespasses", lambda *_: looks.pop(0) if len(looks) > 1 else looks[0]
    )
    return looks


def settling(*answers: bool, also: Callable[[], None] = lambda: None) -> Callable[[], bool]:
    left = list(answers)

    def settle() -> bool:
        also()
        return left.pop(0) if left else False

    return settle


def test_what_is_closed_needs_nothing(
    directories: list[dict[str, Any]], seen: list[tuple[list[str], list[str]]]
) -> None:
    seen.append(([], ["bob gets no answer"]))
    assert close(directories, settling()) == ([], ["bob gets no answer"])


def test_what_is_open_although_all_is_right_is_a_fault(
    directories: list[dict[str, Any]], seen: list[tuple[list[str], list[str]]]
) -> None:
    seen.append(([FAULT], []))
    assert close(directories, settling()) == ([FAULT], [])
    # also behind what could be closed
    assert close(directories, settling(True)) == ([FAULT], [])


def test_a_directory_opened_again_and_again_is_no_fault(
    directories: list[dict[str, Any]], seen: list[tuple[list[str], list[str]]], tmp_path: Path
) -> None:
    seen.append(([FAULT], []))
    assert close(directories, settling(True, True, True)) == ([], [FAULT])

    # quicker than the look at what is there
    def opened_and_closed() -> None:
        tmp_path.chmod(0o777)
        tmp_path.chmod(0o700)

    assert close(directories, settling(also=opened_and_closed)) == ([], [FAULT])


def test_what_could_be_closed_is_no_fault_then(
    directories: list[dict[str, Any]], seen: list[tuple[list[str], list[str]]]
) -> None:
    seen.extend([([FAULT], []), ([], [])])
    assert close(directories, settling(True)) == ([], [])


def test_a_holder_that_cannot_be_asked_is_unknown_and_one_that_ended_is_reported(
    directories: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolation, "ask_as", lambda *_: [UNANSWERED])
    assert trespasses(directories, ["root"]) == (
        [],
        ["could not check the directories as root: no answer in time"],
    )
    assert trespasses(directories, ["no such"]) == (["there is no account no such"], [])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root asks as others")
def test_real_accounts_are_asked(directories: list[dict[str, Any]]) -> None:
    assert trespasses(directories, ["root"]) == ([], [])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root asks as others")
def test_who_only_reads_needs_no_more_and_a_directory_of_the_bot_is_nobodys(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    entry = {"path": str(tmp_path), "account": "nobody", "only_reads": True}
    assert trespasses([entry], ["nobody"]) == ([], [])
    own = f"nobody cannot work in {tmp_path}, its own directory"
    assert trespasses([{**entry, "only_reads": False}], ["nobody"]) == ([own], [])
    bots = f"nobody can access {tmp_path}, which is for the bot alone"
    assert trespasses([{**entry, "account": None}], ["nobody"]) == ([bots], [])
    tmp_path.chmod(0o700)
    closed = f"nobody cannot read {tmp_path}, its own directory"
    assert trespasses([entry], ["nobody"]) == ([closed], [])
    assert trespasses([{**entry, "account": None}], ["nobody"]) == ([], [])


@pytest.mark.parametrize(("known", "asked"), [(True, {"alice"}), (False, {"alice", "bob"})])
def test_the_service_user_tries_no_border_though_an_agent_runs_as_it(
    known: bool, asked: set[str]
) -> None:
    entries = [{"path": "/x", "account": name} for name in ("alice", "bob", None)]
    proof = object.__new__(Remembered)
    proof.parameters = {"private_directories": entries, "anew": False}
    proof.isolation = "digest"
    proof.earlier = SimpleNamespace(times={"digest": 0.0} if known else {})  # type: ignore[assignment]
    assert proof.accounts([{"account": "kai"}, {"account": "alice"}]) == asked
