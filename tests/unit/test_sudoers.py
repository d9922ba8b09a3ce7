"""Writing and reading sudoers; that sudo agrees is tested on a machine."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kai_ansible.rules.paths import fault_of_path
from kai_ansible.rules.sudoers import (
    commands_by_account,
    includes_directory,
    policy_with_candidate,
    secure_path,
    sudoers_command,
)

OWN = r"""
# Managed by kai-ansible: a change here is lost at the next install.

Defaults:kai secure_path="/opt/claude/bin:/usr/local/bin:/usr/bin:/bin"
Defaults:kai env_keep += "OPENAI_API_KEY"

kai ALL=(root) NOPASSWD: /usr/bin/cat /etc/kai/env
kai ALL=(root) NOPASSWD: /usr/bin/tee /etc/kai/totp.attempts

# codex as alice
kai ALL=(alice) SETENV: NOPASSWD: /opt/my\ tools\,\ new/codex

# stopping what runs as alice
kai ALL=(alice) NOPASSWD: /bin/kill
"""
# Kai runtime contract, section 4.1
KAI = """\
kai ALL=(root) NOPASSWD: /usr/bin/cat /etc/kai/env
kai ALL=(root) NOPASSWD: /usr/bin/tee /etc/kai/totp.attempts
kai ALL=(alice) SETENV: NOPASSWD: /home/kai/.local/bin/claude
kai ALL=(alice) SETENV: NOPASSWD: /opt/homebrew/bin/codex
kai ALL=(alice) NOPASSWD: /bin/kill
"""


@pytest.mark.parametrize(
    ("path", "written"),
    [
        ("/usr/local/bin/codex", "/usr/local/bin/codex"),
        ("/opt/a b/x", r"/opt/a\ b/x"),
        ("/opt/a,b:c=d#e", r"/opt/a\,b\:c\=d\#e"),
        ("/opt/a%@+^~é/x", "/opt/a%@+^~é/x"),
    ],
)
def test_a_command(path: str, written: str) -> None:
    assert sudoers_command(path) == written


@pytest.mark.parametrize(
    "path",
    [
        "codex",
        "/opt/",
        "/opt/*",
        "/opt/a\nroot",
        "/opt/[a]",
        "/opt/a\\b",
        '/opt/"a"',
        "ALL",
        "~/codex",
    ],
)
def test_what_is_no_command_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match=r"(has|is|ends|begins) "):
        sudoers_command(path)


characters = st.characters(exclude_categories=["Cs"]) | st.sampled_from(",:= #%@+^~\xa0\u3000")


@given(st.lists(st.text(characters, min_size=1), min_size=1).map(lambda p: "/" + "/".join(p)))
def test_a_rule_is_read_back(path: str) -> None:
    if fault_of_path(path):
        with pytest.raises(ValueError, match=r"(has|is|ends) "):
            sudoers_command(path)
        return
    command = sudoers_command(path)
    for rest in ("", " --flag value", ", /bin/kill"):
        rules = f"kai ALL=(alice) SETENV: NOPASSWD: {command}{rest}\n"
        assert commands_by_account(rules) == [("alice", path)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            OWN,
            [
                ("root", "/usr/bin/cat"),
                ("root", "/usr/bin/tee"),
                ("alice", "/opt/my tools, new/codex"),
                ("alice", "/bin/kill"),
            ],
        ),
        (
            KAI,
            [
                ("root", "/usr/bin/cat"),
                ("root", "/usr/bin/tee"),
                ("alice", "/home/kai/.local/bin/claude"),
                ("alice", "/opt/homebrew/bin/codex"),
                ("alice", "/bin/kill"),
            ],
        ),
        ("kai ALL=(a) CWD=* SETENV: NOPASSWD: /usr/bin/codex\n", [("a", "/usr/bin/codex")]),
        ("kai ALL = (a) NOPASSWD:/x/codex app-server", [("a", "/x/codex")]),
        ("\tkai ALL=(a)/x/codex", [("a", "/x/codex")]),
        ("#kai ALL=(a) NOPASSWD: /x/codex\n# kai ALL=(a) /x\n", []),
        ("kai ALL=(ALL) NOPASSWD: ALL\nkai ALL=(a) sha256:0 /x\n%kai ALL=NOPASSWD: /x\n", []),
        ("", []),
    ],
)
def test_rules_that_stand_in_a_file(text: str, found: list[tuple[str, str]]) -> None:
    assert commands_by_account(text) == found


def test_a_strange_line_takes_no_time() -> None:
    started = time.monotonic()
    assert commands_by_account("kai ALL=(alice) " + "A" * 5000) == []
    assert time.monotonic() - started < 1


def test_secure_path() -> None:
    directories = ["/opt/a b", "/opt/c,d=e#f", "/usr/bin"]
    assert secure_path(directories) == '"/opt/a b:/opt/c,d=e#f:/usr/bin"'
    for wrong in ("/opt/a:b", 'x"', "/opt/\n", "relative"):
        with pytest.raises(ValueError, match=r"(has|is) "):
            secure_path(["/usr/bin", wrong])


@pytest.mark.parametrize(
    ("policy", "included"),
    [
        ("@includedir /etc/sudoers.d\n", True),
        ("#includedir /etc/sudoers.d", True),
        ('Defaults env_reset\n@includedir\t"/etc/sudoers.d" \n', True),
        ("##includedir /etc/sudoers.d\n", False),
        ("# includedir /etc/sudoers.d\n", False),
        ("@includedir /etc/sudoers.d.old\n", False),
        ("@include /etc/sudoers.d\n", False),
        ("", False),
    ],
)
def test_whether_drop_ins_are_read(policy: str, included: bool) -> None:
    assert includes_directory(policy, "/etc/sudoers.d") is included


def test_the_policy_with_the_candidate() -> None:
    policy = "Defaults env_reset\nroot ALL=(ALL) ALL\n@includedir /etc/sudoers.d\n# end\n"
    names = ["zz", "README", "operator", "kai.dpkg-old", ".hidden", "backup~", "10-first"]
    assert policy_with_candidate(policy, "/etc/sudoers.d", names, "kai", "/tmp/s/kai") == (
        "Defaults env_reset\n"
        "root ALL=(ALL) ALL\n"
        "#include /etc/sudoers.d/10-first\n"
        "#include /etc/sudoers.d/README\n"
        "#include /tmp/s/kai\n"
        "#include /etc/sudoers.d/operator\n"
        "#include /etc/sudoers.d/zz\n"
        "# end\n"
    )


def test_the_candidate_stands_for_the_drop_in_of_its_name() -> None:
    found = policy_with_candidate("#includedir /d\n", "/d", ["kai", "other"], "kai", "/tmp/kai")
    assert found == "#include /tmp/kai\n#include /d/other\n"
    # another directory of drop-ins stays as it is
    other = policy_with_candidate("@includedir /e\n", "/d", ["kai"], "kai", "/tmp/kai")
    assert other == "@includedir /e\n"


def test_blanks_in_names_of_drop_ins() -> None:
    found = policy_with_candidate("@includedir /d\n", "/d", ["my rules"], "kai", "/tmp/kai")
    assert found == "#include /tmp/kai\n#include /d/my\\ rules\n"
