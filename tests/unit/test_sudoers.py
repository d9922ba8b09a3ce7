"""Writing and reading sudoers; that sudo agrees is tested on a machine."""

import fnmatch
import posixpath
import re
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kai_ansible.rules.contract import Contract
from kai_ansible.rules.paths import fault_of_path
from kai_ansible.rules.sudo_rules import kill_arguments
from kai_ansible.rules.sudoers import (
    PolicyFiles,
    commands_by_account,
    flags_in_force,
    includes,
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
        ("@includedir site\n", True),
        ("@includedir other\n", False),
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
        "/etc/site/10": "@includedir ../sudoers.d",
        "/etc/other/10.conf": "@includedir /etc/sudoers.d",
        "/etc/other/10~": "@includedir /etc/sudoers.d",
    }
    assert reads_directory("/etc/sudoers.d", policy_of(files)) is is_read


def test_a_file_that_includes_itself_many_times_is_read_once() -> None:
    asked: list[str] = []

    def read(path: str) -> str:
        asked.append(path)
        return "@include sudoers\n@include other\n" * 3

    assert not reads_directory("/etc/sudoers.d", PolicyFiles(read, lambda _path: [], str))
    assert asked == ["/etc/sudoers", "/etc/other"]


@pytest.mark.parametrize(
    ("entries", "is_set"),
    [
        ("command_timeout=3", True),
        ('command_timeout="1h30m"', True),
        ("command_timeout=0", False),
        ("command_timeout=0s", False),
        ("command_timeout=3, !command_timeout", False),
        ("command_timeout=0, command_timeout=10m", True),
        ('badpass_message="no\\, command_timeout=3"', False),
        ('passprompt="a, command_timeout=3, b"', False),
    ],
)
def test_a_value_in_force(entries: str, is_set: bool) -> None:
    listing = f"Matching Defaults entries for kai on bot:\n    env_reset, {entries}, use_pty\n\n"
    flags = flags_in_force(listing)
    assert ("command_timeout" in flags) is is_set
    assert {"env_reset", "use_pty"} <= flags


@pytest.mark.parametrize("value", ["infinity", "user", "default"])
def test_a_limit_that_is_none(value: str) -> None:
    listing = "Matching Defaults entries for kai on bot:\n    rlimit_cpu={}, runcwd={}\n\n"
    assert flags_in_force(listing.format(value, "*")) == set()
    assert flags_in_force(listing.format("10", "/srv")) == {"rlimit_cpu", "runcwd"}


def policy_of(files: dict[str, str], real: Callable[[str], str] = str) -> PolicyFiles:
    """Return the policy of a host that has these files, and is called bot."""

    def names(directory: str) -> list[str]:
        return [posixpath.basename(path) for path in files if posixpath.dirname(path) == directory]

    return PolicyFiles(files.get, names, real, "bot")


@pytest.mark.parametrize(("files", "is_read"), [(128, True), (129, False)])
def test_no_more_files_follow_each_other_than_sudo_reads(files: int, is_read: bool) -> None:
    chain = {f"/etc/{number}": f"@include {number + 1}" for number in range(1, files)}
    chain["/etc/sudoers"] = "@include 1"
    chain[f"/etc/{files}"] = "@includedir /etc/sudoers.d"
    assert reads_directory("/etc/sudoers.d", policy_of(chain)) is is_read


def linked(path: str) -> str:
    """Return a path without links on a host where /etc is one, as on a Mac."""
    return re.sub("^/etc", "/private/etc", path)


@pytest.mark.parametrize("named", ["/etc/sudoers.d", "/private/etc/sudoers.d"])
def test_two_paths_of_one_directory_are_one(named: str) -> None:
    policy = f"root ALL=(ALL) ALL\n#includedir {named}\n"
    files = {"/etc/sudoers": policy, f"{named}/kai": "deployed"}
    found = policy_of(files, real=linked)
    assert reads_directory("/etc/sudoers.d", found)
    assert not reads_directory("/etc/sudoers.old", found)
    # the deployed drop-in must not be read beside the candidate
    copies = policy_with_candidate("/etc/sudoers.d/kai", "new", found, "/s")
    assert list(copies.values()) == [
        ("/etc/sudoers", "root ALL=(ALL) ALL\n#includedir /s/1\n"),
        (named, None),
        (f"{named}/kai", "new"),
    ]


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


