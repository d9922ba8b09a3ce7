"""Show the changes of a run that matter to an operator; ``--diff`` shows all of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import PurePath

from kai_ansible.ansible.changes import OWNER_AND_MODE, Change

NOTHING = "-"
COLUMNS = ("What", "From", "To")
ACCOUNT = "account "
_RULE = re.compile(r"\S+ ALL=\((?P<user>[^)]+)\) NOPASSWD: (?P<commands>.+)")
_PROGRAM = re.compile(r"/\S*/(?P<name>[^/\s,]+)")
# of an entry of users.yaml, which has an ID from its first to its last day
_USER_ID = re.compile(r"users\[(?P<user>.+)\]\.telegram_id")
_RECORD = re.compile(r"/installs/\d+$")
_SIGNALS = ("kill", "cat", "ls", "test", "pkill")
_MOST_NAMED = 4
# what the modules tell of a new directory, and of a new release
_DIRECTORY = ("made", "built")
Row = tuple[str, str, str]


def full_rows(changes: Sequence[Change]) -> list[Row]:
    """Return a row for every change, a file's keys below its path."""
    rows: list[Row] = []
    for path, group in groupby(changes, key=lambda change: change.path):
        found = list(group)
        whole = len(found) == 1 and not found[0].key
        if not whole:
            rows.append((path, "", ""))
        for change in found:
            what = path if whole else f"  {change.key}"
            rows.append((what, change.before or NOTHING, change.after or NOTHING))
    return rows


def summary_rows(changes: Sequence[Change]) -> list[Row]:
    """Return a row for what is new of each kind, and one for each value that changes."""
    accounts = [change.path.removeprefix(ACCOUNT) for change in changes if _is_account(change)]
    others_than_accounts = [change.path for change in changes if not _is_account(change)]
    by_path = {
        path: [change for change in changes if change.path == path]
        for path in dict.fromkeys(others_than_accounts)
        # that an install is recorded is no news
        if not _RECORD.search(path)
    }
    new_directories: list[str] = []
    new_files, others = [], []
    for path, found in by_path.items():
        if any(change.key == OWNER_AND_MODE and not change.before for change in found):
            new_files.append(path)
        # what is kept of a database, or where a link points, is no directory
        elif path.startswith("/") and len(found) == 1 and found[0].after in _DIRECTORY:
            new_directories.append(path)
        else:
            others.append(path)
    rows = [
        *_new("OS users", accounts),
        *_new("directories", new_directories),
        *_new("files", new_files),
    ]
    rows += [row for path in others for row in _of_one(path, by_path[path])]
    for path in new_files:
        if "sudoers" in path:
            rows += _sudo_rows(by_path[path])
    return rows


def _is_account(change: Change) -> bool:
    return change.path.startswith(ACCOUNT)


def _new(what: str, names: Sequence[str]) -> Iterator[Row]:
    if names:
        named = ", ".join(names) if len(names) <= _MOST_NAMED else ""
        yield what, NOTHING, f"{len(names)} new" + (f": {named}" if named else "")


def _of_one(path: str, changes: Sequence[Change]) -> Iterator[Row]:
    if "sudoers" in path:
        yield from _sudo_rows(changes) or [(path, "", "other options of the same rules")]
        return
    if path.endswith(".service") and path.startswith("/"):
        yield PurePath(path).name, "", "another unit file"
        return
    users = {
        found["user"]: "new" if change.after else "removed"
        for change in changes
        if (found := _USER_ID.match(change.key)) and not (change.before and change.after)
    }
    for user, what in users.items():
        yield f"user {user}", NOTHING, what
    parts = tuple(f"users[{user}]." for user in users)
    for change in changes:
        if not change.key.startswith(parts):
            what = f"{path}: {change.key}" if change.key else path
            yield what, change.before or NOTHING, change.after or NOTHING


def _sudo_rows(changes: Iterable[Change]) -> list[Row]:
    """Return a row per OS user with the agents that the bot may start as that user."""
    before: dict[str, set[str]] = {}
    after: dict[str, set[str]] = {}
    for change in changes:
        for line, found in ((change.before, before), (change.after, after)):
            rule = _RULE.match(line)
            # what the bot reads and writes as root are its own files
            if rule and rule["user"] != "root":
                programs = _PROGRAM.findall(rule["commands"])
                names = {name for name in programs if name not in _SIGNALS}
                found.setdefault(rule["user"], set()).update(names)
    return [
        (f"sudo as {user}", _named(before.get(user)), _named(after.get(user)))
        for user in sorted({*before, *after})
        if before.get(user) != after.get(user) and (before.get(user) or after.get(user))
    ]


def _named(programs: set[str] | None) -> str:
    return ", ".join(sorted(programs or ())) or NOTHING
