"""What a person finds without leaving the terminal: help, completion, the manual page."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from kai_ansible.cli.app import app
from tests.cli.desk import KAI_ANSIBLE, Desk
from tools import manual

# what only a command that does something needs; each costs tens of milliseconds
HEAVY = {"ansible", "ansible_runner", "keyring", "prompt_toolkit", "questionary", "jinja2", "yaml"}
OWN = (
    *("ansible.collection", "ansible.runner", "commands.target", "inventory.inventory"),
    *("secrets.vault_password", "wizard"),
)


def commands() -> list[tuple[str, Any]]:
    """Every command that does something, with its whole name."""
    return list(manual.commands(get_command(app), "kai-ansible"))


@pytest.mark.parametrize(("name", "command"), commands(), ids=lambda value: str(value)[:40])
def test_every_command_and_every_option_is_explained(name: str, command: Any) -> None:
    assert command.help.endswith(".")
    assert command.epilog.startswith(f"Example: {name}")
    for parameter in command.params:
        assert parameter.help.endswith("."), parameter.name
        assert parameter.metavar or parameter.is_flag, parameter.name


@pytest.mark.parametrize("example", [command.epilog for _, command in commands()])
def test_every_example_is_understood(example: str) -> None:
    words = example.removeprefix("Example: kai-ansible ").split()
    # with --help nothing is done, but everything else on the line has to be understood
    with pytest.raises(SystemExit) as ended:
        get_command(app).main([*words, "--help"])
    assert ended.value.code == 0


@pytest.mark.parametrize("group", [(), ("users",), ("vault",)])
def test_help_loads_nothing_that_it_does_not_need(group: tuple[str, ...]) -> None:
    script = (
        "import sys, atexit; from kai_ansible.__main__ import main\n"
        "atexit.register(lambda: print(*sys.modules, sep='\\n', file=sys.stderr)); main()"
    )
    shown = subprocess.run(
        [sys.executable, "-c", script, *group, "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Usage" in shown.stdout
    loaded = set(shown.stderr.split())
    assert "kai_ansible.cli.app" in loaded
    assert loaded & {*HEAVY, *(f"kai_ansible.{name}" for name in OWN)} == set()


def test_the_manual_page_is_the_one_of_these_commands() -> None:
    page = manual.PAGE.read_text(encoding="utf-8")
    assert page == manual.page(), "run: make generate"
    for name, _ in commands():
        assert f'.SS "{manual.escaped(name)}"' in page


@pytest.mark.parametrize(
    "checker",
    [
        ["mandoc", "-T", "lint", "-W", "error,stop"],
        ["man", "--warnings", "--local-file", "--troff-device=utf8", "--ditroff"],
    ],
    ids=lambda checker: checker[0],
)
def test_the_manual_page_is_good_roff(checker: list[str]) -> None:
    if shutil.which(checker[0]) is None:
        pytest.skip(f"{checker[0]} is not installed")
    done = subprocess.run([*checker, str(manual.PAGE)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


# completion, by the real shells

BASH = """
eval "$(_KAI_ANSIBLE_COMPLETE=source_bash kai-ansible)"
COMP_WORDS=({words} ""); COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))
_kai_ansible_completion kai-ansible
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
ZSH = """
autoload -Uz compinit; compinit -u -D
eval "$(_KAI_ANSIBLE_COMPLETE=source_zsh kai-ansible)"
# outside a terminal there is nobody to offer it to
_arguments() {{ print -r -- "$@" }}
words=({words} ""); CURRENT=${{#words}}
_kai_ansible_completion
"""
FISH = """
_KAI_ANSIBLE_COMPLETE=source_fish kai-ansible | source
complete --do-complete "{words} "
"""
SHELLS = {"bash": BASH, "zsh": ZSH, "fish": FISH}
OFFERED = {
    "kai-ansible": ["install", "users"],
    "kai-ansible install": ["bot1", "web2", "all"],
    "kai-ansible install --set": ["CODEX_BIN=", "AGENT_BACKEND="],
    "kai-ansible users edit Ada bot1 --set": ["model="],
    "kai-ansible users remove": ["Ada", "Bob"],
    "kai-ansible config --section": ["models"],
}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk with two hosts and two people."""
    desk = Desk(tmp_path_factory.mktemp("fleet") / "desk")
    desk.write("inventory/hosts.yml", {"all": {"hosts": {"bot1": None, "web2": None}}})
    people = [{"telegram_id": number, "name": name} for number, name in enumerate(("Ada", "Bob"))]
    desk.write("inventory/host_vars/bot1/kai.yml", {"kai_install_users": people})
    yield desk


@pytest.mark.slow
@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_offers_what_can_come_next(fleet: Desk, shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    environment = fleet.environment()
    environment["PATH"] = f"{Path(KAI_ANSIBLE).parent}:{os.environ['PATH']}"
    for words, expected in OFFERED.items():
        script = SHELLS[shell].format(words=words)
        done = subprocess.run(
            [shell, "-c", script],
            cwd=fleet.work,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        missing = [word for word in expected if word not in done.stdout]
        assert not missing, (words, done.stdout, done.stderr)
        assert "TELEGRAM_BOT_TOKEN" not in done.stdout
