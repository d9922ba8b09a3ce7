"""The name by which the operator called this command, so that printed commands can be pasted."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from pathlib import Path

from kai_ansible.rules.configuration import PREFIX

PROGRAM = "kai-ansible"
# the Makefile sets it
BY_MAKE = "KAI_ANSIBLE_BY_MAKE"
# the verbs that have a target of the same name, and no argument of their own
_TARGETS = (
    *("config", "install", "upgrade", "status", "doctor", "show", "logins", "logs", "restart"),
    *("rollback", "backup", "uninstall", "migrate", "settings"),
)
_COMMAND = re.compile(rf"(?<![\w/.-]){PROGRAM} (?P<verb>[a-z][a-z-]*)(?P<rest>[^\n]*)")
# what follows a command that has no argument: the end, or other words of a sentence
_ALONE = re.compile(r"\Z|[.,;:)'\"]| (?:and|again|or|then|first|with|makes|lists|while|in|to|is)\b")


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

    Through make, a command without arguments is a target of make; anywhere else the program has the
    name by which it was called, such as .venv/bin/kai-ansible.
    """
    if PROGRAM not in text:
        return text
    name = program()
    by_make = bool(os.environ.get(BY_MAKE))

    def replaced(found: re.Match[str]) -> str:
        verb, rest = found["verb"], found["rest"]
        # a sentence may hold another command
        after = as_called(rest) if PROGRAM in rest else rest
        if by_make and verb in _TARGETS and _ALONE.match(rest):
            return f"make {verb}{after}"
        return f"{name} {verb}{after}"

    return _COMMAND.sub(replaced, text)


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
