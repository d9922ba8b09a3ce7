"""Every file that a command reads here, damaged in every way: named, and without a traceback."""

import os
from pathlib import Path

import pytest

from kai_ansible.__main__ import main
from kai_ansible.errors import CommandError
from kai_ansible.inventory.variable_text import read_text
from tests.cli.desk import Desk
from tests.damage import DAMAGES, NOT_TEXT, UNREADABLE, in_place_of

# of a file that is not UTF-8, which is refused afterwards
WARNED_OF = ("This file must be UTF-8 encoded",)
# all commands read by the same function, which meets every damage
SAMPLE = ("a named pipe", "a device", "huge", "NUL within", "Latin-1", "nested mappings")
HOST_VARS = "inventory/host_vars/localhost"
NO_WIZARD = ("config", "--no-input", "--no-probe", "--plain")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path / "desk")
    desk.given(desk.answers())
    return desk


def kai_ansible(desk: Desk, *arguments: str) -> tuple[int, str]:
    """Run a command; return its exit code and what it said, which is no traceback."""
    desk.variables["COLUMNS"] = "2000"
    done = desk.fork(main, *arguments)
    output = " ".join((done.stdout + done.stderr).split())
    assert "a bug:" not in output, output
    assert done.returncode in (0, 2), output
    return done.returncode, output


@pytest.mark.parametrize("kind", DAMAGES)
def test_text_is_read_or_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "some.yml"
    path.write_text("---\na: 1\n", encoding="utf-8")
    DAMAGES[kind](path)
    try:
        read_text(path).encode()
    except CommandError as refused:
        assert str(path) in str(refused)
        assert kind in UNREADABLE | dict.fromkeys(NOT_TEXT)
    else:
        assert kind not in UNREADABLE or kind == "a link to nothing" or kind == "a link to a file"


def test_the_pipe_of_another_command_is_read() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"a: 1\r\n")
    os.close(writing)
    assert read_text(Path(f"/dev/fd/{reading}")) == "a: 1\n"
    os.close(reading)


@pytest.mark.sample(3, "the same way with another damage; test_text_is_read_or_named meets each")
@pytest.mark.parametrize("kind", SAMPLE)
@pytest.mark.parametrize("name", ["kai.yml", "vault.yml"])
def test_a_file_of_host_vars(desk: Desk, name: str, kind: str) -> None:
    path = desk.work / HOST_VARS / name
    DAMAGES[kind](path)
    code, output = kai_ansible(desk, "users", "list", "--plain")
    assert code, output
    assert name in output, output


@pytest.mark.sample(3, "the same way with another damage; test_text_is_read_or_named meets each")
@pytest.mark.parametrize("kind", SAMPLE)
@pytest.mark.parametrize("group", ["all.yml", "all/more.yml"])
def test_a_file_of_group_vars(desk: Desk, group: str, kind: str) -> None:
    path = desk.write(f"inventory/group_vars/{group}", {"more": {"of": ["what", "others", "set"]}})
    DAMAGES[kind](path)
    code, output = kai_ansible(desk, "users", "list", "--plain")
    assert code, output
    assert path.name in output, output


@pytest.mark.sample(2, "the same way with another damage; test_text_is_read_or_named meets each")
@pytest.mark.parametrize("kind", SAMPLE)
def test_the_vault_password(desk: Desk, kind: str) -> None:
    DAMAGES[kind](desk.password_file)
    code, output = kai_ansible(desk, "users", "list", "--plain")
    assert code, output
    assert "vault" in output, output


@pytest.mark.sample(2, "the same way with another damage; test_text_is_read_or_named meets each")
@pytest.mark.parametrize("kind", SAMPLE)
def test_answers(desk: Desk, kind: str) -> None:
    path = desk.write("answers.yml", desk.answers())
    DAMAGES[kind](path)
    code, output = kai_ansible(desk, *NO_WIZARD, "--answers", str(path))
    assert code, output
    assert "answers.yml" in output, output


@pytest.mark.sample(2, "the same way with another damage; test_text_is_read_or_named meets each")
@pytest.mark.parametrize("kind", SAMPLE)
def test_the_answers_of_kais_own_installer(desk: Desk, kind: str) -> None:
    path = desk.write("install.conf", '{"version": 1, "env": {"CODEX_EFFORT": "low"}}')
    DAMAGES[kind](path)
    code, output = kai_ansible(desk, *NO_WIZARD, "--import", str(path))
    assert code, output
    assert "install.conf" in output, output


@pytest.mark.sample(2, "the same way with another damage; test_text_is_read_or_named meets each")
@pytest.mark.parametrize("kind", SAMPLE)
def test_a_file_of_users(desk: Desk, kind: str) -> None:
    path = desk.write("users.yaml", {"users": [{"telegram_id": 1, "name": "Ada"}]})
    settings = desk.settings()
    del settings["kai_install_users"]
    desk.write(f"{HOST_VARS}/kai.yml", {**settings, "kai_install_users_file": str(path)})
    DAMAGES[kind](path)
    _code, output = kai_ansible(desk, "users", "list", "--plain")
    assert "users.yaml" in output or "kai_install_users_file" in output, output


@pytest.mark.sample(2, "the same way with another thing in it")
@pytest.mark.parametrize("plant", ["a file", "a named pipe", "a link to nothing", "a log"])
def test_what_is_in_the_way_of_a_log_is_no_reason_to_fail(desk: Desk, plant: str) -> None:
    logs = desk.home / ".local/state/kai-ansible/runs"
    logs.mkdir(parents=True)
    if plant == "a log":
        for number in range(30):
            (logs / f"2026{number:02}-status-abcd.jsonl").mkdir()
            (logs / f"20260{number:02}-status-abcd.jsonl").write_bytes(b"\xff\0")
    else:
        {**UNREADABLE, "a file": in_place_of(Path.touch)}[plant](logs)
    assert desk.run("show").returncode in (0, 1, 3)
