"""Draws the pictures of the documents from real runs.

usage: python -m tools.picture [wizard]

Writes docs/images/wizard.svg: what a terminal of 80 columns shows while the wizard asks. Without
``wizard`` also docs/images/install.svg, while the stand-in bot is installed for the first time on a
throwaway machine; and the pictures docs/images/status-390.png and status-1280.png: what a browser
shows of that host, on a phone and on a screen, once something happened to it.
"""

from __future__ import annotations

import io
import itertools
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pexpect
import pyte
from rich.console import Console
from rich.style import Style
from rich.text import Text

from tests.testbed import machines
from tools.demo import CHECKOUT, TOKEN, prepare

COLUMNS, ROWS = 80, 120
PAGES = {390: 844, 1280: 900}
IMAGES = CHECKOUT / "docs" / "images"
ENTER = "\r"
KAI_ANSIBLE = str(Path(sys.executable).parent / "kai-ansible")
SEARCH_PATH = f"{Path(KAI_ANSIBLE).parent}:{os.environ['PATH']}"
# no font from elsewhere: the reader's own monospaced one does
SVG = """\
<svg class="{unique_id}" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{
  font-family: ui-monospace, Menlo, Consolas, monospace;
  font-size: {char_height}px;
  line-height: {line_height}px;
}}
.{unique_id}-title {{ font-size: 18px; font-family: sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


# how the throwaway machine is reached
_SSH = re.compile(r"ssh -t -o [^\n]*? 127\.0\.0\.1 (?='|&#39;)")


def with_a_name(text: str) -> str:
    """Return a text in which the machine has a name, as an operator's has one."""
    return _SSH.sub("ssh -t bot1 ", text)


class Terminal:
    """A command in a terminal of its own, and what its screen shows."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        """Start kai-ansible on the inventory of a directory."""
        # as an operator's home has them
        self.places = {
            str(directory / "config"): "~/.config",
            str(directory): "~/bots",
            str(CHECKOUT): "~/kai-ansible",
        }
        self.screen = pyte.Screen(COLUMNS, ROWS)
        self.stream = pyte.Stream(self.screen)
        environment = {
            **os.environ,
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
            "PROMPT_TOOLKIT_NO_CPR": "1",
            "XDG_CONFIG_HOME": str(directory / "config"),
            "PATH": SEARCH_PATH,
        }
        self.child = pexpect.spawn(
            KAI_ANSIBLE,
            list(arguments),
            dimensions=(ROWS, COLUMNS),
            encoding="utf-8",
            cwd=str(directory),
            env=environment,
            timeout=600,
        )

    def answer(self, prompt: str, keys: str) -> None:
        """Wait for a prompt and type."""
        self.child.expect_exact(prompt)
        self.feed(self.child.before, self.child.after)
        self.child.send(keys)

    def feed(self, *output: object) -> None:
        """Let the screen show output, with the names that an operator has."""
        text = with_a_name("".join(str(part) for part in output))
        for place, shown in self.places.items():
            # in a table, the next column stays where it is
            gap = " " * (len(place) - len(shown))
            text = re.sub(rf"{re.escape(place)}(\S*)(  )", rf"{shown}\1{gap}\2", text)
            text = text.replace(place, shown)
        self.stream.feed(text)

    def finish(self) -> None:
        """Wait for the end. Raises RuntimeError when the command failed."""
        self.child.expect(pexpect.EOF)
        self.feed(self.child.before)
        self.child.close()
        if self.child.exitstatus != 0:
            raise RuntimeError("\n".join(self.screen.display))

    def draw(self, title: str, path: Path) -> None:
        """Write the screen, without its empty lines at the end, as an SVG."""
        console = Console(record=True, width=COLUMNS, file=io.StringIO())
        last = max(row for row, line in enumerate(self.screen.display) if line.strip())
        for row in range(last + 1):
            console.print(self.line(row), end="\n", soft_wrap=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(console.export_svg(title=title, code_format=SVG), encoding="utf-8")

    def line(self, row: int) -> Text:
        """Return one row with its colours."""
        text = Text()
        cells = (self.screen.buffer[row][column] for column in range(COLUMNS))
        for style, run in itertools.groupby(cells, _style):
            text.append("".join(cell.data for cell in run), style)
        text.rstrip()
        return text


def _style(cell: pyte.screens.Char) -> Style:
    return Style(color=color_of(cell.fg), bold=cell.bold, reverse=cell.reverse)


def color_of(name: str) -> str | None:
    """Return the name of a terminal's color as rich and SVG know it, None for its own."""
    if name == "default":
        return None
    hexadecimal = len(name) == 6 and all(digit in "0123456789abcdef" for digit in name)
    return f"#{name}" if hexadecimal else {"brown": "yellow"}.get(name, name)


def wizard(directory: Path, *arguments: str) -> None:
    """Go through a first run and draw it: the questions and the review."""
    terminal = Terminal(directory, "config", *arguments)
    terminal.answer("Kai source", "./kai" + ENTER)
    terminal.answer("Telegram bot token", TOKEN + ENTER)
    terminal.answer("Telegram ID", "123456789" + ENTER)
    terminal.answer("OS user", "alice" + ENTER)
    terminal.answer("Agent backend", "\x1b[B" + ENTER)
    terminal.answer("What next?", ENTER)
    terminal.finish()
    terminal.draw("kai-ansible config", IMAGES / "wizard.svg")


def install(directory: Path) -> None:
    """Install what the wizard wrote, and draw it."""
    terminal = Terminal(directory, "install")
    terminal.answer("Apply?", "y")
    terminal.finish()
    terminal.draw("kai-ansible install", IMAGES / "install.svg")


def status(directory: Path, machine: machines.Machine) -> None:
    """Change the host, and draw the page that reports it."""
    machine.run(["sed", "-i", "s/^DEFAULT_MODEL=.*/DEFAULT_MODEL=opus/", "/etc/kai/env"])
    machine.run(["chown", "bob", "/var/lib/kai/memory/123456789"])
    page = directory / "status.html"
    # the host is not well, and so is its exit code
    subprocess.run(
        [KAI_ANSIBLE, "status", "--html", page.name],
        cwd=directory,
        # a program of the PATH is named alone in the commands to paste
        env={**os.environ, "PATH": SEARCH_PATH, "XDG_CONFIG_HOME": str(directory / "config")},
        check=False,
    )
    page.write_text(with_a_name(page.read_text(encoding="utf-8")), encoding="utf-8")
    for width, height in PAGES.items():
        subprocess.run(
            [
                "chromium-headless-shell",
                "--no-sandbox",
                "--hide-scrollbars",
                f"--user-data-dir={directory / 'profile'}",
                f"--window-size={width},{height}",
                f"--screenshot={IMAGES / f'status-{width}.png'}",
                page.as_uri(),
            ],
            check=True,
        )


def main() -> int:
    """Draw the pictures that were asked for. Returns the exit code."""
    if sys.argv[1:] == ["wizard"]:
        with tempfile.TemporaryDirectory() as scratch:
            shutil.copytree(CHECKOUT / "tests" / "fixtures" / "kai", Path(scratch, "kai"))
            # it asks the same of a host that it does not probe
            wizard(Path(scratch), "--no-probe")
        return 0
    with machines.running("bot1") as machine, tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        prepare(machine, directory)
        shutil.copytree(CHECKOUT / "tests" / "fixtures" / "kai", directory / "kai")
        wizard(directory)
        install(directory)
        status(directory, machine)
    return 0


if __name__ == "__main__":
    sys.exit(main())