def read_back(copies: dict[str, tuple[str, str | None]], main: str = "/s/0") -> list[str]:
    """Return the lines of a policy in copies in the order in which sudo reads them."""
    found: list[str] = []
    text = copies[main][1]
    if text is None:
        return [f"nothing at {copies[main][0]}"]
    included = includes(text, "/s", "expanded")
    for number, line in enumerate(text.split("\n")):
        if number not in included:
            found += [line] if line else []
            continue
        is_directory, path = included[number]
        inner = sorted(copy for copy in copies if posixpath.dirname(copy) == path)
        for copy in inner if is_directory else [path]:
            found += read_back(copies, copy)
    return found


def candidate_in(files: dict[str, str], target: str = "/etc/sudoers.d/kai") -> list[str]:
    return read_back(policy_with_candidate(target, "new", policy_of(files), "/s"))


def test_the_policy_with_the_candidate() -> None:
    policy = "Defaults env_reset\nroot ALL=(ALL) ALL\n@includedir /etc/sudoers.d\n# end\n"
    names = ["zz", "README", "operator", "kai.dpkg-old", ".hidden", "backup~", "10-first"]
    files = {"/etc/sudoers": policy, **{f"/etc/sudoers.d/{name}": name for name in names}}
    begin = ["Defaults env_reset", "root ALL=(ALL) ALL"]
    wanted = [*begin, "10-first", "README", "new", "operator", "zz", "# end"]
    assert candidate_in(files) == wanted
    # the candidate stands for the drop-in of its name
    assert candidate_in({**files, "/etc/sudoers.d/kai": "old"}) == wanted


@pytest.mark.parametrize(
    "policy",
    [
        "@include /etc/sudoers.local",
        "#include sudoers.local",
        '@include "/etc/sudoers.local"',
        "@include sudoers.l%h",
        "@include sub/nested",
        "@includedir site",
        "@include /etc/with\\ blanks",
        '@include "with blanks"',
        "@include sudoers.d/kai",
        "@include loop",
    ],
)
def test_the_candidate_is_part_of_a_policy_that_reads_it_by_another_file(policy: str) -> None:
    files = {
        "/etc/sudoers": f"first\n{policy}\nlast",
        "/etc/sudoers.local": "@includedir /etc/sudoers.d",
        "/etc/sudoers.lbot": "@includedir sudoers.d",
        "/etc/sub/nested": "@include ../sudoers.local",
        "/etc/site/10": "@includedir ../sudoers.d",
        "/etc/with blanks": "@includedir /etc/sudoers.d",
        "/etc/sudoers.d/kai": "old",
    }
    if policy.endswith("loop"):
        # visudo is to see the loop itself
        files["/etc/loop"] = "@include loop\n@includedir sudoers.d"
        copies = policy_with_candidate("/etc/sudoers.d/kai", "new", policy_of(files), "/s")
        assert copies["/s/1"] == ("/etc/loop", "#include /s/1\n#includedir /s/2")
        assert copies["/s/2/000000"] == ("/etc/sudoers.d/kai", "new")
        return
    assert candidate_in(files) == ["first", "new", "last"]


def test_the_candidate_of_a_policy_that_does_not_read_it() -> None:
    files = {"/etc/sudoers": "first\n@include gone\n@includedir /e\n# @includedir sudoers.d\nlast"}
    wanted = ["first", "nothing at /etc/gone", "# @includedir sudoers.d", "last", "new"]
    assert candidate_in(files) == wanted


@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/"), min_size=1),
        max_size=5,
    )
)
@example(["a%h", "my rules", 'quo"te', "back\\slash", "new\nline", "kai "])
def test_any_name_of_a_drop_in(names: list[str]) -> None:
    files = {f"/etc/sudoers.d/{name}": f"of {name.encode().hex()}" for name in names}
    files = {**files, "/etc/sudoers": "@includedir sudoers.d", "/etc/sudoers.d/kai": "old"}
    active = sorted({*names, "kai"}, key=str.encode)
    active = [name for name in active if "." not in name and not name.endswith("~")]
    wanted = ["new" if name == "kai" else f"of {name.encode().hex()}" for name in active]
    assert candidate_in(files) == wanted


def test_other_line_ends_than_newlines_are_kept() -> None:
    text = "# a\u2028ALL ALL=(ALL) ALL\x0b\x85\r\n@includedir sudoers.d\r\n"
    copies = policy_with_candidate(
        "/etc/sudoers.d/kai", "new", policy_of({"/etc/sudoers": text}), "/s"
    )
    main = "# a\u2028ALL ALL=(ALL) ALL\x0b\x85\r\n#includedir /s/1\n"
    assert copies["/s/0"] == ("/etc/sudoers", main)


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
