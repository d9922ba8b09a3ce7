"""Merge what the contracts of several release lines say, so that what they share stands once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kai_ansible.rules.problems import listed


def in_order(names_of_lines: Iterable[Iterable[str]]) -> list[str]:
    """Return every name once: those of the first line, each new one after what it follows."""
    found: list[str] = []
    for names in names_of_lines:
        place = 0
        for name in names:
            if name in found:
                place = found.index(name) + 1
            else:
                found.insert(place, name)
                place += 1
    return found


def grouped(
    rows: Mapping[str, Mapping[str, tuple[str, ...]]],
) -> list[tuple[tuple[str, ...], list[str]]]:
    """Return each different row with its lines, from the rows of each line by their names."""
    found = []
    for name in in_order(rows.values()):
        lines_of: dict[tuple[str, ...], list[str]] = {}
        for line, own in rows.items():
            if name in own:
                lines_of.setdefault(own[name], []).append(line)
        found += list(lines_of.items())
    return found


def merged_option(
    titles: Mapping[str, str], options: Mapping[str, dict[str, Any]]
) -> dict[str, Any]:
    """Return an argument of the role for every line.

    titles: of all lines. options: the argument by each line that has it. A sentence that only some
    of them have begins with their titles. Raises ValueError if its types differ.
    """
    sentences = {line: option["description"] for line, option in options.items()}
    description = []
    if len(options) < len(titles):
        description.append(f"Only in {listed(titles[line] for line in options)}.")
    # the newest first, since what is new stands before: then an older line's sentence comes first
    for sentence in in_order(reversed(list(sentences.values()))):
        lines = [line for line in options if sentence in sentences[line]]
        of_some = f"{listed(titles[line] for line in lines)}: {sentence}"
        description.append(sentence if len(lines) == len(options) else of_some)
    kinds = [{k: v for k, v in one.items() if k != "description"} for one in options.values()]
    if any(kind != kinds[0] for kind in kinds):
        raise ValueError(f"the lines disagree on an argument: {kinds}")
    return {"description": description, **kinds[0]}
