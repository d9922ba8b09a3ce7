"""The rules of sudo that Kai 2 works under; a machine was asked whether they do."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kai_ansible.rules.accounts import fault_of_account
from kai_ansible.rules.paths import fault_of_path
from kai_ansible.rules.sudo_rules import Rules, rule_lines
from kai_ansible.rules.sudoers import commands_by_account

TOOLS = {"service": "kai", "cat": "/usr/bin/cat", "tee": "/usr/bin/tee", "kill": "/bin/kill"}
RULES = Rules(
    **TOOLS,
    reads=("/etc/kai/env", "/etc/kai/runtime-profiles.yaml"),
    writes=("/etc/kai/totp.attempts",),
    helpers=("/etc/kai/read-principal-document",),
    agents=(("alice", "/usr/local/bin/claude"), ("bob", "/opt/my tools/codex")),
    kill_accounts=("alice", "bob"),
    kill_arguments=("^-KILL -[1-9][0-9]*$",),
)


def test_the_rules() -> None:
    assert rule_lines(RULES) == [
        "kai ALL=(root) NOPASSWD: /usr/bin/cat /etc/kai/env",
        "kai ALL=(root) NOPASSWD: /usr/bin/cat /etc/kai/runtime-profiles.yaml",
        "kai ALL=(root) NOPASSWD: /usr/bin/tee /etc/kai/totp.attempts",
        "kai ALL=(root) NOPASSWD: /etc/kai/read-principal-document *",
        "kai ALL=(alice) CWD=* NOPASSWD: /usr/local/bin/claude",
        r"kai ALL=(bob) CWD=* NOPASSWD: /opt/my\ tools/codex",
        "kai ALL=(alice) NOPASSWD: /bin/kill ^-KILL -[1-9][0-9]*$",
        "kai ALL=(bob) NOPASSWD: /bin/kill ^-KILL -[1-9][0-9]*$",
    ]


def test_the_form_of_kais_own_installer() -> None:
    agents = [("alice", f"/usr/local/bin/{name}") for name in ("claude", "codex")]
    rules = Rules(**TOOLS, agents=agents, kill_accounts=["alice"], sets=True)
    assert rule_lines(rules) == [
        "kai ALL=(alice) CWD=* SETENV: NOPASSWD: /usr/local/bin/claude",
        "kai ALL=(alice) CWD=* SETENV: NOPASSWD: /usr/local/bin/codex",
        "kai ALL=(alice) NOPASSWD: /bin/kill",
    ]
    rules = Rules(**TOOLS, agents=agents[:1], enters=False)
    assert rule_lines(rules) == ["kai ALL=(alice) NOPASSWD: /usr/local/bin/claude"]


def test_nothing_is_granted_as_the_service_user_itself_and_nothing_twice() -> None:
    rules = Rules(
        **TOOLS,
        agents=[("kai", "/x/claude"), ("bob", "/x/claude"), ("bob", "/x/claude")],
        kill_accounts=["kai", "bob", "bob"],
    )
    assert len(rule_lines(rules)) == 2
    assert all("(bob)" in line for line in rule_lines(rules))


@pytest.mark.parametrize("name", ["ALL", "root", "a b", "%wheel", "#1000", "a)", ""])
def test_what_sudo_would_read_otherwise_is_refused(name: str) -> None:
    for rules in (
        Rules(**{**TOOLS, "service": name}),
        Rules(**TOOLS, agents=[(name, "/x/claude")]),
        Rules(**TOOLS, kill_accounts=[name]),
    ):
        with pytest.raises(ValueError, match=re.escape(repr(name))):
            rule_lines(rules)
    with pytest.raises(ValueError, match="not absolute"):
        rule_lines(Rules(**TOOLS, agents=[("bob", "claude")]))


names = st.text("abcXYZ019._-", min_size=1, max_size=8).filter(
    lambda one: not fault_of_account(one)
)
paths = st.text("abc ,:=#é/", min_size=1, max_size=12).map(lambda text: f"/{text}")
commands = paths.filter(lambda path: not fault_of_path(path))


@given(names, st.lists(st.tuples(names, commands)), st.booleans(), st.booleans())
def test_every_rule_reads_back(
    service: str, agents: list[tuple[str, str]], enters: bool, sets: bool
) -> None:
    rules = Rules(**{**TOOLS, "service": service}, agents=agents, enters=enters, sets=sets)
    expected = [one for one in dict.fromkeys(agents) if one[0] != service]
    assert commands_by_account("\n".join(rule_lines(rules))) == expected


@pytest.mark.skipif(not shutil.which("visudo"), reason="visudo is not installed")
def test_visudo_accepts_the_rules(tmp_path: Path) -> None:
    path = tmp_path / "drop-in"
    path.write_text("\n".join(rule_lines(RULES)) + "\n", encoding="utf-8")
    done = subprocess.run(
        ["visudo", "-cf", path], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
