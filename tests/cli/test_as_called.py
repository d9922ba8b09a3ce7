"""A printed command is one that the operator can paste: as it was called, or a target of make."""

import sys
from pathlib import Path

import pytest

from kai_ansible.calling import BY_MAKE, as_called, command_line
from kai_ansible.commands.options import HostOptions
from tests.cli.desk import KAI_ANSIBLE, Desk

NEXT = ["kai-ansible", "install", "bot", "--yes"]


@pytest.fixture
def _on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [KAI_ANSIBLE])
    monkeypatch.setenv("PATH", str(Path(KAI_ANSIBLE).parent))
    monkeypatch.delenv(BY_MAKE, raising=False)


@pytest.mark.usefixtures("_on_path")
def test_a_program_of_the_path_keeps_its_name() -> None:
    assert as_called("run kai-ansible install again") == "run kai-ansible install again"
    assert command_line(NEXT) == " ".join(NEXT)


@pytest.mark.usefixtures("_on_path")
def test_any_other_program_is_named_as_it_was_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(sys, "argv", [".venv/bin/kai-ansible"])
    text = "kai-ansible config --section telegram, then kai-ansible install"
    path = ".venv/bin/kai-ansible"
    assert as_called(text) == f"{path} config --section telegram, then {path} install"
    assert command_line(NEXT).startswith(f"{path} install bot")


@pytest.mark.usefixtures("_on_path")
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("run kai-ansible install again", "run make install again"),
        ("see kai-ansible status", "see make status"),
        ("take it back: kai-ansible rollback.", "take it back: make rollback."),
        ("kai-ansible config --section agents", "kai-ansible config --section agents"),
        ("kai-ansible users add", "kai-ansible users add"),
        ("pipx install kai-ansible", "pipx install kai-ansible"),
    ],
)
def test_through_make_a_command_is_a_target(
    text: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(BY_MAKE, "1")
    assert as_called(text) == shown


@pytest.mark.usefixtures("_on_path")
def test_through_make_a_whole_command_keeps_its_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BY_MAKE, "1")
    assert command_line(NEXT) == "make install host=bot args=--yes"
    other = ["kai-ansible", "install", "bot", "--inventory", "my hosts"]
    assert command_line(other) == "make install host=bot inventory='my hosts'"


def test_a_command_to_paste_names_what_the_operator_named() -> None:
    assert HostOptions().words("bot") == []
    assert HostOptions(host="all").words("bot") == ["bot"]
    options = HostOptions(None, Path("my hosts"), vault_password_file=Path("f"), vault_ids=("a@b",))
    named = ["--inventory", "my hosts", "--vault-password-file", "f", "--vault-id", "a@b"]
    assert options.words("bot") == named


@pytest.mark.usefixtures("_on_path")
def test_through_make_what_has_no_variable_is_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BY_MAKE, "1")
    options = HostOptions("bot", Path("my hosts"), vault_password_file=Path("f"))
    command = command_line(["kai-ansible", "install", *options.words("bot")])
    assert command == "make install host=bot inventory='my hosts' args='--vault-password-file f'"
    command = command_line(["kai-ansible", "status", *HostOptions().words("bot"), "--yes"])
    assert command == "make status args=--yes"


def test_an_error_names_the_program_as_it_was_called(desk: Desk) -> None:
    desk.variables["PATH"] = "/usr/bin:/bin"
    done = desk.run("status")
    assert f"fix:      {KAI_ANSIBLE} config makes one" in done.stderr
