"""Writing and reading sudoers; that sudo agrees is tested on a machine."""

import fnmatch
import posixpath
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kai_ansible.rules.contract import Contract
from kai_ansible.rules.paths import fault_of_path
from kai_ansible.rules.sudoers import (
    commands_by_account,
    flags_in_force,
    includes,
    kill_arguments,
    policy_with_candidate,
    reads_directory,
    secure_path,
    sudo_version,
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


def test_a_strange_line_ends() -> None:
    # a pattern that tries every way to split it would not come back
    assert commands_by_account("kai ALL=(alice) " + "A" * 5000) == []


def test_secure_path() -> None:
    directories = ["/opt/a b", "/opt/c,d=e#f", "/usr/bin"]
    assert secure_path(directories) == '"/opt/a b:/opt/c,d=e#f:/usr/bin"'
    for wrong in ("/opt/a:b", 'x"', "/opt/\n", "relative"):
        with pytest.raises(ValueError, match=r"(has|is) "):
            secure_path(["/usr/bin", wrong])


@pytest.mark.parametrize(
    ("policy", "is_read"),
    [
        ("@includedir /etc/sudoers.d\n", True),
        ("#includedir /etc/sudoers.d", True),
        ('Defaults env_reset\n@includedir\t"/etc/sudoers.d" \n', True),
        ("  @includedir /etc/sudoers.d/ # as Debian has it\n", True),
        ("@includedir sudoers.d\n", True),
        ("@include /etc/sudoers.local\n", True),
        ("@include sudoers.bot1\n", False),
        ("@include sudoers.%h\n", True),
        ("@include sub/nested\n", True),
        ('@include "/etc/with blanks"\n', True),
        ("@include /etc/with\\ blanks\n", True),
        ("@include /etc/loop\n", False),
        ("@include /etc/nowhere\n", False),
        ("##includedir /etc/sudoers.d\n", False),
        ("# includedir /etc/sudoers.d\n", False),
        ("@includedir /etc/sudoers.d.old\n", False),
        ("@include /etc/sudoers.d\n", False),
        ("", False),
    ],
)
def test_whether_drop_ins_are_read(policy: str, is_read: bool) -> None:
    files = {
        "/etc/sudoers": policy,
        "/etc/sudoers.local": "@includedir sudoers.d",
        "/etc/sudoers.bot": "@includedir /etc/sudoers.d",
        "/etc/sub/nested": "@includedir ../sudoers.d",
        "/etc/with blanks": "@includedir /etc/sudoers.d",
        "/etc/loop": "@include loop",
    }
    assert reads_directory("/etc/sudoers", "/etc/sudoers.d", files.get, str, "bot") is is_read


def test_a_file_that_includes_itself_many_times_is_read_once() -> None:
    asked: list[str] = []

    def read(path: str) -> str:
        asked.append(path)
        return "@include sudoers\n@include other\n" * 3

    assert not reads_directory("/etc/sudoers", "/etc/sudoers.d", read, str)
    assert asked == ["/etc/sudoers", "/etc/other"]


@pytest.mark.parametrize(("files", "is_read"), [(128, True), (129, False)])
def test_no_more_files_follow_each_other_than_sudo_reads(files: int, is_read: bool) -> None:
    chain = {f"/{number}": f"@include {number + 1}" for number in range(files)}
    chain[f"/{files}"] = "@includedir /etc/sudoers.d"
    assert reads_directory("/0", "/etc/sudoers.d", chain.get, str) is is_read


def linked(path: str) -> str:
    """Return a path without links on a host where /etc is one, as on a Mac."""
    return re.sub("^/etc", "/private/etc", path)


@pytest.mark.parametrize("named", ["/etc/sudoers.d", "/private/etc/sudoers.d"])
def test_two_paths_of_one_directory_are_one(named: str) -> None:
    policy = f"root ALL=(ALL) ALL\n#includedir {named}\n"
    read = {"/etc/sudoers": policy}.get
    assert reads_directory("/etc/sudoers", "/etc/sudoers.d", read, linked)
    assert not reads_directory("/etc/sudoers", "/etc/sudoers.old", read, linked)
    # the deployed drop-in must not be read beside the candidate
    found = policy_with_candidate(policy, "/etc/sudoers.d", ["kai"], "kai", "/tmp/kai", linked)
    assert found == "root ALL=(ALL) ALL\n#include /tmp/kai\n"


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("Sudo version 1.9.16p2\nmore\n", (1, 9, 16)),
        ("Sudo version 1.8.21b1", (1, 8, 21)),
        ("Sudo version 2.0", (2, 0, 0)),
        ("sudo-rs 0.2.8", None),
        ("", None),
    ],
)
def test_the_version_of_sudo(said: str, version: tuple[int, int, int] | None) -> None:
    assert sudo_version(said) == version


