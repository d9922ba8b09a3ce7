"""Changes are printed completely on a terminal of any width."""

import io

import pytest
from rich.console import Console

from kai_ansible.ansible.changes import Change
from kai_ansible.terminal.screen import Screen, report_changes

PATH = "/opt/" + "a-long-way/" * 12 + "end"
OLD, NEW = (f"kai ALL=(alice) NOPASSWD: /opt/{'x' * 90}/{name}" for name in ("old", "new"))
CHANGES = [
    Change(PATH, "", "", "made"),
    Change("/etc/kai/env", "A_KEY", "[1]", "[bold]"),
    Change("/etc/kai/env", "ANOTHER", "", "x\x1b[2J"),
    Change("/etc/sudoers.d/kai", "", OLD, NEW),
]


@pytest.mark.parametrize("columns", [80, 200])
def test_nothing_is_cut_off_in_a_table(columns: int) -> None:
    screen = Screen()
    screen.plain = False
    screen.console = Console(file=io.StringIO(), width=columns, soft_wrap=True)
    with screen.console.capture() as shown:
        report_changes(screen, "bot: changed", CHANGES)
    lines = shown.get().splitlines()
    assert max(map(len, lines)) <= columns
    rows = [line.strip("│").split("│") for line in lines if line.startswith("│")]
    told = ["".join(cell.strip() for cell in column) for column in zip(*rows, strict=True)]
    assert PATH in told[0]
    assert told[0].count("/etc/kai/env") == 1
    assert "A_KEYANOTHER" in told[0]
    for cells, text in ((told[1], OLD), (told[2], NEW)):
        assert text.replace(" ", "") in cells.replace(" ", "")
    assert "[1]-" in told[1]
    # what others wrote steers no terminal
    assert r"[bold]x\x1b[2J" in told[2]


def test_without_a_terminal_each_change_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    report_changes(Screen(plain=True), "bot: changed", CHANGES)
    report_changes(Screen(plain=True), "bot: would change", [])
    assert capsys.readouterr().out.splitlines() == [
        "bot: changed:",
        f"  {PATH}: - -> made",
        "  /etc/kai/env: A_KEY: [1] -> [bold]",
        "  /etc/kai/env: ANOTHER: - -> x\\x1b[2J",
        f"  /etc/sudoers.d/kai: {OLD} -> {NEW}",
        "bot: would change: nothing",
    ]


def test_a_command_can_be_pasted(capsys: pytest.CaptureFixture[str]) -> None:
    Screen(plain=True).command("Next", "kai-ansible", "install", "bot", "-i", "my hosts")
    assert capsys.readouterr().out == "Next:\n  kai-ansible install bot -i 'my hosts'\n"
