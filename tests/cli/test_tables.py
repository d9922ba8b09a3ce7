"""Tables are printed completely on a terminal of any width, and no word is split."""

import io

import pytest
from rich.console import Console

from kai_ansible.ansible.changes import Change
from kai_ansible.terminal.change_view import summary_rows
from kai_ansible.terminal.outcome_view import report_changes
from kai_ansible.terminal.screen import Screen
from kai_ansible.terminal.tables import table_lines

PATH = "/opt/" + "a-long-way/" * 12 + "end"
OLD, NEW = (f"kai ALL=(alice) NOPASSWD: /opt/{'x' * 90}/{name}" for name in ("old", "new"))
CHANGES = [
    Change(PATH, "", "", "made"),
    Change("/etc/kai/env", "A_KEY", "[1]", "[bold]"),
    Change("/etc/kai/env", "ANOTHER", "", "x\x1b[2J"),
    Change("/etc/sudoers.d/kai", "", OLD, NEW),
]
FIRST = [
    *(Change(f"account {name}", "", "", "made") for name in ("kai", "alice")),
    *(Change(f"/var/lib/kai/{number}", "", "", "made") for number in range(22)),
    Change("/etc/kai/env", "owner and mode", "", "0:0 0640"),
    *(Change("/etc/kai/env", f"KEY_{number}", "", "1") for number in range(60)),
    Change("/etc/sudoers.d/kai", "owner and mode", "", "0:0 0440"),
    Change("/etc/sudoers.d/kai", "", "", "kai ALL=(alice) NOPASSWD: /usr/local/bin/codex"),
    Change("/etc/sudoers.d/kai", "", "", "kai ALL=(root) NOPASSWD: /usr/bin/cat /etc/kai/env"),
    Change("kai.service", "", "stopped", "started"),
]


@pytest.mark.parametrize("columns", [40, 80, 120, 200])
def test_every_word_is_whole_and_no_line_is_wider_than_it_has_to_be(columns: int) -> None:
    screen = Screen()
    screen.plain = False
    screen.console = Console(file=io.StringIO(), width=columns, soft_wrap=True)
    with screen.console.capture() as shown:
        report_changes(screen, "bot: changed", CHANGES, full=True)
    lines = shown.get().splitlines()
    words = shown.get().split()
    assert {PATH, "A_KEY", "[1]", "[bold]", r"x\x1b[2J", *OLD.split(), *NEW.split()} <= set(words)
    # only a word that is too long for any place is wider
    assert all(len(line) <= columns or len(line.split()[-1]) > columns // 2 for line in lines)


@pytest.mark.parametrize("width", [80, 120, None])
def test_columns_have_names_and_stand_below_them(width: int | None) -> None:
    rows = [("bot1", "healthy"), ("bot2", "needs attention")]
    header, first, second = table_lines(("Host", "State"), rows, width)
    assert header.split() == ["Host", "State"]
    assert header.index("State") == first.index("healthy") == second.index("needs")


def test_a_long_cell_is_wrapped_between_words_in_its_column() -> None:
    lines = table_lines(("Key", "Value"), [("a", "one two three four " * 8)], 60)
    assert all(len(line) <= 60 for line in lines)
    assert {line[:5].strip() for line in lines[2:]} == {""}
    assert " ".join(" ".join(lines[1:]).split()) == "a " + ("one two three four " * 8).strip()


def test_a_first_install_is_a_summary() -> None:
    rows = summary_rows(FIRST)
    assert len(rows) <= 10
    assert rows == [
        ("OS users", "-", "2 new: kai, alice"),
        ("directories", "-", "22 new"),
        ("files", "-", "2 new: /etc/kai/env, /etc/sudoers.d/kai"),
        ("kai.service", "stopped", "started"),
        ("sudo as alice", "-", "codex"),
    ]


def test_a_key_that_is_new_makes_no_new_file() -> None:
    changes = [
        Change("/etc/kai/env", "A_KEY", "", "1"),
        Change("/etc/kai/users.yaml", "users[Ada 1].model", "", "opus"),
    ]
    assert summary_rows(changes) == [
        ("/etc/kai/env: A_KEY", "-", "1"),
        ("/etc/kai/users.yaml: users[Ada 1].model", "-", "opus"),
    ]


def test_a_user_who_comes_or_goes_is_one_row() -> None:
    def of(user: str, *, gone: bool = False) -> list[Change]:
        fields = {"telegram_id": user.rpartition(" ")[2], "name": user, "os_user": "bob"}
        return [
            Change("/etc/kai/users.yaml", f"users[{user}].{name}", *values)
            for name, value in fields.items()
            for values in [(value, "") if gone else ("", value)]
        ]

    assert summary_rows([*of("Bob 2"), *of("Eve 3", gone=True)]) == [
        ("user Bob 2", "-", "new"),
        ("user Eve 3", "-", "removed"),
    ]


def test_the_record_of_an_install_is_no_news() -> None:
    data = Change("/var/lib/kai", "", "the present data", "the data of the backup")
    record = Change("/opt/kai/installs/2", "", "", "kept")
    assert summary_rows([data, record]) == [(data.path, data.before, data.after)]


def test_only_a_directory_is_counted_as_one() -> None:
    database = Change("/var/lib/kai/kai.db", "", "", "a copy is kept")
    release = Change("/opt/kai/releases/06b4842531c8", "", "", "built")
    assert summary_rows([release, database]) == [
        ("directories", "-", f"1 new: {release.path}"),
        (database.path, "-", database.after),
    ]


def test_a_row_that_does_not_fit_leaves_the_others_in_columns() -> None:
    rows = [
        ("directories", "-", "1 new: /opt/kai/releases/06b4842531c8"),
        ("/etc/kai/kai-ansible.json: kai_install_source", "/home/operator/kai", "/srv/kai"),
        ("kai.service", "runs", "restarted"),
    ]
    lines = table_lines(("What", "From", "To"), rows, 80)
    assert lines[-1].split() == ["kai.service", "runs", "restarted"]
    assert all(len(line) <= 80 for line in lines)


def test_a_changed_rule_is_one_row_per_user_with_the_agents() -> None:
    rule = "kai ALL=({}) NOPASSWD: /usr/local/bin/{}"
    changes = [
        Change("/etc/sudoers.d/kai", "", rule.format("alice", "claude"), ""),
        Change("/etc/sudoers.d/kai", "", "", rule.format("alice", "codex")),
        Change("/etc/kai/env", "AGENT_BACKEND", "claude", "codex"),
    ]
    assert summary_rows(changes) == [
        ("sudo as alice", "claude", "codex"),
        ("/etc/kai/env: AGENT_BACKEND", "claude", "codex"),
    ]


def test_without_a_terminal_each_change_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    report_changes(Screen(plain=True), "bot: changed", CHANGES, full=True)
    assert capsys.readouterr().out.splitlines() == [
        "bot: changed:",
        f"  {PATH}: - -> made",
        "  /etc/kai/env: A_KEY: [1] -> [bold]",
        "  /etc/kai/env: ANOTHER: - -> x\\x1b[2J",
        f"  /etc/sudoers.d/kai: {OLD} -> {NEW}",
    ]


def test_a_command_can_be_pasted(capsys: pytest.CaptureFixture[str]) -> None:
    Screen(plain=True).command("Next", "kai-ansible", "install", "bot", "-i", "my hosts")
    assert capsys.readouterr().out == "Next:\n  kai-ansible install bot -i 'my hosts'\n"
