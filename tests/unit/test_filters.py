"""The filter and the templates of the role, through Ansible's own templating."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from kai.protected import parse_env
from samples import SECRET, TOKEN, probe, user, variables

from kai_ansible.rules.configuration import read_configuration
from kai_ansible.rules.contract import Contract
from kai_ansible.rules.desired_state import desired_state
from kai_ansible.rules.run_plan import Subject, desired_files
from kai_ansible.rules.sudoers import commands_by_account

Render = Callable[..., Any]
TEMPLATES = Path(__file__).parents[2] / "roles" / "kai_install" / "templates"


def test_problems_are_numbered(render: Render) -> None:
    problem = {"where": "x", "found": "a", "expected": "b", "fix": "c"}
    line = "x: found a, expected b. Fix: c"
    assert render("them | kai.bot.problems_text", them=[problem]) == (
        f"1 problem; nothing was changed.\n1. {line}"
    )
    assert render("them | kai.bot.problems_text", them=[problem] * 2) == (
        f"2 problems; nothing was changed.\n1. {line}\n2. {line}"
    )


@pytest.fixture(scope="module")
def rendered(render: Render, contract: Contract) -> Callable[[str], str]:
    """Return, by its path, a file that an install writes for a difficult installation."""
    given = variables(
        user(1, "Ada", os_user="alice", agent_backend="codex", model="gpt-5.4"),
        user(2, "Ben: {{ x }}", os_user="bob", shoe=44),
        install_dir="/opt/50% kai",
        codex_auth_mode="api_key",
        openai_api_key="sk-'\"\\ $x # {{ not a template }}",
        extra_env={"JSON": '{"pr_review":"sonnet"}'},
    )
    seen = probe(
        binaries={
            "claude": [
                {"path": "/opt/a b/claude", "source": "path", "fault": None, "changers": []}
            ],
            "codex": [
                {"path": "/opt/c,d/codex=1", "source": "path", "fault": None, "changers": []}
            ],
        }
    )
    configuration = read_configuration(contract, given)
    desired = desired_state(configuration, seen)
    assert desired["problems"] == []

    def render_template(name: str, values: Mapping[str, Any]) -> str:
        text: str = render(
            "lookup('ansible.builtin.template', path)", path=str(TEMPLATES / name), plan=values
        )
        return text

    subject = Subject(configuration, given, {}, render_template)
    files, secret_contents = desired_files(subject, desired)
    texts = {**{entry["path"]: entry.get("content") for entry in files}, **secret_contents}
    return lambda path: str(texts[path])


def test_the_environment_file(rendered: Callable[[str], str]) -> None:
    text = rendered("/etc/kai/env")
    assert text.endswith('WEBHOOK_SECRET="' + SECRET + '"\n')
    assert parse_env(text) == {
        "AGENT_BACKEND": "claude",
        "CODEX_AUTH_MODE": "api_key",
        "CODEX_BIN": "/opt/c,d/codex=1",
        "DEFAULT_MODEL": "sonnet",
        "JSON": '{"pr_review":"sonnet"}',
        "OPENAI_API_KEY": "sk-'\"\\ $x # {{ not a template }}",
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "TTS_ENABLED": "false",
        "VOICE_ENABLED": "false",
        "WEBHOOK_PORT": "8080",
        "WEBHOOK_SECRET": SECRET,
    }


def test_users_yaml(rendered: Callable[[str], str]) -> None:
    assert yaml.safe_load(rendered("/etc/kai/users.yaml")) == {
        "users": [
            user(1, "Ada", os_user="alice", agent_backend="codex", model="gpt-5.4"),
            user(2, "Ben: {{ x }}", os_user="bob", shoe=44),
        ]
    }


def test_the_sudoers_drop_in(rendered: Callable[[str], str]) -> None:
    text = rendered("/etc/sudoers.d/kai")
    # the end of an alias tells it from that of another install
    text = re.sub(r"\b(KAI_[A-Z]+_[A-Z]+)_[0-9A-F]{8}\b", r"\1", text)
    rules = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert rules == [
        'Defaults:kai secure_path="/opt/a b:/usr/local/bin:/usr/bin:/bin"',
        'Defaults:kai env_reset, !setenv, env_keep="KAI_WEBHOOK_SECRET TMPDIR"',
        "Defaults:kai !log_allowed",
        "Cmnd_Alias KAI_CODEX_LOGIN = /opt/c\\,d/codex\\=1",
        'Defaults!KAI_CODEX_LOGIN env_keep += "OPENAI_API_KEY"',
        "Cmnd_Alias KAI_CODEX_MEMORY ="
        " /opt/c\\,d/codex\\=1 exec --json --skip-git-repo-check --ephemeral --ignore-rules,"
        " /opt/c\\,d/codex\\=1 exec --json --skip-git-repo-check --ephemeral --ignore-rules *",
        'Defaults!KAI_CODEX_MEMORY env_keep += "CODEX_HOME OPENAI_API_KEY OPENAI_BASE_URL"',
        "Cmnd_Alias KAI_CLAUDE_CHAT = /opt/a\\ b/claude",
        'Defaults!KAI_CLAUDE_CHAT env_keep += "CLAUDE_AUTOCOMPACT_PCT_OVERRIDE"',
        "Cmnd_Alias KAI_CLAUDE_MEMORY = /opt/a\\ b/claude --print, /opt/a\\ b/claude --print *",
        "Defaults!KAI_CLAUDE_MEMORY env_keep +="
        ' "CLAUDE_CONFIG_DIR ANTHROPIC_API_KEY ANTHROPIC_BASE_URL"',
        "kai ALL=(root) NOPASSWD: /usr/bin/cat /etc/kai/env",
        "kai ALL=(root) NOPASSWD: /usr/bin/cat /etc/kai/users.yaml",
        "kai ALL=(root) NOPASSWD: /usr/bin/cat /etc/kai/services.yaml",
        "kai ALL=(root) NOPASSWD: /usr/bin/cat /etc/kai/workspaces.yaml",
        "kai ALL=(root) NOPASSWD: /usr/bin/cat /etc/kai/totp.secret",
        "kai ALL=(root) NOPASSWD: /usr/bin/cat /etc/kai/totp.attempts",
        "kai ALL=(root) NOPASSWD: /usr/bin/tee /etc/kai/totp.attempts",
        "kai ALL=(alice) NOPASSWD: /opt/c\\,d/codex\\=1",
        "kai ALL=(bob) NOPASSWD: /opt/a\\ b/claude",
        "kai ALL=(alice) NOPASSWD: /bin/kill ^-[1-9][0-9]? [1-9][0-9]*$",
        "kai ALL=(alice) NOPASSWD: /bin/kill ^-KILL -[1-9][0-9][0-9]*$",
        "kai ALL=(bob) NOPASSWD: /bin/kill ^-[1-9][0-9]? [1-9][0-9]*$",
        "kai ALL=(bob) NOPASSWD: /bin/kill ^-KILL -[1-9][0-9][0-9]*$",
    ]
    # a later look at the host reads the same back
    assert commands_by_account(text)[-6:] == [
        ("alice", "/opt/c,d/codex=1"),
        ("bob", "/opt/a b/claude"),
        ("alice", "/bin/kill"),
        ("alice", "/bin/kill"),
        ("bob", "/bin/kill"),
        ("bob", "/bin/kill"),
    ]


def test_the_unit(rendered: Callable[[str], str]) -> None:
    lines = rendered("/etc/systemd/system/kai.service").splitlines()
    assert 'ExecStart="/opt/50%% kai/current/venv/bin/python" -m kai' in lines
    assert "WorkingDirectory=/opt/50%% kai/current" in lines
    assert 'Environment="KAI_INSTALL_DIR=/opt/50%% kai/current"' in lines
    assert 'Environment="PATH=/opt/a b:/home/kai/.local/bin:/usr/local/bin:/usr/bin:/bin"' in lines
    assert "User=kai" in lines
