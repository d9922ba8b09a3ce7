"""The commands in the documents work, and the files that they name exist."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from kai_ansible.ansible.collection import contract
from kai_ansible.cli.app import app
from kai_ansible.inventory.answers import answers_in, read_answers
from kai_ansible.rules.configuration import read_configuration
from tests.conftest import line_1

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/*.md"))]

# what each command of the documents is verified by, besides being understood
PROVEN_BY = {
    "make demo": "tests/demo",
    "make config": "tests/issue_486",
    "make check": "tests/issue_486",
    "make install": "tests/issue_486",
    "make install CODEX_BIN=/opt/agents/codex": "tests/issue_486",
    "make logins": "tests/issue_486",
    "make doctor": "tests/machine/test_doctor.py",
    "make show": "tests/machine/test_doctor.py",
    "make logs": "tests/machine/test_verbs.py",
    "make restart": "tests/machine/test_verbs.py",
    "make settings": "tests/cli/test_settings_command.py",
    "make upgrade": "tests/machine/test_verbs.py",
    "make rollback": "tests/machine/test_rollback.py",
    "make backup": "tests/machine/test_backup.py",
    "make uninstall": "tests/machine/test_uninstall.py",
    "make status": "tests/machine/test_rollback.py",
}


def blocks(path: Path, language: str) -> Iterator[str]:
    """The fenced blocks of a document in a language."""
    yield from re.findall(rf"```{language}\n(.*?)```", path.read_text(encoding="utf-8"), re.S)


def commands() -> list[str]:
    """Every command line of every document."""
    return [
        line
        for path in DOCUMENTS
        for block in blocks(path, "console")
        for line in block.splitlines()
        if line.strip()
    ]


@pytest.mark.parametrize("command", [line for line in commands() if line.startswith("make ")])
def test_a_make_command_is_a_verb_of_the_makefile(command: str) -> None:
    shown = subprocess.run(
        [*shlex.split(command), "--dry-run"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.returncode == 0, shown.stderr
    assert (ROOT / PROVEN_BY[command]).exists()


@pytest.mark.parametrize(
    "command", [line for line in commands() if line.startswith(".venv/bin/kai-ansible ")]
)
def test_an_option_of_a_documented_command_exists(command: str) -> None:
    # with --help nothing is done, but everything else on the line has to be understood
    with pytest.raises(SystemExit) as ended:
        get_command(app).main([*shlex.split(command)[1:], "--help"])
    assert ended.value.code == 0


def test_the_answers_of_the_readme_are_a_valid_configuration(tmp_path: Path) -> None:
    [text] = blocks(ROOT / "README.md", "yaml")
    path = tmp_path / "answers.yml"
    path.write_text(text, encoding="utf-8")
    answers, problems = read_answers(contract(), answers_in(path))
    assert problems == []
    # the wizard makes this one at random
    answers["kai_install_webhook_secret"] = "0" * 64
    assert read_configuration(contract(), answers).problems == []


def example() -> dict[str, Any]:
    variables: dict[str, Any] = {}
    for path in (ROOT / "inventory.example" / "host_vars" / "bot1").glob("*.yml"):
        variables.update(yaml.safe_load(path.read_text(encoding="utf-8")))
    return variables


def test_the_example_inventory_is_refused_as_it_is() -> None:
    problems = read_configuration(contract(), example()).problems
    assert {problem.where for problem in problems} == {
        "kai_install_telegram_bot_token",
        "kai_install_webhook_secret",
        "kai_install_users[0].telegram_id",
        "kai_install_users[1].telegram_id",
    }
    assert example()["kai_install_version"] == line_1().ref


def test_the_example_inventory_is_valid_once_it_is_filled_in() -> None:
    variables = example()
    variables["kai_install_telegram_bot_token"] = "123456789:" + "a" * 35
    variables["kai_install_webhook_secret"] = "0" * 64
    for number, entry in enumerate(variables["kai_install_users"], start=1):
        entry["telegram_id"] = number
    assert read_configuration(contract(), variables).problems == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_link_between_documents_leads_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\((?!https?://|#)([^)#]+)", document.read_text(encoding="utf-8"))
    assert [target for target in targets if not (document.parent / target).exists()] == []
