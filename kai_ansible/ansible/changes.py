"""The changes of a run, or of a check, read from the diffs of its tasks."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import PurePath
from typing import Any

import yaml

from kai_ansible.ansible.events import Event, EventData, Result, task_of
from kai_ansible.rules.bounded_yaml import NotATree, read_tree
from kai_ansible.rules.diff import ABSENT

# the header of a diff of kai_switch: path, owner and mode
_FILE = re.compile(rf"(?P<path>.+) \((?P<state>{ABSENT}|\d+:\d+ [0-7]{{4}})\)")
_ENTRY = re.compile(r"(?P<key>[A-Za-z_][A-Za-z0-9_]*)=(?P<value>.*)")
_USER_MODULE = "ansible.builtin.user"
# the key of a change; a new file has none before
OWNER_AND_MODE = "owner and mode"
_DATA = (".json", ".yaml", ".yml")
_RESULTS = ("runner_on_ok", "runner_item_on_ok")
_PARTS = ("before", "after", "before_header", "after_header")
# the comparison of more may take hours
_MOST_LINES = 1000


@dataclass(frozen=True)
class Change:
    """One change.

    path: the file, directory, account or service. key: the changed part, empty for the whole.
    before, after: the values, empty for none. A secret is shown as its fingerprint.
    """

    path: str
    key: str
    before: str
    after: str


def changes_by_host(events: Iterable[Event]) -> dict[str, list[Change]]:
    """Return the changes on each host, in the order of the tasks and without duplicates.

    events: job events of ansible-runner from a run with --diff. A changed task without a diff is
    listed by its name.
    """
    found: dict[str, dict[Change, None]] = {}
    for event in events:
        data = event.get("event_data", {})
        result = data.get("res", {})
        # the items of a loop have their own events
        if event.get("event") not in _RESULTS or not result.get("changed") or "results" in result:
            continue
        changes = found.setdefault(str(data["host"]), {})
        changes.update(dict.fromkeys(_changes_of(data, result)))
    return {host: list(changes) for host, changes in found.items()}


def _changes_of(data: EventData, result: Result) -> Iterator[Change]:
    given = result.get("diff")
    # a diff of another module may lack a header, and a host may answer anything
    shown = [
        difference
        for difference in (given if isinstance(given, list) else [given])
        if isinstance(difference, dict)
        and "after_header" in difference
        and all(isinstance(difference.get(part, ""), str) for part in _PARTS)
    ]
    for difference in shown:
        yield from _changes_in(difference)
    if shown:
        return
    if data.get("task_action") == _USER_MODULE:
        # its result has no name in check mode, but the item of the loop
        yield Change(f"account {result.get('name') or result.get('item', '')}", "", "", "made")
    else:
        yield Change(task_of(data), "", "", "changed")


def _changes_in(difference: Mapping[str, str]) -> Iterator[Change]:
    before, after = difference.get("before", ""), difference.get("after", "")
    headers = (difference.get(name, "") for name in ("before_header", "after_header"))
    old, new = map(_FILE.fullmatch, headers)
    if not (old and new):
        yield Change(difference["after_header"], "", before.strip(), after.strip())
        return
    path = new["path"]
    states = ["" if found["state"] == ABSENT else found["state"] for found in (old, new)]
    found = [] if states[0] == states[1] else [Change(path, OWNER_AND_MODE, *states)]
    found += _inside(path, before, after)
    # list every change, even one of whitespace
    yield from found or [Change(path, "", "other whitespace or comments", "rewritten")]


def _inside(path: str, before: str, after: str) -> Iterator[Change]:
    """Yield the differences between two texts of a file: by key if it has keys, else by line."""
    old, new = _entries(path, before), _entries(path, after)
    if old is not None and new is not None:
        for key in dict.fromkeys([*old, *new]):
            if old.get(key) != new.get(key):
                yield Change(path, key, old.get(key, ""), new.get(key, ""))
        return
    lines, others = _lines(before), _lines(after)
    if max(len(lines), len(others)) > _MOST_LINES:
        yield Change(path, "", f"{len(lines)} lines", f"{len(others)} lines")
        return
    for kind, start, end, other_start, other_end in difflib.SequenceMatcher(
        None, lines, others, autojunk=False
    ).get_opcodes():
        if kind != "equal":
            pairs = zip_longest(lines[start:end], others[other_start:other_end], fillvalue="")
            yield from (Change(path, "", line, other) for line, other in pairs)


def _lines(text: str) -> list[str]:
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _entries(path: str, text: str) -> dict[str, str] | None:
    """Return the values of a file by key, None for a file without keys."""
    if PurePath(path).suffix in _DATA:
        try:
            return dict(_leaves("", read_tree(yaml.safe_load, text, yaml.YAMLError)))
        except (yaml.YAMLError, NotATree):
            # the deployed file may be damaged; compare it line by line
            return None
    entries = [_ENTRY.fullmatch(line) for line in _lines(text)]
    return {entry["key"]: entry["value"] for entry in entries if entry} if all(entries) else None


def _leaves(key: str, data: Any) -> Iterator[tuple[str, str]]:
    """Yield every value in nested data with its path."""
    if isinstance(data, dict):
        for name, value in data.items():
            yield from _leaves(f"{key}.{name}" if key else str(name), value)
    elif isinstance(data, list) and any(isinstance(item, dict) for item in data):
        for number, item in enumerate(data):
            yield from _leaves(f"{key}[{_label(item, number)}]", item)
    elif data is not None:
        yield key, yaml.safe_dump(data, default_flow_style=True, width=2**16).split("\n")[0]


def _label(item: Any, number: int) -> str:
    """Return the label of a list entry: its name and ID, or its number."""
    known = item if isinstance(item, dict) else {}
    marks = [str(known[name]) for name in ("name", "telegram_id") if name in known]
    return " ".join(marks) or str(number)
