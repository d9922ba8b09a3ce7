"""Hostile answers typed into the wizard: asked again, or written as they were typed."""

from pathlib import Path

import pexpect
import pytest

from kai_ansible.inventory.yaml_edit import meaning
from tests.cli.desk import TOKEN, Desk, exit_code
from tests.hostile.corpus import entries

FIRST_RUN = {
    "source": "kai",
    "TELEGRAM_BOT_TOKEN": TOKEN,
    "telegram_id": "1",
    "os_user": "alice",
    "AGENT_BACKEND": "codex",
    "CODEX_BIN": "/usr/local/bin/codex",
}


def typed(corpus: str, verdict: str, canary: Path) -> list[str]:
    """Return what can be typed: one line, without what has a meaning of its own at a prompt."""
    return [
        value
        for value, _ in entries(corpus, verdict, canary=str(canary))
        if isinstance(value, str)
        and value.isprintable()
        and value == value.strip()
        and value not in ("", "-", "?")
        and len(value) < 400
    ]


@pytest.mark.parametrize(
    ("prompt", "corpus"),
    [("os_user", "accounts"), ("install_dir", "paths"), ("CODEX_BIN", "paths")],
)
def test_hostile_answers_are_refused_with_a_reason(
    desk: Desk, tmp_path: Path, prompt: str, corpus: str
) -> None:
    wizard = desk.wizard()
    wizard.go_to(prompt, **FIRST_RUN)
    hostile = typed(corpus, "refused", tmp_path / "canary")
    assert len(hostile) > 25
    for answer in hostile:
        wizard.child.sendline(answer)
        assert "Expected" in wizard.refusal(), answer
    assert not (tmp_path / "canary").exists()
    assert wizard.abort() == 130


@pytest.mark.sample(1, "the same way with another template")
@pytest.mark.parametrize(
    "name", ["{{ lookup('pipe', 'touch @canary@') }}", "#jinja2: a:b", "# a: b"]
)
def test_a_template_that_is_typed_is_written_as_text(desk: Desk, tmp_path: Path, name: str) -> None:
    canary = tmp_path / "canary"
    name = name.replace("@canary@", str(canary))
    assert desk.wizard().go_on(FIRST_RUN) == 0
    child = desk.spawn("users", "add", "--telegram-id", "7")
    child.expect("Display name")
    child.sendline(name)
    child.expect("OS user")
    child.sendline("")
    child.expect(pexpect.EOF)
    assert exit_code(child) == 0
    text = (desk.host_vars() / "kai.yml").read_text(encoding="utf-8")
    assert meaning(text)["kai_install_users"][1]["name"] == name
    assert desk.run("users", "list", "--json").returncode == 0
    assert desk.run("config", "--no-input", "--no-probe").returncode == 0
    assert not canary.exists()


@pytest.mark.sample(1, "the same way with another word; tests/hostile judges each")
@pytest.mark.parametrize("value", ["\udcff", "a\nb", "\x1b[2J", "ALL"])
def test_hostile_words_on_the_command_line_are_refused_by_name(desk: Desk, value: str) -> None:
    desk.given(desk.answers())
    before = desk.tree()
    fields = ["--telegram-id", "2", "--name", "Eve", f"--os-user={value}"]
    for command in (
        ["users", "add", *fields],
        ["config", "--no-input", "--no-probe", f"--set=service_user={value}"],
        ["config", "--no-input", "--no-probe", f"--set=CODEX_BIN=/opt/{value}\x7f"],
    ):
        done = desk.call(*command, "--json")
        assert done.returncode == 2, done.stdout + done.stderr
        said = done.stdout + done.stderr
        assert "--os-user" in said or "service_user" in said or "codex_bin" in said
        # nothing of it reaches the terminal as it is
        assert "\x1b[2J" not in said
    assert desk.tree() == before
