"""Records the way from a clone to a bot that answers, and draws it as a moving picture.

usage: python -m tools.recording [DIRECTORY]

Boots a throwaway machine that has git, make, Python and one agent, and nothing of ours. There an
operator clones this checkout, runs ``make config`` and ``make install``, and asks the bot for its
health. The bot is the stand-in of the tests. Writes first-install.txt, everything that the terminal
showed, and first-install.svg, which moves, below docs/images, or to a directory. Prints the
questions, the seconds of each command and the load. The picture shortens long waits.
"""

from __future__ import annotations

import itertools
import math
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape

import pexpect
import pyte

from tests.testbed import machines
from tools.demo import CHECKOUT, TOKEN
from tools.picture import IMAGES, color_of

COLUMNS, ROWS, ALL_ROWS = 80, 24, 500
ENTER = "\r"
URL = "https://github.com/kai-ansible/kai-ansible"
HEALTH = "curl -s -o /dev/null -w '%{http_code}\\n' http://127.0.0.1:8080/health"
PROMPT = "$ "
# a viewer need not wait as long as the operator
LONGEST_WAIT, SHORTEST_FRAME, LAST_FRAME = 0.8, 0.2, 6.0
WIDTH, HEIGHT, MARGIN = 8.4, 17, 12
# the colors of a terminal that are too dark for the ground of the picture
BRIGHT = {"green": "#3fb950", "cyan": "#39c5cf", "red": "#ff7b72", "yellow": "#d29922"}
STYLE = """\
<style>
text { font: 14px ui-monospace, Menlo, Consolas, monospace; fill: #c9d1d9; white-space: pre; }
.b { font-weight: 700; }
#film { animation: film SECONDSs step-end infinite; }
@keyframes film {
KEYFRAMES
}
@media (prefers-reduced-motion: reduce) { #film { animation: none; transform: LAST; } }
</style>
"""
# only codex is there, as for an operator who followed the list of what is needed
PREPARE = """
set -e
rm -f /usr/local/bin/claude /usr/local/bin/goose
git -C /srv init --quiet --bare kai-ansible/kai-ansible
git -C /srv/kai-ansible/kai-ansible fetch --quiet /srv/bundle HEAD:refs/heads/main
git -C /srv/kai-ansible/kai-ansible symbolic-ref HEAD refs/heads/main
git config --system safe.directory '*'
git config --system url./srv/kai-ansible/.insteadOf https://github.com/kai-ansible/
cp -r /srv/kai /home/operator/kai
chown -R operator: /home/operator/kai
"""
# the mark that turns, and the seconds and the task beside it
_SIGN_OF_LIFE = re.compile(r"^[\u2800-\u28ff] .*|^ +[0-9]+ s  .*")
# bash says first that it takes pasted text
_READY = re.compile(r"[\r\n](?:\x1b\[\?2004h)?\$ $")


@dataclass
class Recording:
    """What a terminal printed. chunks: seconds since the start, and text."""

    chunks: list[tuple[float, str]] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def write(self, text: str) -> None:
        """Take what a terminal prints now."""
        self.chunks.append((time.monotonic() - self.started, text))

    def flush(self) -> None:
        """Do nothing: pexpect asks for it."""

    def text(self) -> str:
        """Return everything that the terminal showed, as text."""
        screen = pyte.Screen(COLUMNS, ALL_ROWS)
        stream = pyte.Stream(screen)
        for _, text in self.chunks:
            stream.feed(text)
        return "\n".join(line.rstrip() for line in screen.display).rstrip("\n") + "\n"

    def frames(self) -> Iterator[tuple[float, tuple[str, ...]]]:
        """Yield the rows of each picture as SVG, with the second at which it begins.

        Every wait is cut to the longest that a viewer has; a sign of life alone makes no picture.
        """
        screen = pyte.Screen(COLUMNS, ROWS)
        stream = pyte.Stream(screen)
        last: list[str] = []
        shown_at, begins = -SHORTEST_FRAME, 0.0
        for number, (at, text) in enumerate(self.chunks):
            stream.feed(text)
            # the next chunk may come at once, as a program prints its lines
            following = self.chunks[number + 1][0] if number + 1 < len(self.chunks) else math.inf
            if following - at < SHORTEST_FRAME and at - shown_at < LONGEST_WAIT:
                continue
            words = [_SIGN_OF_LIFE.sub("", line) for line in screen.display]
            if words == last:
                continue
            begins += min(max(at - shown_at, SHORTEST_FRAME), LONGEST_WAIT)
            yield begins, tuple(_row(screen, row) for row in range(ROWS))
            last, shown_at = words, at

    def animation(self) -> str:
        """Return the recording as an SVG that moves."""
        frames = list(self.frames())
        seconds = frames[-1][0] + LAST_FRAME
        height = ROWS * HEIGHT
        names: dict[str, str] = {}
        for row in dict.fromkeys(row for _, rows in frames for row in rows if row):
            names[row] = f"r{len(names)}"
        keyframes = "\n".join(
            f"{100 * at / seconds:.3f}% {{ transform: translateY({-number * height}px); }}"
            for number, (at, _) in enumerate(frames)
        )
        style = STYLE.replace("SECONDS", f"{seconds:.1f}").replace("KEYFRAMES", keyframes)
        style = style.replace("LAST", f"translateY({-(len(frames) - 1) * height}px)")
        width = COLUMNS * WIDTH + 2 * MARGIN
        uses = "\n".join(
            f'<use href="#{names[row]}" y="{number * height + line * HEIGHT}"/>'
            for number, (_, rows) in enumerate(frames)
            for line, row in enumerate(rows)
            if row
        )
        rows_of_text = "\n".join(
            f'<text id="{name}" y="{HEIGHT - 4}">{row}</text>' for row, name in names.items()
        )
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} '
            f'{height + 2 * MARGIN}" role="img" aria-label="A first install in a terminal">\n'
            f"{style}<defs>\n{rows_of_text}\n</defs>\n"
            f'<rect width="100%" height="100%" rx="8" fill="#0d1117"/>\n'
            f'<svg x="{MARGIN}" y="{MARGIN}" width="{COLUMNS * WIDTH:.0f}" height="{height}" '
            f'overflow="hidden">\n<g id="film">\n{uses}\n</g>\n</svg>\n</svg>\n'
        )


