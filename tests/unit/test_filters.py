"""The filters and the templates of the role, through Ansible's own templating."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleError
from kai.protected import parse_env
from samples import SECRET, TOKEN, probe, user, variables

from kai_ansible.rules.sudoers import commands_by_account

Contract = dict[str, Any]
Render = Callable[..., Any]
TEMPLATES = Path(__file__).parents[2] / "roles" / "kai_install" / "templates"


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("'a b' | kai.bot.env_line('KEY')", 'KEY="a b"'),
        ("'/opt/a b' | kai.bot.sudoers_command", "/opt/a\\ b"),
        ("['/a b', '/c'] | kai.bot.secure_path", '"/a b:/c"'),
        ("'50% $x' | kai.bot.unit_word", '"50%% $x"'),
        ("'50% $x' | kai.bot.unit_argument", '"50%% $$x"'),
        ("'/opt/50%' | kai.bot.unit_path", "/opt/50%%"),
    ],
)
def test_words(render: Render, expression: str, result: str) -> None:
    assert render(expression) == result


def test_what_is_refused_of_a_host_fails_no_filter(render: Render, contract: Contract) -> None:
    for name in contract["host"]:
        given = variables(**{name: {"no": "such value"}})
        found = render("given | kai.bot.configuration(contract)", given=given, contract=contract)
        assert f"kai_install_{name}" in [problem["where"] for problem in found["problems"]], name


def test_a_rollback_knows_what_it_goes_back_to(render: Render) -> None:
    installs = [
        {"number": number, "release": "a", "snapshot": False, "time": "", "rolled_back_to": None}
        for number in (1, 2)
    ]
    status = {
        "installs": installs,
        "releases": [{"id": "a", "state": "good", "live": True}],
        "live": "a",
        "unfinished": None,
        "damaged": [],
    }
    found = render("status | kai.bot.rollback_choice('', false)", status=status)
    assert (found["number"], found["release"], found["problems"]) == (1, "a", [])
    found = render("status | kai.bot.rollback_choice(2, false)", status=status)
    assert found["number"] == 2
    found = render("status | kai.bot.rollback_choice('', true)", status=status)
    assert found["number"] is None
    assert "no snapshot" in found["problems"][0]["found"]


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("value | kai.bot.env_line('KEY')", "the value of KEY has a line break or NUL"),
        ("'x' | kai.bot.env_line('A B')", "'A B' is not the name of an environment variable"),
        ("'/opt/*' | kai.bot.sudoers_command", "glob or shell character"),
        ("['/a:b'] | kai.bot.secure_path", "has a colon"),
        ("[] | kai.bot.python_for('new')", "requires-python 'new' is not a range"),
    ],
)
def test_what_cannot_be_written_is_an_error(render: Render, expression: str, reason: str) -> None:
    with pytest.raises(AnsibleError) as caught:
        render(expression, value="sesame\n")
    assert reason in str(caught.value)
    assert "sesame" not in str(caught.value)


INTERPRETERS = [
    {"path": "/root/python3.15", "version": "3.15.0", "fault": "kai cannot execute"},
    {"path": "/usr/local/bin/python3.14", "version": "3.14.0rc1", "fault": None},
    {"path": "/usr/bin/python3.13", "version": "3.13.5", "fault": None},
    {"path": "/usr/bin/python3.11", "version": "3.11.2", "fault": None},
]


@pytest.mark.parametrize(
    ("requires", "wanted", "path"),
    [
        (">=3.13", "", "/usr/local/bin/python3.14"),
        (">=3.13,<3.14", "", "/usr/bin/python3.13"),
        ("~=3.11.0", "", "/usr/bin/python3.11"),
        ("", "", "/usr/local/bin/python3.14"),
        (">=3.11", "/usr/bin/python3.11", "/usr/bin/python3.11"),
    ],
)
def test_the_newest_interpreter_in_the_range(
    render: Render, requires: str, wanted: str, path: str
) -> None:
    found = render(
        "them | kai.bot.python_for(requires, wanted)",
        them=INTERPRETERS,
        requires=requires,
        wanted=wanted,
    )
    assert found == {"path": path, "problems": []}


@pytest.mark.parametrize(
    ("them", "wanted", "told"),
    [
        (
            [INTERPRETERS[0], INTERPRETERS[2]],
            "",
            "/root/python3.15, which kai cannot execute; /usr/bin/python3.13, which is 3.13.5",
        ),
        (INTERPRETERS, "/root/python3.15", "/root/python3.15, which kai cannot execute"),
        (INTERPRETERS, "/usr/bin/python3.11", "/usr/bin/python3.11, which is 3.11.2"),
        ([], "", "no Python on the host"),
    ],
)
def test_no_interpreter_in_the_range(
    render: Render, them: list[dict[str, str]], wanted: str, told: str
) -> None:
    found = render("them | kai.bot.python_for('>=3.14', wanted)", them=them, wanted=wanted)
    (problem,) = found["problems"]
    assert found["path"] == ""
    assert (problem["where"], problem["found"]) == ("kai_install_python", told)
    assert problem["expected"].startswith("Python >=3.14 with")


def test_problems_are_numbered(render: Render) -> None:
    problem = {"where": "x", "found": "a", "expected": "b", "fix": "c"}
    line = "x: found a, expected b. Fix: c"
    assert render("them | kai.bot.problems_text", them=[problem]) == (
        f"1 problem; nothing was changed.\n1. {line}"
    )
    assert render("them | kai.bot.problems_text", them=[problem] * 2) == (
        f"2 problems; nothing was changed.\n1. {line}\n2. {line}"
    )


def read(
    render: Render, contract: Contract, given: Contract, text: str | None = None
) -> dict[str, Any]:
    result: dict[str, Any] = render(
        "given | kai.bot.configuration(contract, text)", given=given, contract=contract, text=text
    )
    return result


def test_a_configuration(render: Render, contract: Contract) -> None:
    given = variables(secret_extra_env={"TOKEN": "x", "GONE": None, "NUMBER": 5})
    found = read(render, contract, given)
    assert found["problems"] == []
    assert found["host"]["service_user"] == "kai"
    secrets = ["NUMBER", "TELEGRAM_BOT_TOKEN", "TOKEN", "WEBHOOK_SECRET"]
    assert found["secret_keys"] == secrets


@pytest.mark.parametrize("extra", [None, "", {}, ["x"], "x"])
def test_an_unusable_mapping_of_secrets_is_no_crash(
    render: Render, contract: Contract, extra: Any
) -> None:
    found = read(render, contract, variables(secret_extra_env=extra))
    assert len(found["problems"]) == (1 if extra else 0)
    assert found["secret_keys"] == ["TELEGRAM_BOT_TOKEN", "WEBHOOK_SECRET"]


@pytest.mark.parametrize(
    ("text", "where", "told"),
    [
        ("users:\n- {telegram_id: 1, name: Ada, os_user: alice, model: opus}\n", [], ""),
        ("", ["users_file"], "nobody"),
        ("{}", ["users_file"], "nobody"),
        ("users:\n", ["users_file"], "nobody"),
        ("users: 3\n", ["users_file"], "int"),
        ("- 1\n", ["users_file"], "nobody"),
        ("users: [", ["users_file"], "text that is not YAML"),
    ],
)
@pytest.mark.parametrize("port", [8080, 0])
def test_the_operators_own_users_yaml(
    render: Render, contract: Contract, text: str, where: list[str], told: str, port: int
) -> None:
    given = variables(users_file="/srv/users.yaml", webhook_port=port)
    del given["kai_install_users"]
    problems = read(render, contract, given, text)["problems"]
    other = [] if port else ["kai_install_webhook_port"]
    assert sorted(problem["where"] for problem in problems) == sorted(
        [f"kai_install_{name}" for name in where] + other
    )
    assert told in "".join(problem["found"] for problem in problems)


@pytest.fixture(scope="module")
def rendered(render: Render, contract: Contract) -> Callable[[str], str]:
    """Return a template of the role as the role renders it for a difficult installation."""
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
    desired = render(
        "given | kai.bot.desired_state(contract, seen)", given=given, contract=contract, seen=seen
    )
    assert desired["problems"] == []

    def of(name: str) -> str:
        text: str = render(
            "lookup('ansible.builtin.template', path)",
            path=str(TEMPLATES / name),
            _kai_install_desired=desired,
            _kai_install_contract=contract,
            _kai_install_host={
                **read(render, contract, given)["host"],
                "install_dir": "/opt/50% kai",
            },
        )
        return text

    return of


def test_the_environment_file(rendered: Callable[[str], str]) -> None:
    text = rendered("env.j2")
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
    assert yaml.safe_load(rendered("users.yaml.j2")) == {
        "users": [
            user(1, "Ada", os_user="alice", agent_backend="codex", model="gpt-5.4"),
            user(2, "Ben: {{ x }}", os_user="bob", shoe=44),
        ]
    }


def test_the_sudoers_drop_in(rendered: Callable[[str], str]) -> None:
    text = rendered("sudoers.j2")
    # the end of an alias tells it from that of another install
    text = re.sub(r"\b(KAI_[A-Z]+_[A-Z]+)_[0-9A-F]{8}\b", r"\1", text)
    rules = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert rules == [
        'Defaults:kai secure_path="/opt/a b:/usr/local/bin:/usr/bin:/bin"',
        'Defaults:kai env_reset, !setenv, env_keep="KAI_WEBHOOK_SECRET TMPDIR"',
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
    lines = rendered("kai.service.j2").splitlines()
    assert 'ExecStart="/opt/50%% kai/current/venv/bin/python" -m kai' in lines
    assert "WorkingDirectory=/opt/50%% kai/current" in lines
    assert 'Environment="KAI_INSTALL_DIR=/opt/50%% kai/current"' in lines
    assert 'Environment="PATH=/opt/a b:/home/kai/.local/bin:/usr/local/bin:/usr/bin:/bin"' in lines
    assert "User=kai" in lines


@pytest.mark.parametrize(
    "text", ["yes", "0123", "Jos\u00e9", "a\u0085b", "a\u2028b", " a\n b ", "{{ x }}"]
)
def test_users_yaml_reads_back_as_it_was(render: Render, text: str) -> None:
    users = [{"telegram_id": 7, "name": text, "note": [text, {"x": text}]}]
    written = render("users | kai.bot.users_yaml", users=users)
    assert yaml.safe_load(written) == {"users": users}
    assert ("Jos\u00e9" in written) is (text == "Jos\u00e9")
