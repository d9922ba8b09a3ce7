# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing and reading rules of sudoers(5)."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .paths import fault_of_path, fault_of_search_directory
from .problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from .desired import SudoRules

MAIN_POLICY = "/etc/sudoers"

# sudo knows only ASCII blanks; any other may be a part of a path
_RULE = re.compile(
    r"\s*(?P<user>[^\s#]\S*)\s+ALL\s*=\s*\((?P<runas>[^)\s]+)\)\s*(?:[A-Z_]+(?::\s*|=\S+\s+))*"
    r"(?P<command>/.*)",
    re.ASCII,
)
_COMMAND = re.compile(r"(?:\\.|[^\s\\,])+", re.ASCII)
_INCLUDE = re.compile(
    r"""\s*[#@]include(?P<directory>dir)?\s+(?:"(?P<quoted>[^"]+)"|(?P<bare>(?:\\.|[^\s\\])+))""",
    re.ASCII,
)
_COMMENT = re.compile(r"#(?!include|\d)")
# sudoers(5): rules with a time, and groups that a plugin knows
_MORE_THAN_TEXT = re.compile(r"\b(NOTBEFORE|NOTAFTER|group_plugin)\b")
_DEEPEST_INCLUDE = 128
# through links to directories a policy has ever more paths, though sudo ends at that depth
_MOST_FILES = 2000
# of a list of Defaults; a comma in a value is quoted or behind a backslash
_ENTRY = re.compile(r'(?:"(?:\\.|[^"\\])*"|\\.|[^,\\])+', re.DOTALL)
# a limit that is none, and leave to choose a directory, which changes none (sudoers(5))
_NO_LIMIT = re.compile(
    r"command_timeout=(?:0+[dhms]?)+|rlimit_\w+=(?:default|user|infinity)(?:,.*)?"
    r"|(?:runcwd|runchroot)=\*",
    re.IGNORECASE,
)
_QUOTE = '"'
_VERSION = re.compile(r"Sudo version (\d+)\.(\d+)(?:\.(\d+))?")


def policy_problem(path: str, found: str) -> Problem:
    """Return the problem of a drop-in that visudo rejects together with the rest of the policy."""
    expected = "rules that visudo accepts together with the rest of the policy"
    fix = "fix the file that visudo names on the host; visudo --check checks it again"
    return Problem(path, found, expected, fix)


def sudoers_command(path: str) -> str:
    """Return ``path`` as the command of a rule that means exactly this path, with any arguments.

    sudoers(5): ``,`` ``:`` ``=``, blanks and ``#`` are written behind a backslash.
    Raises ValueError when the path cannot be written.
    """
    fault = fault_of_path(path)
    if fault:
        raise ValueError(f"{path!r} {fault}")
    return re.sub(r"([,:= #])", r"\\\1", path)


def secure_path(directories: Iterable[str]) -> str:
    """Return the quoted value of ``Defaults secure_path`` for the directories, in their order.

    Raises ValueError when a directory cannot be written.
    """
    listed = list(directories)
    for directory in listed:
        fault = fault_of_search_directory(directory)
        if fault:
            raise ValueError(f"{directory!r} {fault}")
    return '"' + ":".join(listed) + '"'


def written_rules(rules: SudoRules) -> dict[str, Any]:
    """Return what a drop-in allows as its template writes it. Raises ValueError."""
    return {
        **rules,
        "secure_path": secure_path(rules["secure_path"]),
        "tools": {name: sudoers_command(path) for name, path in rules["tools"].items()},
        "helpers": [sudoers_command(path) for path in rules["helpers"]],
        **{
            kind: [{**call, "command": sudoers_command(call["command"])} for call in rules[kind]]
            for kind in ("agents", "environments")
        },
    }


def commands_by_account(text: str) -> list[tuple[str, str]]:
    """Return (target account, command path) of every rule of a drop-in.

    Arguments and what follows a comma are cut off. Understands the drop-ins of this role and of
    Kai's own installer; other lines are passed over.
    """
    found = []
    for line in text.splitlines():
        match = _RULE.match(line)
        if match:
            command = _COMMAND.match(match["command"])
            if command:
                found.append((match["runas"], re.sub(r"\\(.)", r"\1", command[0])))
    return found


