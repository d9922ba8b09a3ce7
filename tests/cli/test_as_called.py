"""A printed command is one that the operator can paste: as it was called, or a target of make."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

from kai_ansible import calling
from kai_ansible.calling import BY_MAKE, as_called, command_line, remember
from kai_ansible.cli.app import app as cli
from kai_ansible.commands.options import HostOptions
from tests.cli.desk import KAI_ANSIBLE, Desk
from tests.conftest import ROOT
from tools import manual

NEXT = ["kai-ansible", "install", "bot", "--yes"]


@pytest.fixture
def _on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [KAI_ANSIBLE])
    monkeypatch.setenv("PATH", str(Path(KAI_ANSIBLE).parent))
    monkeypatch.delenv(BY_MAKE, raising=False)


@pytest.mark.usefixtures("_on_path")
def test_a_program_of_the_path_keeps_its_name() -> None:
    assert as_called("kai-ansible install writes it") == "kai-ansible install writes it"
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
        ("kai-ansible install writes it", "make install writes it"),
        ("kai-ansible wrote this", "kai-ansible wrote this"),
        ("find out: kai-ansible doctor bot", "find out: make doctor host=bot"),
        ("kai-ansible config bot, or nothing", "make config host=bot, or nothing"),
        ("kai-ansible install restores the state", "make install restores the state"),
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


@pytest.mark.usefixtures("_on_path")
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("kai-ansible install writes it", "kai-ansible install all -i prod writes it"),
        ("ask: kai-ansible doctor bot.", "ask: kai-ansible doctor bot -i prod."),
        ("kai-ansible migrate bot --to 2", "kai-ansible migrate bot -i prod --to 2"),
        ("kai-ansible status --check, or not", "kai-ansible status all -i prod --check, or not"),
        ("kai-ansible users list shows it", "kai-ansible users list all -i prod shows it"),
        ("kai-ansible users edit Ada", "kai-ansible users edit -i prod Ada"),
        ("kai-ansible vault rekey", "kai-ansible vault rekey"),
    ],
)
def test_a_command_in_a_sentence_has_the_options_that_were_given(
    text: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calling, "_given", calling._Given())
    remember("all", ["-i", "prod"])
    assert as_called(text) == shown


def texts() -> Iterator[str]:
    """Yield every text of the product that may hold a command."""
    for directory in ("plugins", "kai_ansible"):
        for path in (ROOT / directory).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value
    for path in (ROOT / "roles").rglob("*.yml"):
        yield path.read_text(encoding="utf-8")


def test_no_word_of_a_sentence_is_taken_for_a_host() -> None:
    """An f-string has its host in a part of its own."""
    found = [match for text in texts() for match in calling._COMMAND.finditer(text)]
    assert len(found) > 40
    examples = {"all", "bot1"}
    assert {match["host"] for match in found if match["host"]} <= examples


def test_every_verb_is_known_with_the_options_that_it_gets() -> None:
    verbs = {
        name.removeprefix("kai-ansible "): command
        for name, command in manual.commands(get_command(cli), "kai-ansible")
        if not hasattr(command, "commands")
    }
    assert verbs.keys() == {*calling._OF_HOST, *calling._OTHERS}
    for name, command in verbs.items():
        arguments = [one.name for one in command.params if one.param_type_name == "argument"]
        assert (name in calling._OF_HOST) == (arguments[:1] == ["host"]), name
        options = {word for one in command.params for word in one.opts}
        named = {"--inventory", "--vault-password-file", "--vault-id"}
        assert name.startswith("vault ") or named <= options, name


def test_an_error_names_the_program_as_it_was_called(desk: Desk) -> None:
    desk.variables["PATH"] = "/usr/bin:/bin"
    done = desk.run("status")
    assert f"fix:      {KAI_ANSIBLE} config makes one" in done.stderr
