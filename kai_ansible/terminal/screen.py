"""Print to the terminal, or one JSON document."""

from __future__ import annotations

import itertools
import json
import os
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Column, Table

from kai_ansible.errors import CommandError, ExitCode
from kai_ansible.rules.enrolment import enrol_hint
from kai_ansible.rules.sanitize import MOST_ON_A_SCREEN, printable

if TYPE_CHECKING:
    from kai_ansible.ansible.changes import Change
    from kai_ansible.ansible.runner import Outcome

NOTHING = "-"


def shown(text: str) -> str:
    """Escape text, so that rich prints it literally."""
    return escape(printable(text, MOST_ON_A_SCREEN))


class Screen:
    """The output of a command: colors and frames, plain lines, or one JSON document."""

    def __init__(self, *, as_json: bool = False, plain: bool = False) -> None:
        """Open a screen. With ``as_json``, everything but the document goes to standard error."""
        self.as_json = as_json
        self.documented = False
        dumb = os.environ.get("TERM", "dumb") == "dumb"
        self.plain = plain or dumb or not sys.stdout.isatty()
        self.console = Console(
            stderr=as_json, no_color=plain or None, highlight=False, soft_wrap=True
        )

    def say(self, text: str = "") -> None:
        """Print a line of ordinary text."""
        self.console.print(shown(text))

    def good(self, text: str) -> None:
        """Print a line about a success."""
        self.console.print(f"[green]{shown(text)}[/green]")

    def bad(self, text: str) -> None:
        """Print a line about a problem."""
        self.console.print(f"[red]{shown(text)}[/red]")

    def notes(self, notes: Iterable[str]) -> None:
        """Print notes, which report no problem."""
        for note in notes:
            self.console.print(f"[yellow]Note:[/yellow] {shown(note)}")

    def command(self, title: str, *words: str) -> None:
        """Print a command on a line of its own, ready to paste."""
        self.say(f"{title}:")
        self.say(f"  {shlex.join(words)}")

    def lines(self, title: str, lines: Sequence[str]) -> None:
        """Print a framed list, or indented lines on a plain screen."""
        if not lines:
            return
        if self.plain:
            self.say(f"{title}:")
            for line in lines:
                self.say(f"  {line}")
            return
        self.console.print(Panel("\n".join(map(shown, lines)), title=title, title_align="left"))

    def table(self, title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Print a table, or a line per row on a plain screen."""
        if self.plain:
            self.say(f"{title}:")
            for row in rows:
                self.say(f"  {'  '.join(row)}".rstrip())
            return
        table = Table(title=title, title_justify="left")
        for column in columns:
            # a word that does not fit is a path, useless if it is cut off
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*(shown(cell) for cell in row))
        self.console.print(table, soft_wrap=False)

    def clear(self) -> None:
        """Clear the terminal; a plain screen goes on below."""
        if not self.plain:
            self.console.clear()

    def document(self, data: Mapping[str, Any]) -> None:
        """Print the JSON document of a command if ``as_json``; ignore any further document."""
        if self.as_json and not self.documented:
            self.documented = True
            sys.stdout.write(json.dumps(data, indent=2, sort_keys=True, default=str) + "\n")

    @contextmanager
    def report_errors(self) -> Iterator[None]:
        """Print the JSON document of a CommandError if ``as_json``, and raise it again.

        Turn Ctrl-C and the end of the input into a CommandError.
        """
        try:
            try:
                yield
            except (KeyboardInterrupt, EOFError) as error:
                sys.stderr.write("\n")
                raise CommandError(
                    "Interrupted; nothing was written.", code=ExitCode.INTERRUPTED
                ) from error
        except CommandError as error:
            self.document(
                {
                    "error": error.args[0],
                    "exit_code": int(error.code),
                    "problems": [problem.as_dict() for problem in error.problems],
                }
            )
            raise

    @contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """Show that a step takes a while."""
        if self.plain or self.as_json:
            self.say(f"{what} ...")
            yield
        else:
            with self.console.status(f"{what} ..."):
                yield


def report_plan(screen: Screen, outcome: Outcome) -> None:
    """Print the changes and notes of a check mode run."""
    for host, report in outcome.reports.items():
        report_changes(screen, f"{host}: would change", outcome.changes.get(host, ()))
        screen.notes(report["notes"])


def report_outcome(
    screen: Screen,
    outcome: Outcome,
    *,
    check: bool,
    options: Sequence[str] = (),
    agreed: Outcome | None = None,
) -> None:
    """Print the outcome of a run on each host: changes, notes and logins.

    options: the options to print with a command.
    agreed: the check mode run that was printed before; a host with the same changes is summarized.
    """
    if check:
        report_plan(screen, outcome)
        return
    for host, report in outcome.reports.items():
        changes = outcome.changes.get(host, [])
        if agreed and changes == agreed.changes.get(host, []):
            screen.say(f"{host}: changed as shown" if changes else f"{host}: unchanged")
        else:
            report_changes(screen, f"{host}: changed", changes)
            screen.notes(report["notes"])
        screen.lines(f"{host}: verified", report["verified"])
        if report["seconds_without"] is not None:
            screen.say(f"{host}: downtime {report['seconds_without']} s")
        for line in report["login_notice"]:
            screen.say(line)
        hint = enrol_hint(report)
        if hint:
            words = ("kai-ansible", "workshop", "enrol", report["enrol"][0], host, *options)
            screen.command(f"{host}: {hint}", *words)
        if (report.get("install") or 0) > 1:
            screen.command(
                f"{host}: undo this install with", "kai-ansible", "rollback", host, *options
            )


def report_changes(screen: Screen, title: str, changes: Sequence[Change]) -> None:
    """Print changes with the value before and after each."""
    if not changes:
        screen.say(f"{title}: nothing")
    elif screen.plain:
        screen.say(f"{title}:")
        for change in changes:
            what = f"{change.path}: {change.key}" if change.key else change.path
            screen.say(f"  {what}: {change.before or NOTHING} -> {change.after or NOTHING}")
    else:
        # a value that is cut off could hide the difference
        columns = [Column(name, overflow="fold") for name in ("What", "From", "To")]
        table = Table(*columns, title=title, title_justify="left")
        for path, group in itertools.groupby(changes, key=lambda change: change.path):
            rows = list(group)
            whole = len(rows) == 1 and not rows[0].key
            if not whole:
                table.add_row(f"[bold]{shown(path)}[/bold]")
            for change in rows:
                what = f"[bold]{shown(path)}[/bold]" if whole else f"  {shown(change.key)}"
                states = (change.before or NOTHING, change.after or NOTHING)
                table.add_row(what, *map(shown, states))
        screen.console.print(table)
