"""Print to the terminal, or one JSON document."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from rich.console import Console
from rich.markup import escape

from kai_ansible.calling import GLUE, as_called, command_line
from kai_ansible.errors import CommandError, ExitCode
from kai_ansible.rules.sanitize import MOST_ON_A_SCREEN, printable
from kai_ansible.terminal.tables import table_lines, wrapped

# of the JSON documents: raised when a key goes or changes its meaning, not when one is added
SCHEMA_VERSION = 1


def shown(text: str) -> str:
    """Escape text, so that rich prints it literally."""
    return escape(printable(text, MOST_ON_A_SCREEN))


class Screen:
    """The output of a command: colors and frames, plain lines, or one JSON document."""

    def __init__(
        self,
        *,
        as_json: bool = False,
        plain: bool = False,
        verbose: bool = False,
        progress: bool = False,
        command: str = "",
    ) -> None:
        """Open a screen. With ``as_json``, everything but the document goes to standard error.

        verbose: whether tasks and changes are printed in full.
        progress: with ``as_json``, print one JSON object per line: events, then the document.
        command: the name of the command, for the document.
        """
        self.as_json = as_json
        self.verbose = verbose
        self.in_lines = as_json and progress
        self.command_name = command
        self.data: Mapping[str, Any] | None = None
        dumb = os.environ.get("TERM", "dumb") == "dumb"
        self.plain = plain or dumb or not sys.stdout.isatty()
        self.console = Console(
            stderr=as_json, no_color=plain or None, highlight=False, soft_wrap=True, emoji=False
        )

    def say(self, text: str = "") -> None:
        """Print a line of ordinary text; a terminal gets no split word."""
        self._print(text)

    def good(self, text: str) -> None:
        """Print a line about a success."""
        self._print(text, "green")

    def bad(self, text: str) -> None:
        """Print a line about a problem."""
        self._print(text, "red")

    def notes(self, notes: Iterable[str]) -> None:
        """Print notes, which report no problem."""
        for note in notes:
            self._print(f"Note: {note}", "yellow")

    def literal(self, text: str) -> None:
        """Print a line as it is, however long: a command, or a line of a log."""
        self.console.print(shown(text))

    def _print(self, text: str, style: str = "") -> None:
        width = None if self.plain else self.console.width
        for line in wrapped(as_called(text, GLUE), width):
            body = shown(line)
            self.console.print(f"[{style}]{body}[/{style}]" if style else body)

    def command(self, title: str, *words: str) -> None:
        """Print a command on a line of its own, ready to paste."""
        self.say(f"{title}:")
        self.literal(f"  {command_line(list(words))}")

    def lines(self, title: str, lines: Sequence[str]) -> None:
        """Print a titled list, nothing without any lines."""
        if not lines:
            return
        self.heading(title)
        for line in lines:
            self.say(f"  {line}")

    def heading(self, title: str) -> None:
        """Print the title of what follows."""
        self.console.print(f"[bold]{shown(title)}:[/bold]")

    def table(self, title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Print a table with its header: without split words, or a line per row if plain."""
        cells = [[printable(cell, MOST_ON_A_SCREEN) for cell in row] for row in rows]
        self.heading(title)
        if not cells:
            self.say("  none")
            return
        width = None if self.plain else self.console.width
        lines = table_lines(columns, cells, width)
        for number, line in enumerate(lines):
            body = shown(line)
            self.console.print(f"[bold]{body}[/bold]" if number == 0 else body)

    def clear(self) -> None:
        """Clear the terminal; a plain screen goes on below."""
        if not self.plain:
            self.console.clear()

    def document(self, data: Mapping[str, Any]) -> None:
        """Keep the data of the JSON document; ignore any further one.

        ``report_errors`` prints it at the end, when the exit code is known.
        """
        if self.data is None:
            self.data = data

    def event(self, data: Mapping[str, Any]) -> None:
        """Print one event as a line of JSON if the progress was asked for."""
        if self.in_lines:
            sys.stdout.write(json.dumps({"schema_version": SCHEMA_VERSION, **data}) + "\n")
            sys.stdout.flush()

    def envelope(self, error: CommandError | None) -> dict[str, Any]:
        """Return the JSON document of the command; docs/json.md describes it."""
        refused = error is not None and error.code != ExitCode.DONE
        return {
            "hosts": {},
            "failures": [],
            "log": None,
            **(self.data or {}),
            "schema_version": SCHEMA_VERSION,
            "command": self.command_name,
            "exit_code": int(error.code) if error else int(ExitCode.DONE),
            "error": str(error.args[0]) if error and refused else None,
            "problems": [problem.as_dict() for problem in error.problems] if error else [],
        }

    @contextmanager
    def report_errors(self) -> Iterator[None]:
        """Print the JSON document if ``as_json``, with a CommandError in it, and raise that again.

        Turn Ctrl-C and the end of the input into a CommandError.
        """
        failure: CommandError | None = None
        try:
            yield
        except (KeyboardInterrupt, EOFError) as error:
            # the terminal may be lost
            with suppress(OSError):
                sys.stderr.write("\n")
            failure = CommandError("Interrupted; nothing was written.", code=ExitCode.INTERRUPTED)
            failure.__cause__ = error
        except CommandError as error:
            failure = error
        if self.as_json and (failure or self.data is not None):
            document = self.envelope(failure)
            if self.in_lines:
                self.event({"event": "result", **document})
            else:
                text = json.dumps(document, indent=2, sort_keys=True, default=str)
                sys.stdout.write(text + "\n")
        if failure:
            raise failure

    @contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """Show that a step takes a while."""
        if self.plain or self.as_json:
            self.say(f"{what} ...")
            yield
        else:
            with self.console.status(f"{what} ..."):
                yield
