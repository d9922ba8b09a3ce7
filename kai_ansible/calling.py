"""The name by which the operator called this command, so that printed commands can be pasted."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kai_ansible.rules.configuration import PREFIX

PROGRAM = "kai-ansible"
# the Makefile sets it
BY_MAKE = "KAI_ANSIBLE_BY_MAKE"
# the verbs that have a target of the same name
_TARGETS = (
    *("config", "install", "upgrade", "status", "doctor", "show", "logins", "logs", "restart"),
    *("rollback", "backup", "uninstall", "migrate", "settings"),
)
# the verbs whose first argument is the host
_OF_HOST = (
    *(verb for verb in _TARGETS if verb != "settings"),
    *("sudo-password", "users list", "users add"),
)
_OTHERS = (
    *("settings", "restore", "users edit", "users remove", "workshop enrol"),
    *("vault rekey", "vault password"),
)
# a word after the verb is the host, if after that there is an option, a punctuation mark or the end
_COMMAND = re.compile(
    rf"(?<![\w/.-]){PROGRAM} (?:"
    rf"(?P<of_host>{'|'.join(_OF_HOST)})(?![\w-])"
    r"(?: (?P<host>\w\S*?)(?= --|[.,;:)'\"]*$|[.,;:)'\"]+ ))?"
    rf"|(?P<other>{'|'.join(_OTHERS)})(?![\w-])"
    r")(?P<option> --?\w)?",
    re.MULTILINE,
)


@dataclass
class _Given:
    """What this command was given: the host, and the options that name inventory and vaults."""

    host: str | None = None
    options: Sequence[str] = ()


_given = _Given()


def remember(host: str | None, options: Sequence[str]) -> None:
    """Let printed commands name the host and have the options that this command was given."""
    _given.host, _given.options = host, tuple(options)


def program() -> str:
    """Return what starts this program in the operator's shell and directory."""
    called = sys.argv[0] if sys.argv else ""
    if Path(called).name != PROGRAM:
        return PROGRAM
    found = shutil.which(PROGRAM)
    if found and Path(called).exists() and Path(found).samefile(called):
        return PROGRAM
    return shlex.quote(called)


def given_at(variable: str) -> Path:
    """Return where the operator gave a variable for this run: at --set, or to make by its key."""
    key = variable.removeprefix(PREFIX).upper()
    if os.environ.get(BY_MAKE) and os.environ.get(key):
        return Path(f"make {key}=")
    return Path("--set")


def as_called(text: str) -> str:
    """Return a text with its commands as the operator would type them.

    They have the options that this command was given. Through make, a command without options of
    its own is a target of make; anywhere else the program has the name by which it was called, such
    as .venv/bin/kai-ansible.
    """
    return _COMMAND.sub(_replaced, text)


def _replaced(found: re.Match[str]) -> str:
    verb, option = found["of_host"] or found["other"], found["option"] or ""
    host = (found["host"] or _given.host) if found["of_host"] else None
    # the verbs of vaults have options of their own
    options = _given.options if not verb.startswith("vault ") else ()
    words = [*([host] if host else ()), *options]
    if verb in _TARGETS and not option:
        return command_line([PROGRAM, verb, *words])
    return " ".join([program(), verb, *map(shlex.quote, words)]) + option


def command_line(words: list[str]) -> str:
    """Return a command of this program as one line, as the operator would type it.

    words: the command, ``kai-ansible`` first.
    """
    if words[:1] != [PROGRAM]:
        return shlex.join(words)
    verb, *given = words[1:]
    if not os.environ.get(BY_MAKE) or verb not in _TARGETS:
        return " ".join([program(), shlex.join([verb, *given])])
    line = ["make", verb]
    rest = list(given)
    if rest and not rest[0].startswith("-"):
        line.append(f"host={shlex.quote(rest.pop(0))}")
    if rest[:1] == ["--inventory"] and len(rest) > 1:
        line.append(f"inventory={shlex.quote(rest[1])}")
        del rest[:2]
    if rest:
        line.append(f"args={shlex.quote(shlex.join(rest))}")
    return " ".join(line)
