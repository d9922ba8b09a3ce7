"""A printed command is one that the operator can paste: as it was called, or a target of make."""

import ast
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from kai_ansible import calling
from kai_ansible.calling import BY_MAKE, GLUE, as_called, command_line, remember
from kai_ansible.cli.app import app as cli
from kai_ansible.commands.options import HostOptions
from kai_ansible.terminal.tables import wrapped
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
        ("revert it: kai-ansible rollback.", "revert it: make rollback."),
        ("kai-ansible config --section agents", "make config args='--section agents'"),
        ("kai-ansible config --section agents, or", "make config args='--section agents', or"),
        ("kai-ansible logins --check lists them", "make logins args=--check lists them"),
        ("kai-ansible migrate bot --to 2", "make migrate host=bot args='--to 2'"),
        ("kai-ansible users add", "make users args=add"),
        ("kai-ansible vault rekey", "kai-ansible vault rekey"),
        ("pipx install kai-ansible", "pipx install kai-ansible"),
    ],
)
def test_through_make_a_command_is_a_target(
    text: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(BY_MAKE, "1")
    assert as_called(text) == shown


@pytest.mark.usefixtures("_on_path")
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("add --yes to go on, or add --check", "add args=--yes to go on, or add args=--check"),
        ("Add -v to list all.", "Add args=-v to list all."),
        (
            "add --no-input --answers FILE, or not",
            "add args='--no-input --answers FILE', or not",
        ),
        ("give one with --set DEFAULT_MODEL=, or", "give one with args='--set DEFAULT_MODEL=', or"),
        ("name it with --vault-id dev@FILE.", "name it with args='--vault-id dev@FILE'."),
        ("leave out --online", "leave out --online"),
        ("check it: visudo --check", "check it: visudo --check"),
    ],
)
def test_through_make_an_advised_option_is_one_of_args(
    text: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calling, "_given", calling._Given("install"))
    assert as_called(text) == text
    monkeypatch.setenv(BY_MAKE, "1")
    assert as_called(text) == shown
    # these have no args of their own, or all of it
    for verb in ("users", "vault"):
        monkeypatch.setattr(calling, "_given", calling._Given(verb))
        assert as_called(text) == text


@pytest.mark.usefixtures("_on_path")
def test_through_make_a_whole_command_keeps_its_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BY_MAKE, "1")
    assert command_line(NEXT) == "make install host=bot args=--yes"
    other = ["kai-ansible", "install", "bot", "--inventory", "my hosts"]
    assert command_line(other).startswith("make install host=bot inventory=")
    restore = ["kai-ansible", "restore", "b.kai", "bot", "--yes"]
    assert command_line(restore) == "make restore from=b.kai host=bot args=--yes"
    users = ["kai-ansible", "users", "list", "bot"]
    assert command_line(users) == "make users args='list bot'"


@pytest.mark.parametrize("odd", ["b.kai", "my b.kai", "$HOME", "$(shell echo b)", "it's", 'a"b'])
def test_make_takes_every_word_as_it_is(odd: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BY_MAKE, "1")
    words = [odd, odd, "--inventory", odd, "--vault-id", odd]
    line = command_line(["kai-ansible", "restore", *words])
    # the Makefile of the project is the judge
    judged = f"{line} --old-file .venv/.ready --directory {ROOT} -s KAI='printf %s\\\\n'"
    done = subprocess.run(["sh", "-c", judged], capture_output=True, text=True, check=True)
    said = [line for line in done.stdout.splitlines() if not line.startswith("make")]
    assert said == ["restore", *words]


def test_a_long_word_of_a_host_does_not_take_long() -> None:
    text = f"kai-ansible status x{'.' * 100_000}y"
    before = time.process_time()
    as_called(text)
    assert time.process_time() - before < 5


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
    assert command.startswith("make install host=bot inventory=")
    assert command.endswith(" args='--vault-password-file f'")
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
    remember("install", "all", ["-i", "prod"])
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


@pytest.mark.slow
def test_no_word_of_a_sentence_is_taken_for_a_host() -> None:
    """An f-string has its host in a part of its own."""
    found = [match for text in texts() for match in calling._COMMAND.finditer(text)]
    assert len(found) > 40
    examples = {"all", "bot1"}
    assert {match["host"] for match in found if match["host"]} <= examples


def verbs_of_the_command() -> dict[str, Any]:
    """Return every command by its name after the program's."""
    return {
        name.removeprefix("kai-ansible "): command
        for name, command in manual.commands(get_command(cli), "kai-ansible")
        if not hasattr(command, "commands")
    }


def test_every_option_with_a_value_is_known() -> None:
    options = [
        one
        for command in verbs_of_the_command().values()
        for one in command.params
        if one.param_type_name == "option"
    ]
    with_value = {word for one in options if not one.is_flag for word in one.opts}
    assert {word for word in with_value if word.startswith("--")} == {*calling._WITH_VALUE}


def test_a_target_of_make_takes_the_variables_that_are_printed() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    common = re.search(r"^TARGET = (.*)", makefile, re.MULTILINE)
    assert common
    for verb, names in calling._TARGETS.items():
        recipe = re.search(rf"^{verb}: .*\n\t@\$\(KAI\) {verb} (.*)", makefile, re.MULTILINE)
        assert recipe, verb
        found = recipe[1].replace("$(TARGET)", common[1])
        assert all(f"$({name})" in found for name in (*names, "args")), verb
        in_order = sorted(names, key=lambda name: found.index(f"$({name})"))
        assert [*names] == in_order, verb


def test_a_command_stays_whole_where_its_sentence_is_wrapped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(calling, "_given", calling._Given())
    text = "   fix:      look for the cause with: kai-ansible doctor a-host-with-a-long-name"
    command = as_called("kai-ansible doctor a-host-with-a-long-name")
    lines = wrapped(as_called(text, GLUE), 60)
    assert lines[1:] == [f"             {command}"]


def test_every_verb_is_known_with_the_options_that_it_gets() -> None:
    verbs = verbs_of_the_command()
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