def statements(text: str) -> list[tuple[int, str]]:
    """Return every statement of a drop-in with the number of its first line, from 1.

    Lines that a backslash joins are one statement; blank lines and comments are none. What begins
    with ``#include`` is no comment, and neither is a rule for a user ID, ``#1000``.
    """
    found: list[tuple[int, str]] = []
    joined = False
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.strip()
        goes_on = words.endswith("\\")
        words = words.rstrip("\\").strip()
        if joined:
            found[-1] = (found[-1][0], f"{found[-1][1]} {words}")
        elif words and not _COMMENT.match(words):
            found.append((number, words))
        else:
            # better report a statement after a comment once too often
            goes_on = False
        joined = goes_on
    return found


def accounts_with_rules(text: str) -> list[str]:
    """Return the accounts that the rules of a drop-in are for, each once, in their order.

    Understands the same drop-ins as ``commands_by_account``; groups and IDs are passed over.
    """
    users = [match["user"] for match in map(_RULE.match, text.splitlines()) if match]
    return [user for user in dict.fromkeys(users) if user[0] not in "%+#"]


def includes(text: str, parent: str, host: str = "") -> dict[int, tuple[bool, str]]:
    """Return everything that a file includes, by the number of its line from 0.

    Each is whether it is a directory, and its path.

    parent: the directory of the file, from which other paths than absolute ones start. host: the
    short host name, for %h.
    """
    found = {}
    # a line of sudo ends in a newline alone
    for number, line in enumerate(text.split("\n")):
        match = _INCLUDE.match(line)
        if match:
            path = match["quoted"] or re.sub(r"\\(.)", r"\1", match["bare"])
            path = posixpath.join(parent, path.replace("%h", host))
            found[number] = bool(match["directory"]), posixpath.normpath(path)
    return found


@dataclass(frozen=True)
class PolicyFiles:
    """The files of a host that its policy is made of.

    read: returns the text of a file, None where there is none. names: returns the names of the
    files of a directory, none where there is none. real: returns a path without links, as two paths
    may lead to one directory. host: the short host name.
    """

    read: Callable[[str], str | None]
    names: Callable[[str], Sequence[str]]
    real: Callable[[str], str]
    host: str = ""


class PolicyTooLarge(Exception):
    """A policy has more files than are read here."""


def reads_directory(directory: str, files: PolicyFiles) -> bool:
    """Return whether a policy reads the drop-ins of ``directory``."""
    wanted = files.real(directory)
    try:
        return any(
            wanted in map(files.real, directories) for _texts, directories in policy_levels(files)
        )
    except PolicyTooLarge:
        return False


def policy_levels(files: PolicyFiles) -> Iterator[tuple[dict[str, str | None], list[str]]]:
    """Yield the files of a policy, the main one first, then those that it includes, and so on.

    Each level has the texts by path, None where there is no file, and the directories whose
    drop-ins the next one has. sudo itself goes no deeper than 128 files. Raises PolicyTooLarge.
    """
    # a file may include another one, or itself, many times
    seen: set[str] = set()
    level = [MAIN_POLICY]
    for _depth in range(_DEEPEST_INCLUDE + 1):
        if len(seen) + len(level) > _MOST_FILES:
            raise PolicyTooLarge
        texts = {path: files.read(path) for path in level}
        found = [
            entry
            for path, text in texts.items()
            for entry in includes(text or "", posixpath.dirname(path), files.host).values()
        ]
        directories = list(dict.fromkeys(path for is_directory, path in found if is_directory))
        yield texts, directories
        seen.update(level)
        included = [path for is_directory, path in found if not is_directory]
        for path in directories:
            included += [posixpath.join(path, name) for name in _drop_ins(path, files)]
        level = [path for path in dict.fromkeys(included) if path not in seen]
        if not level:
            return


def depends_on_more(text: str) -> bool:
    """Return whether time or a plugin decides on the rules of a text, and not its words alone."""
    return _MORE_THAN_TEXT.search(text) is not None


