"""Standard streams that are closed, full or of a small encoding, and sizes that no terminal has."""

import json
import os
import subprocess

import pytest

from kai_ansible.__main__ import forget_useless_sizes
from tests.cli.desk import KAI_ANSIBLE, Desk

MESSAGE = "Standard output cannot be written: No space left on device."


@pytest.fixture
def bot(desk: Desk) -> Desk:
    """A desk with a host and a user whose name is not ASCII."""
    desk.write("inventory/hosts.yml", {"all": {"hosts": {"bot": {"ansible_connection": "local"}}}})
    users = [{"telegram_id": 1, "name": "J\xf6rg"}]
    desk.write("inventory/host_vars/bot/kai.yml", {"kai_install_users": users})
    return desk


def run(desk: Desk, words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a shell's command line; in it, kai-ansible is this one."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(desk.home), "LC_ALL": "C.UTF-8"}
    return subprocess.run(
        ["/bin/sh", "-c", words.replace("kai-ansible", KAI_ANSIBLE)],
        cwd=desk.work,
        env={**environment, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def test_a_closed_input_is_an_empty_one(bot: Desk) -> None:
    done = run(bot, "kai-ansible users list --json <&-")
    assert done.returncode == 0, done.stderr
    assert "J\xf6rg" in json.dumps(json.loads(done.stdout), ensure_ascii=False)


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-"])
def test_a_closed_output_ends_no_command(bot: Desk, closed: str) -> None:
    done = run(bot, f"kai-ansible users list {closed}")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert run(bot, f"kai-ansible no-such-command {closed}").returncode == 2


@pytest.mark.parametrize("words", ["--help", "--version", "users list", "users list --json"])
@pytest.mark.parametrize("variables", [{}, {"PYTHONUNBUFFERED": "1"}])
def test_an_output_that_cannot_be_written_is_an_error(
    bot: Desk, words: str, variables: dict[str, str]
) -> None:
    done = run(bot, f"kai-ansible {words} >/dev/full", **variables)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(MESSAGE), done.stderr
    assert done.stderr.count(MESSAGE) == 1
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_an_error_keeps_its_code_when_the_output_cannot_be_written(bot: Desk) -> None:
    done = run(bot, "kai-ansible users list none --json -i nowhere >/dev/full")
    assert done.returncode in (1, 2)
    assert done.stderr
    assert "Exception ignored" not in done.stderr


def test_a_character_that_the_encoding_lacks_ends_no_command(bot: Desk) -> None:
    small = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = run(bot, "kai-ansible users list", **small)
    assert done.returncode == 0, done.stderr
    assert "J\\xf6rg" in done.stdout


@pytest.mark.parametrize("size", ["0", "-1", "", "wide", "1e3", "\xb2", "99999999999"])
def test_a_size_that_no_terminal_has_is_ignored(monkeypatch: pytest.MonkeyPatch, size: str) -> None:
    for name in ("COLUMNS", "LINES"):
        monkeypatch.setenv(name, size)
    forget_useless_sizes()
    assert not {"COLUMNS", "LINES"} & set(os.environ)


def test_a_size_of_a_terminal_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    forget_useless_sizes()
    assert os.environ["COLUMNS"] == "120"


def test_no_column_prints_as_much_as_no_size(bot: Desk) -> None:
    assert "J\xf6rg" in run(bot, "kai-ansible users list", COLUMNS="0").stdout
