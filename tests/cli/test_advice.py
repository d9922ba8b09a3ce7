"""Each advice comes from what the real program prints."""

import os
import subprocess
from pathlib import Path

import pytest

from kai_ansible.ansible.advice import advice_for
from kai_ansible.ansible.children import PROGRAM
from kai_ansible.ansible.failures import failed_tasks
from tests.cli.desk import KAI_ANSIBLE

PLAY = (
    "- hosts: all\n  gather_facts: false\n  become: true\n  tasks: [ansible.builtin.command: id]\n"
)
HOSTS = "all: {hosts: {localhost: {ansible_connection: local}}}\n"
LONG = "/tmp/" + "x" * 120


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "play.yml").write_text(PLAY)
    (tmp_path / "hosts.yml").write_text(HOSTS)
    (tmp_path / "broken.cfg").write_text("become = true\n[defaults\n")
    (tmp_path / "many.cfg").write_text("[defaults]\nforks = many\n")
    return tmp_path


def said(command: list[str], place: Path, **variables: str) -> str:
    done = subprocess.run(
        command,
        cwd=place,
        env={**os.environ, "HOME": str(place), **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode != 0, done.stdout
    return done.stdout


FAULTS = (
    ({"ANSIBLE_CONFIG": "broken.cfg"}, "broken.cfg"),
    ({"ANSIBLE_CONFIG": "many.cfg"}, "ansible-config dump"),
    ({"ANSIBLE_FORKS": "0"}, "ansible-config dump"),
    ({"HOME": "/proc/none"}, "ANSIBLE_HOME"),
    ({"ANSIBLE_BECOME_METHOD": "nosuch"}, "ansible-doc -t become -l"),
    ({"ANSIBLE_BECOME_METHOD": "doas"}, "ansible-galaxy collection install community.general"),
    ({"LC_ALL": "xx_XX.UTF-8"}, "LC_ALL=C.UTF-8"),
    ({"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}, "LC_ALL=C.UTF-8"),
)


@pytest.mark.parametrize(("variables", "expected"), FAULTS, ids=[str(one) for one, _ in FAULTS])
def test_what_ansible_itself_prints_has_an_advice(
    place: Path, variables: dict[str, str], expected: str
) -> None:
    text = said([PROGRAM, "-i", "hosts.yml", "play.yml"], place, **variables)
    assert expected in advice_for(text, "localhost")
    [failure] = failed_tasks([], text)
    assert expected in failure.problem.fix


@pytest.mark.parametrize(("variables", "expected"), FAULTS[:3], ids=["broken", "many", "none"])
def test_the_command_calls_none_of_them_a_bug_of_its_own(
    place: Path, variables: dict[str, str], expected: str
) -> None:
    text = said([KAI_ANSIBLE, "status", "-i", "hosts.yml"], place, **variables)
    assert expected in text.replace("\n", " ")
    assert "a bug" not in text
    assert "KAI_ANSIBLE_DEBUG" not in text
    assert "usage:" not in text


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"ANSIBLE_BECOME_METHOD": "nosuch"}, "ansible-doc -t become -l"),
        ({"ANSIBLE_TRANSPORT": "nosuch"}, "ansible-doc -t connection -l"),
    ],
)
def test_what_is_met_while_the_variables_are_read_has_its_advice_as_well(
    place: Path, variables: dict[str, str], expected: str
) -> None:
    (place / "hosts.yml").write_text("all: {hosts: {localhost: {}}}\n")
    text = said([KAI_ANSIBLE, "settings", "-i", "hosts.yml"], place, **variables)
    assert expected in text.replace("\n", " ")


def test_a_command_needs_no_home_to_read_an_inventory(place: Path) -> None:
    text = said([KAI_ANSIBLE, "settings", "-i", "hosts.yml"], place, HOME="/proc/none")
    assert "nothing that is set for localhost" in text
    assert text == said([KAI_ANSIBLE, "settings", "-i", "hosts.yml"], place)


def test_what_ssh_prints_has_an_advice(place: Path) -> None:
    options = ["ControlMaster=auto", "ControlPersist=9", f"ControlPath={LONG}"]
    command = ["ssh", *(word for option in options for word in ("-o", option)), "127.0.0.1", "true"]
    text = said(command, place)
    event = {"host": "far", "task": "Probe", "res": {"msg": f"Failed to connect: {text}"}}
    [failure] = failed_tasks([{"event": "runner_on_unreachable", "event_data": event}], "")
    assert "ANSIBLE_SSH_CONTROL_PATH_DIR" in failure.fix


def test_the_words_of_a_program_that_a_module_quotes_get_none() -> None:
    quoted = {"msg": "codex: Sorry, try again", "invocation": {"module_args": {}}}
    event = {"host": "bot", "task": "Verify", "res": quoted}
    [failure] = failed_tasks([{"event": "runner_on_failed", "event_data": event}], "")
    assert failure.fix == ""
