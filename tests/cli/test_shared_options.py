"""The decorator that gives every command the shared options, tried with commands of its own."""

import json
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from kai_ansible.cli.options import SHARED, verb
from kai_ansible.commands.options import HostOptions
from kai_ansible.errors import CommandError, ExitCode, usage_error
from kai_ansible.terminal.screen import Screen

WORDS = {"host", "inventory", "ask_become_pass", "vault_password_file", "vault_ids", "plain"}
got: list[tuple[HostOptions, Screen, str, bool]] = []
app = typer.Typer()


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


@pytest.fixture(autouse=True)
def _nothing_yet() -> None:
    got.clear()


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
        inventory=Path("there"),
        ask_become_pass=True,
        vault_password_file=Path("key"),
        vault_ids=("a@b", "c@d"),
        plain=True,
    )


def test_every_field_of_the_options_can_be_given() -> None:
    assert vars(HostOptions()).keys() == WORDS == SHARED.keys() - {"as_json"}


def test_a_command_without_an_option_refuses_it_and_gets_its_default() -> None:
    assert CliRunner().invoke(app, ["rest", "bot1"]).exit_code == 2
    assert CliRunner().invoke(app, ["rest", "--vault-id", "a@b"]).exit_code == 2
    assert got == []
    assert CliRunner().invoke(app, ["rest", "-i", "there"]).exit_code == 0
    assert got[0][0] == HostOptions(inventory=Path("there"))


def test_an_error_is_printed_as_a_document_and_raised() -> None:
    done = CliRunner().invoke(app, ["feed", "nobody", "--json"])
    assert isinstance(done.exception, CommandError)
    document = json.loads(done.stdout)
    assert document["exit_code"] == 1
    assert document["problems"][0]["fix"] == "choose one"


def test_the_help_is_the_docstring_with_an_example() -> None:
    shown = CliRunner().invoke(app, ["feed", "--help"]).stdout
    assert "Feed a host." in shown
    assert "Example: kai-ansible feed NAME" in shown