LISTING = """Matching Defaults entries for kai on bot:
    env_reset, mail_badpass, secure_path=/usr/sbin\\:/usr/bin, use_pty,
    requiretty, noexec, !noexec, !intercept

User kai may run the following commands on bot:
    (alice) NOPASSWD: /bin/noexec, requiretty
"""


def test_the_flags_that_are_in_force() -> None:
    flags = flags_in_force(LISTING)
    assert {"env_reset", "requiretty", "use_pty"} <= flags
    assert not flags & {"noexec", "intercept"}
    assert flags_in_force("User nobody is not allowed to run sudo on bot.\n") == set()


def test_the_policy_with_the_candidate() -> None:
    policy = "Defaults env_reset\nroot ALL=(ALL) ALL\n@includedir /etc/sudoers.d\n# end\n"
    names = ["zz", "README", "operator", "kai.dpkg-old", ".hidden", "backup~", "10-first"]
    assert policy_with_candidate(policy, "/etc/sudoers.d", names, "kai", "/tmp/s/kai", str) == (
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
    found = policy_with_candidate(
        "#includedir /d\n", "/d", ["kai", "other"], "kai", "/tmp/kai", str
    )
    assert found == "#include /tmp/kai\n#include /d/other\n"


def test_the_candidate_is_part_of_a_policy_that_reads_it_by_another_file() -> None:
    policy = '@includedir /e\n@include "local rules"\nroot ALL=(ALL) ALL\n#include /x/%h\n'
    found = policy_with_candidate(policy, "/etc/sudoers.d", ["kai"], "kai", "/tmp/kai", str)
    assert found == (
        "#includedir /e\n"
        "#include /etc/local\\ rules\n"
        "root ALL=(ALL) ALL\n"
        "#include /x/%h\n"
        "#include /tmp/kai\n"
    )


def test_blanks_in_names_of_drop_ins() -> None:
    found = policy_with_candidate("@includedir /d\n", "/d", ["my rules"], "kai", "/tmp/kai", str)
    assert found == "#include /tmp/kai\n#include /d/my\\ rules\n"


@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1))
def test_a_path_is_included_as_it_is(name: str) -> None:
    path = "/" + name.strip("/ \t")
    if "%h" in path or path != posixpath.normpath(path):
        return
    text = policy_with_candidate("@includedir /d", "/d", [], "kai", path, str)
    assert includes(text, "/etc") == {0: (False, path)}


ENDED = [
    *("-9 1", "-15 4194304", "-2 77", "-19 100000"),
    *("-KILL -10", "-KILL -4194304", "-KILL -12345"),
]
NOT_ENDED = [
    *("-9 -1", "-9 0", "-9 1 -1", "-9 1 2", "-KILL -1", "-KILL 12", "-KILL -0", "-KILL -12 -1"),
    *("-KILL -12 13", "-TERM -12", "-s KILL 1", "-0 1", "-9", "", "-KILL", "-9 12a", "-KILL -1x"),
    "-100 1",
]


@pytest.mark.parametrize("version", ["1.9.10", "1.9.16p2", "1.9.9", "1.8.21p2"])
def test_kill_may_do_what_the_bot_does_and_nothing_more(contract: Contract, version: str) -> None:
    known = contract.sudoers.kill_arguments
    rules = kill_arguments(known, f"Sudo version {version}")
    matches = (
        re.search
        if rules[0].startswith("^")
        else lambda rule, words: fnmatch.fnmatchcase(words, rule)
    )
    for words in ENDED:
        assert any(matches(rule, words) for rule in rules), words
    for words in NOT_ENDED:
        assert not any(matches(rule, words) for rule in rules), words
