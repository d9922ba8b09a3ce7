"""The decorator that gives every command the shared options, tried with commands of its own."""

import json
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from kai_ansible import calling
from kai_ansible.cli.help import CONTEXT, Group
from kai_ansible.cli.options import SHARED, verb
from kai_ansible.commands.options import ChangeOptions, HostOptions
from kai_ansible.errors import CommandError, ExitCode, usage_error
from kai_ansible.terminal.screen import SCHEMA_VERSION, Screen

WORDS = {"host", "given_inventory", "ask_become_pass", "vault_password_file", "vault_ids", "plain"}
OF_THE_SCREEN = {"as_json", "progress", "verbose"}
got: list[tuple[HostOptions, Screen, str, bool]] = []
app = typer.Typer(name="zoo", cls=Group, context_settings=CONTEXT, rich_markup_mode=None)


@verb(app, "feed NAME")
def feed_(
    hosts: HostOptions,
    screen: Screen,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name.")],
    twice: Annotated[bool, typer.Option("--twice", help="Two portions.")] = False,
) -> None:
    """Feed a host."""
    if name == "nobody":
        raise usage_error("NAME", "nobody", "a name", "choose one", code=ExitCode.FAILED)
    got.append((hosts, screen, name, twice))


@verb(app, "rest", without=["host", "vault_ids"])
def rest(hosts: HostOptions, screen: Screen) -> None:
    """Rest."""
    got.append((hosts, screen, "", False))


@verb(app, "change", without=["diff"])
def change(changes: ChangeOptions, screen: Screen) -> None:
    """Change."""
    got.append((changes, screen, "", False))


@verb(app, "look")
def look(hosts: HostOptions, screen: Screen) -> None:
    """Look."""
    screen.event({"event": "phase", "phase": "probe", "state": "started"})
    screen.document({"hosts": {"cat": {"healthy": False}}})
    raise CommandError("One is ill.", code=ExitCode.NOT_READY)


@pytest.fixture(autouse=True)
def _nothing_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    got.clear()
    # the commands here run in the process of the tests
    monkeypatch.setattr(calling, "_given", calling._Given())


def test_what_is_not_given_is_what_the_options_say() -> None:
    assert CliRunner().invoke(app, ["feed", "cat"]).exit_code == 0
    [(hosts, screen, name, twice)] = got
    assert (hosts, name, twice, screen.as_json) == (HostOptions(), "cat", False, False)


def test_shared_options_and_own_ones_reach_the_command() -> None:
    secrets = ["-K", "--vault-password-file", "key", "--vault-id", "a@b", "--vault-id", "c@d"]
    words = ["feed", "cat", "bot1", "-i", "there", "--twice", *secrets, "--plain", "--json"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0
    [(hosts, screen, name, twice)] = got
    assert (name, twice, screen.as_json) == ("cat", True, True)
    assert hosts == HostOptions(
        host="bot1",
        given_inventory=Path("there"),
        ask_become_pass=True,
        vault_password_file=Path("key"),
        vault_ids=("a@b", "c@d"),
        plain=True,
    )


def test_every_field_of_the_options_can_be_given() -> None:
    assert vars(HostOptions()).keys() == WORDS
    assert vars(ChangeOptions()).keys() == SHARED.keys() - OF_THE_SCREEN


def test_a_command_that_changes_hosts_has_more_options() -> None:
    words = ["--check", "-y", "--batches", "1,50%", "--forks", "7", "-i", "there"]
    for refused in (["feed", "cat", "--check"], ["change", "--diff"]):
        assert CliRunner().invoke(app, refused).exit_code == 2
    assert CliRunner().invoke(app, ["change", *words]).exit_code == 0
    assert got[0][0] == ChangeOptions(
        given_inventory=Path("there"), check=True, yes=True, batches="1,50%", forks=7
    )


def test_a_command_without_an_option_refuses_it_and_gets_its_default() -> None:
    assert CliRunner().invoke(app, ["rest", "bot1"]).exit_code == 2
    assert CliRunner().invoke(app, ["rest", "--vault-id", "a@b"]).exit_code == 2
    assert got == []
    assert CliRunner().invoke(app, ["rest", "-i", "there"]).exit_code == 0
    assert got[0][0] == HostOptions(given_inventory=Path("there"))


def test_an_error_is_printed_as_a_document_and_raised() -> None:
    done = CliRunner().invoke(app, ["feed", "nobody", "--json"])
    assert isinstance(done.exception, CommandError)
    document = json.loads(done.stdout)
    assert (document["exit_code"], document["command"]) == (1, "zoo feed")
    assert (document["schema_version"], document["hosts"]) == (SCHEMA_VERSION, {})
    assert document["problems"][0]["fix"] == "choose one"


def test_a_document_ends_with_the_exit_code_and_the_error_of_its_command() -> None:
    done = CliRunner().invoke(app, ["look", "--json"])
    document = json.loads(done.stdout)
    assert (document["exit_code"], document["error"]) == (3, "One is ill.")
    assert document["hosts"] == {"cat": {"healthy": False}}


def test_progress_is_one_object_per_line_and_the_document_comes_last() -> None:
    done = CliRunner().invoke(app, ["look", "--json", "--progress"])
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["event"] for line in lines] == ["phase", "result"]
    assert {line["schema_version"] for line in lines} == {SCHEMA_VERSION}
    assert lines[-1]["exit_code"] == 3


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_the_help_is_the_docstring_with_an_example(option: str) -> None:
    shown = CliRunner().invoke(app, ["feed", option]).stdout
    assert "<" not in shown
    assert "  -v, --verbose" in shown
    assert "Feed a host." in shown
    assert "Example: kai-ansible feed NAME" in shown