def _row(screen: pyte.Screen, row: int) -> str:
    """Return the runs of one style of a row as SVG, nothing for an empty row."""
    cells = [screen.buffer[row][column] for column in range(COLUMNS)]
    column, found = 0, []
    for (color, bold), run in itertools.groupby(cells, lambda cell: (cell.fg, cell.bold)):
        text = "".join(cell.data for cell in run)
        if text.strip():
            named = color_of(color)
            shown = BRIGHT.get(named, named) if named else None
            mark = (' class="b"' if bold else "") + (f' fill="{shown}"' if shown else "")
            place = f'x="{column * WIDTH:.1f}" textLength="{len(text) * WIDTH:.1f}"'
            found.append(f"<tspan {place}{mark}>{escape(text)}</tspan>")
        column += len(text)
    return "".join(found)


@dataclass
class Walk:
    """An operator at a terminal of a machine. seconds: by command. questions: in their order."""

    child: pexpect.spawn[str]
    recording: Recording
    seconds: dict[str, float] = field(default_factory=dict)
    questions: list[str] = field(default_factory=list)

    def run(self, command: str, *answers: tuple[str, str]) -> None:
        """Type a command, answer its questions, and wait for its end.

        Raises pexpect.TIMEOUT if something else happens.
        """
        started = time.monotonic()
        self.child.sendline(command)
        for question, keys in answers:
            self.child.expect_exact(question)
            # the prompt is drawn, and reads keys, once it says how to get help
            self.child.expect(r"help\)|explains\)|y/N\)|Y/n\)")
            self.questions.append(question)
            self.child.send(keys)
        self.child.expect(_READY)
        self.seconds[command] = time.monotonic() - started


def walk(machine: machines.Machine) -> Walk:
    """Go from a clone to a bot that answers."""
    with tempfile.TemporaryDirectory() as scratch:
        bundle = Path(scratch, "bundle")
        subprocess.run(
            ["git", "bundle", "create", "--quiet", str(bundle), "HEAD"], cwd=CHECKOUT, check=True
        )
        machine.push(bundle, "/srv/bundle")
    machine.push(CHECKOUT / "tests" / "fixtures" / "kai", "/srv/kai")
    machine.run(["sh", "-c", PREPARE])
    name, *arguments = machine.ssh_command("operator")
    recording = Recording()
    child = pexpect.spawn(
        name,
        [arguments[0], *arguments[1:-1], "-tt", arguments[-1], "PS1='$ ' bash --norc"],
        dimensions=(ROWS, COLUMNS),
        encoding="utf-8",
        timeout=900,
        env={**os.environ, "TERM": "xterm-256color"},
    )
    child.expect_exact(PROMPT)
    child.sendline("export PROMPT_TOOLKIT_NO_CPR=1; clear")
    child.expect_exact(PROMPT)
    child.logfile_read = recording
    recording.write(PROMPT)
    found = Walk(child, recording)
    found.run(f"git clone --quiet {URL} && cd kai-ansible")
    found.run(
        "make config",
        ("Kai source", "~/kai" + ENTER),
        ("Telegram bot token", TOKEN + ENTER),
        ("Telegram ID", "123456789" + ENTER),
        ("OS user", "alice" + ENTER),
        ("What next?", ENTER),
    )
    found.run("make install", ("Apply?", "y"))
    found.run(HEALTH)
    return found


def main() -> int:
    """Record, and report the figures. Returns the exit code."""
    place = Path(sys.argv[1]) if sys.argv[1:] else IMAGES
    with machines.running("laptop") as machine:
        found = walk(machine)
    place.mkdir(parents=True, exist_ok=True)
    (place / "first-install.txt").write_text(found.recording.text(), encoding="utf-8")
    (place / "first-install.svg").write_text(found.recording.animation(), encoding="utf-8")
    for command, seconds in found.seconds.items():
        print(f"{seconds:6.1f} s  {command}")
    print(f"{sum(found.seconds.values()):6.1f} s  all of them")
    print(f"{len(found.questions)} questions: {', '.join(found.questions)}")
    load = ", ".join(f"{number:.1f}" for number in os.getloadavg())
    print(f"{os.cpu_count()} cores, load {load}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
