"""What the operator sees: problems, progress, changes and what is left to do."""

from __future__ import annotations

import itertools
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Column, Table

from kai_ansible.errors import CommandError, ExitCode
from kai_ansible.rules.sanitize import MOST_ON_A_SCREEN, printable

if TYPE_CHECKING:
    from kai_ansible.ansible.runner import Outcome
    from kai_ansible.terminal.changes import Change

NOTHING = "-"


def shown(text: str) -> str:
    """Return text as rich prints it literally, also when others wrote it."""
    return escape(printable(text, MOST_ON_A_SCREEN))


class Screen:
    """Where a command speaks: for a person, in plain lines, or as one JSON document."""

    def __init__(self, *, as_json: bool = False, plain: bool = False) -> None:
        """Open a screen. With ``as_json`` everything meant for people goes to standard error."""
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
        """Print a line that says that something is as it should be."""
        self.console.print(f"[green]{shown(text)}[/green]")

    def bad(self, text: str) -> None:
        """Print a line that says that something is not."""
        self.console.print(f"[red]{shown(text)}[/red]")

    def notes(self, notes: Iterable[str]) -> None:
        """Print what a person should know though nothing is wrong."""
        for note in notes:
            self.console.print(f"[yellow]Note:[/yellow] {shown(note)}")

    def lines(self, title: str, lines: Sequence[str]) -> None:
        """Print a framed list, or plain lines where frames are unwelcome."""
        if not lines:
            return
        if self.plain:
            self.say(f"{title}:")
            for line in lines:
                self.say(f"  {line}")
            return
        self.console.print(Panel("\n".join(map(shown, lines)), title=title, title_align="left"))

    def table(self, title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Print a table, or its cells line by line where frames are unwelcome."""
        if self.plain:
            self.say(f"{title}:")
            for row in rows:
                self.say(f"  {'  '.join(row)}".rstrip())
            return
        table = Table(title=title, title_justify="left")
        for column in columns:
            # a word that does not fit is a path, and a part of one is of no use
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*(shown(cell) for cell in row))
        self.console.print(table, soft_wrap=False)

    def clear(self) -> None:
        """Begin anew at the top of the terminal; elsewhere the lines go on below."""
        if not self.plain:
            self.console.clear()

    def document(self, data: Mapping[str, Any]) -> None:
        """Print the JSON document of a command, when one was asked for; only the first counts."""
        if self.as_json and not self.documented:
            self.documented = True
            sys.stdout.write(json.dumps(data, indent=2, sort_keys=True, default=str) + "\n")

    @contextmanager
    def telling_errors(self) -> Iterator[None]:
        """Print the JSON document of an error as well, when one was asked for.

        Ctrl-C and the end of the input become a CommandError too.
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
        """Show that something takes a moment."""
        if self.plain or self.as_json:
            self.say(f"{what} ...")
            yield
        else:
            with self.console.status(f"{what} ..."):
                yield


def tell_plan(screen: Screen, outcome: Outcome) -> None:
    """Print what a run would change on each host, and what has to be known."""
    for host, report in outcome.reports.items():
        tell_changes(screen, f"{host}: would change", outcome.changes.get(host, ()))
        screen.notes(report["notes"])


def tell_outcome(
    screen: Screen,
    outcome: Outcome,
    *,
    check: bool,
    options: str = "",
    agreed: Outcome | None = None,
) -> None:
    """Print how a run ended on each host: changes, notes and logins.

    options: what the commands that are told have to be given as well. agreed: the plan that was
    printed before; what was changed as it says is not printed again.
    """
    if check:
        tell_plan(screen, outcome)
        return
    for host, report in outcome.reports.items():
        changes = outcome.changes.get(host, [])
        if agreed and changes == agreed.changes.get(host, []):
            screen.say(f"{host}: changed as shown" if changes else f"{host}: changed nothing")
        else:
            tell_changes(screen, f"{host}: changed", changes)
            screen.notes(report["notes"])
        screen.lines(f"{host}: proven", report["proven"])
        if report["seconds_without"] is not None:
            screen.say(f"{host}: the bot was away for {report['seconds_without']} s.")
        for line in report["login_notice"]:
            screen.say(line)
        if (report.get("install") or 0) > 1:
            screen.say(f"{host}: to undo this: kai-ansible rollback {host}{options}")


def tell_changes(screen: Screen, title: str, changes: Sequence[Change]) -> None:
    """Print what changes, with what was there before and what is there afterwards."""
    if not changes:
        screen.say(f"{title}: nothing")
    elif screen.plain:
        screen.say(f"{title}:")
        for change in changes:
            what = f"{change.path}: {change.key}" if change.key else change.path
            screen.say(f"  {what}: {change.before or NOTHING} -> {change.after or NOTHING}")
    else:
        # a value that is cut off could hide what differs
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