def asks_elsewhere(nsswitch: str) -> bool:
    """Return whether sudo has rules from elsewhere than its files, such as a directory service.

    nsswitch: the text of /etc/nsswitch.conf (sudoers.ldap(5)).
    """
    found = re.findall(r"^[ \t]*sudoers[ \t]*:([^#\n]*)", nsswitch, re.MULTILINE)
    return any(word != "files" for sources in found for word in sources.split())


def _drop_ins(directory: str, files: PolicyFiles, target: str = "") -> list[str]:
    """Return the names of the drop-ins that sudo reads in a directory, in its order.

    It passes over backups and names with a dot. target: the name of one more, if not empty.
    """
    names = {*files.names(directory), *filter(None, [target])}
    active = [name for name in names if not name.endswith("~") and "." not in name]
    return sorted(active, key=lambda name: name.encode(errors="surrogateescape"))


def sudo_version(said: str) -> tuple[int, int, int] | None:
    """Return the version in what ``sudo -V`` says, None when it is another program's."""
    match = _VERSION.match(said)
    return (int(match[1]), int(match[2]), int(match[3] or 0)) if match else None


def flags_in_force(listing: str) -> set[str]:
    """Return the names of Defaults that are set for a user, from what ``sudo -l`` lists.

    Of several settings of one name the last counts. A value that means no limit is not set.
    """
    listed = listing.partition("Matching Defaults entries for ")[2]
    entries = _ENTRY.findall(listed.partition("\n\n")[0].partition(":\n")[2])
    flags: dict[str, bool] = {}
    for entry in filter(None, map(str.strip, entries)):
        name, _equals, value = entry.lstrip("!").partition("=")
        no_limit = _NO_LIMIT.fullmatch(f"{name}={value.strip(_QUOTE)}")
        flags[name.rstrip("+-")] = not entry.startswith("!") and not no_limit
    return {flag for flag, is_set in flags.items() if is_set}


def policy_with_candidate(
    target: str, candidate: str, files: PolicyFiles, scratch: str
) -> dict[str, tuple[str, str | None]]:
    """Return the whole policy as it would be with a drop-in, in copies, the main file first.

    Returns path and text of the original by the path of its copy; the text is None for a directory,
    and for a file that is not there. target: path of the drop-in. candidate: its new text. scratch:
    the directory of the copies. All that is included is copied: the directory of the drop-in may be
    included at any depth, and a copy has a name without %h, which sudo would expand.
    """
    directory, name = posixpath.split(target)
    home = files.real(directory)
    copies: dict[str, tuple[str, str | None]] = {f"{scratch}/0": (MAIN_POLICY, None)}
    known = {(False, MAIN_POLICY): f"{scratch}/0"}
    level = list(copies)
    is_read = False
    for _depth in range(_DEEPEST_INCLUDE + 1):
        included: dict[str, str] = {}
        for copy in level:
            path = copies[copy][0]
            parent, base = posixpath.split(path)
            is_target = base == name and files.real(parent) == home
            is_read = is_read or is_target
            text = candidate if is_target else files.read(path)
            if text is None:
                continue
            lines = text.split("\n")
            for number, (in_directory, found) in includes(text, parent, files.host).items():
                is_new = (in_directory, found) not in known
                to = known.setdefault((in_directory, found), f"{scratch}/{len(known)}")
                lines[number] = _include_line(to, "includedir" if in_directory else "include")
                if not is_new:
                    continue
                copies[to] = (found, None)
                if not in_directory:
                    included[to] = found
                    continue
                more = name if files.real(found) == home else ""
                for index, drop_in in enumerate(_drop_ins(found, files, more)):
                    included[f"{to}/{index:06}"] = posixpath.join(found, drop_in)
            copies[copy] = (path, "\n".join(lines))
        copies.update((copy, (path, None)) for copy, path in included.items())
        level = list(included)
        if len(copies) > _MOST_FILES:
            break
    if not is_read:
        # the probe reports a policy that does not read the directory
        last = f"{scratch}/{len(known)}"
        copies[last] = (target, candidate)
        text = copies[f"{scratch}/0"][1] or ""
        copies[f"{scratch}/0"] = (MAIN_POLICY, f"{text}\n{_include_line(last)}\n")
    return copies


def _include_line(path: str, word: str = "include") -> str:
    return f"#{word} " + re.sub(r"([ \\])", r"\\\1", path)
