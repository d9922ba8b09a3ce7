"""Lay out a table so that no word is split: as columns if they fit, else as one block per row."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence

from kai_ansible.calling import GLUE

GAP = 2
INDENT = "  "
# a column that is narrower than this makes a tower of words
_NARROWEST = 12

# how a line begins whose continuation stands below its text, and one that is a command
_HANGING = re.compile(
    r" *(?:(?:found|expected|fix|evidence|cause|Note): +"
    r"|(?:Service|Release|Disk) {2,}|\d+\. )?"
)
_COMMAND = re.compile(r" *(?:fix: +)?(?:sudo|ssh|systemctl|journalctl) ")

Row = Sequence[str]


def wrap(text: str, width: int, first: str, following: str) -> list[str]:
    """Return the lines of a paragraph, broken between words; first, following: how lines begin."""
    return textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=following,
        break_long_words=False,
        break_on_hyphens=False,
    )


def wrapped(text: str, width: int | None) -> list[str]:
    """Return the lines of a text, wrapped between words; a command stays whole, to be copied.

    The words of a command of this program have to be joined by GLUE.
    """
    lines: list[str] = []
    for line in text.split("\n"):
        if width is None or len(line) <= width or _COMMAND.match(line):
            lines.append(line)
            continue
        found = _HANGING.match(line)
        hang = found.end() if found else 0
        lines += wrap(line[hang:], max(width, hang + _NARROWEST), line[:hang], " " * hang)
    return [line.replace(GLUE, " ") for line in lines]


def table_lines(columns: Row, rows: Sequence[Row], width: int | None) -> list[str]:
    """Return the lines of a table, its header first.

    A row with a word that is too long for its column, such as a path, becomes a block of its own.
    width: of the terminal; None puts each row on one line, however long.
    """
    fitting = [row for row in rows if width is None or _fits(row, width)]
    while (widths := _widths(columns, fitting, width)) is None and fitting:
        fitting.remove(max(fitting, key=lambda row: sum(map(_longest_word, row))))
    if widths is None or not fitting:
        return [line for row in rows for line in _block(columns, row, width or 0)]
    lines = []
    for row in (columns, *rows):
        if row is columns or any(row is one for one in fitting):
            lines += [
                (INDENT + (" " * GAP).join(map(str.ljust, line, widths))).rstrip()
                for line in _wrapped(row, widths)
            ]
        else:
            lines += _block(columns, row, width or 0)
    return lines


def _fits(row: Row, width: int) -> bool:
    """Return whether no word of a row takes more than its share of the line."""
    most = (width - len(INDENT)) * 2 // (len(row) + 1)
    return all(len(word) <= most for cell in row for word in cell.split())


def _widths(columns: Row, rows: Sequence[Row], width: int | None) -> list[int] | None:
    """Return the width of each column, None if they have no place beside one another."""
    cells = list(zip(columns, *rows, strict=True))
    wanted = [max(map(len, column)) for column in cells]
    room = (width or 0) - len(INDENT) - GAP * (len(columns) - 1)
    if width is None or sum(wanted) <= room:
        return wanted
    words = [max(map(_longest_word, column)) for column in cells]
    least = [min(want, max(_NARROWEST, word)) for want, word in zip(wanted, words, strict=True)]
    spare = room - sum(least)
    if spare < 0:
        return None
    # the widest columns give way first: each gets its share of what is left
    missing = sum(wanted) - sum(least)
    return [low + (want - low) * spare // missing for low, want in zip(least, wanted, strict=True)]


def _longest_word(cell: str) -> int:
    """Return the length of the longest word, with the margin before it."""
    margin = len(cell) - len(cell.lstrip())
    return margin + max((len(word) for word in cell.split()), default=0)


def _wrapped(row: Row, widths: Sequence[int]) -> Iterator[list[str]]:
    parts = [_fitted(cell, size) for cell, size in zip(row, widths, strict=True)]
    for number in range(max(map(len, parts))):
        yield [part[number] if number < len(part) else "" for part in parts]


def _fitted(text: str, width: int) -> list[str]:
    if len(text) <= width:
        return [text]
    # a row of a section is indented, and stays so
    margin = text[: len(text) - len(text.lstrip())]
    return wrap(text.strip(), max(width, 1), margin, margin) or [text]


def _block(columns: Row, row: Row, width: int) -> Iterator[str]:
    size = max(map(len, columns[1:]), default=0)
    yield INDENT + row[0]
    margin = INDENT * 2 + row[0][: len(row[0]) - len(row[0].lstrip())]
    for column, cell in zip(columns[1:], row[1:], strict=True):
        if not cell.strip():
            continue
        start = f"{margin}{column.ljust(size)}  "
        yield from wrap(cell, max(width, len(start) + _NARROWEST), start, " " * len(start))
